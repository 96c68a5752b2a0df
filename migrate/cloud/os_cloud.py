"""clouds.yaml as openstacksdk reads it, and `--os-cloud`, another entry of it than the stack's."""

import socket
from typing import Any
from urllib.parse import urlsplit

from migrate.cloud.settings import Settings
from migrate.errors import SettingsError, one_line


def clouds(settings: Settings) -> Any:
    """openstacksdk's reader of the stack's clouds.yaml, of the one it finds where none is named."""
    from openstack.config import OpenStackConfig  # noqa: PLC0415  it costs half a second

    file = settings.cloud.file
    return OpenStackConfig(config_files=[str(file)] if file else None, load_envvars=file is None)


def logging_in_as(settings: Settings, name: str) -> Settings:
    """*settings* with entry *name* as the administrator; SettingsError unless it is of this cloud.

    Another cloud's entry would have its APIs asked, and a server made there, in place of ours.
    """
    url = _auth_url(settings, name)
    ours = {str(one.address) for one in settings.source.virtual_ips}
    if not ours & _addresses(urlsplit(url).hostname):
        raise SettingsError(
            f"--os-cloud {name}: its auth_url {url!r} is at no virtual IP of this cloud "
            f"({', '.join(sorted(ours))}); name an entry that is"
        )
    return settings.model_copy(update={"cloud": settings.cloud.model_copy(update={"name": name})})


def lacking(settings: Settings, name: str) -> str:
    """Why there is no entry *name*; "" where there is. What openstacksdk raises is its caller's."""
    file = settings.cloud.file
    if file and not file.is_file():
        return f"there is no file {file}"
    known = [str(one) for one in clouds(settings).get_cloud_names()]
    there = ", ".join(known) or "none"
    where = file or "clouds.yaml"
    return "" if name in known else f"{where} has no such entry; there are: {there}"


def _auth_url(settings: Settings, name: str) -> str:
    try:
        wrong = lacking(settings, name)
        if not wrong:
            return str(clouds(settings).get_one(cloud=name).config["auth"]["auth_url"])
    except Exception as error:  # openstacksdk and keystoneauth raise many kinds
        where = settings.cloud.file or "clouds.yaml"
        wrong = f"--os-cloud {name}: {where} cannot be used: {one_line(error)}"
        raise SettingsError(wrong) from error
    raise SettingsError(f"--os-cloud {name}: {wrong}")


def _addresses(host: str | None) -> set[str]:
    try:
        return {str(one[4][0]) for one in socket.getaddrinfo(host, None)} if host else set()
    except OSError:
        return set()
