"""Users come when every API of the target has answered the administrator, and not before.

A port that answers says little: an API loads its policies at the first call with a token, and
neutron, nova and cinder publish their enforcer before its rules are in it. Calls beside that first
one were refused (403, for up to 20 s after each of three cutovers). So the first call is ours, to
each controller's own address, and it proves that what was copied can be read.
"""

from migrate.cloud import Context, hosts, login, side_by_side
from migrate.cloud.api import ApiError
from migrate.cloud.host import Host
from migrate.cloud.wait import while_any
from migrate.engine import markers
from migrate.errors import StepError
from migrate.services import RECIPES
from migrate.services.rest import Rest

WAIT_SECONDS = 45.0  # as long as for the daemons below them


def answer(context: Context) -> bool:
    """Whether every API answers the administrator now."""
    return markers.reached(context, markers.SYNCED) and not _refusals(context)


def wait(context: Context) -> None:
    """Return when they do; StepError names what is silent after `WAIT_SECONDS`."""
    if wrong := while_any(lambda: _refusals(context), WAIT_SECONDS):
        raise StepError(
            f"no good answer to the administrator within {WAIT_SECONDS:.0f} s: {'; '.join(wrong)}. "
            "See the service's log under /var/log there"
        )


def _refusals(context: Context) -> list[str]:
    """`["network on ctl-new: GET http://192.0.2.12:9696/v2.0/networks answered 403: ..."]`."""
    return hosts.joined(context.target.controllers, lambda host: _refused_at(context, host))


def _refused_at(context: Context, host: Host) -> list[str]:
    try:
        api = login.api(context, host)
    except login.LoginError as error:
        return [f"identity on {host.name}: {error.message}"]
    rests = [one.rest for one in RECIPES if one.rest and one.rest.service in api.bases]

    def ask(rest: Rest) -> str:
        try:
            api.short(rest)
        except ApiError as error:
            return f"{rest.service} on {host.name}: {error}"
        return ""

    return [said for said in side_by_side.each(ask, rests, len(rests)) if said]
