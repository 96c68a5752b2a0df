"""Who the program is to the cloud: an entry of the stack's clouds.yaml, logged in."""

import re
from contextlib import suppress
from typing import Any

from migrate.cloud import Context
from migrate.cloud.api import Api, moved
from migrate.cloud.host import Host
from migrate.cloud.os_cloud import clouds, lacking
from migrate.errors import PreconditionError, one_line

ADMIN = "admin"  # stands for the entry that the stack file names, whatever that is called


class LoginError(PreconditionError):
    """An entry of clouds.yaml does not log in: it is wrong, or keystone does not answer."""

    def __init__(self, who: str, entry: str, why: str) -> None:
        self.message = f"{who} cannot log in: {why}"
        self.remedy = f"See that keystone answers and that entry {entry!r} of clouds.yaml is right"
        super().__init__(f"{self.message}. {self.remedy}")


def connection(context: Context, host: Host | None = None, name: str = ADMIN) -> Any:
    """An openstacksdk connection as *name*; nothing is asked yet.

    It goes through the virtual IP, or to *host*'s own address.
    """
    import openstack  # noqa: PLC0415  it costs half a second, which `status` need not pay

    entries, entry = clouds(context.settings), _entry(context, name)
    region = entries.get_one(cloud=entry)
    if host is not None:
        at = moved(region.config["auth"]["auth_url"], host.address)
        region = entries.get_one(cloud=entry, auth={"auth_url": at})
    return openstack.connection.Connection(config=region, app_name="sidestep")


def certificate(context: Context) -> Any:
    """Files of the administrator's certificate and key in clouds.yaml, or of both in one."""
    return connection(context).config.get_requests_verify_args()[1]


def api(context: Context, host: Host | None = None, name: str = ADMIN) -> Api:
    """`connection()` as plain JSON, logged in; LoginError where it cannot."""
    try:
        found = Api(connection(context, host, name), address=host.address if host else "")
        _ = found.bases
    except Exception as error:  # openstacksdk and keystoneauth raise many kinds
        who = "the administrator" if name == ADMIN else f"user {name}"
        entry, why = _entry(context, name), _why(error)
        with suppress(Exception):
            why = lacking(context.settings, entry) or why
        raise LoginError(who, entry, why) from error
    return found


def _why(error: Exception) -> str:
    """What *error* says, without the names of the libraries that it came through."""
    return one_line(
        re.sub(r"HTTPS?ConnectionPool\(.*(\[Errno.*?)['\")]*$", r"\1", str(error), flags=re.S)
    )


def _entry(context: Context, name: str) -> str:
    return context.settings.cloud.name if name == ADMIN else name
