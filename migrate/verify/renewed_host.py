"""A renewed compute host takes servers again, which a new one proves: it boots there and answers.

No new server can be put on a closed host, so it is opened for it, and closed again if that fails.
"""

from __future__ import annotations

from migrate.cloud import Context, login
from migrate.cloud.host import Host
from migrate.computes import proof, service
from migrate.verify import boot

UNPROVEN = "settle.unproven"  # {"cmp1": "it has no room for one"}, for people


def is_open(context: Context, host: Host) -> bool:
    """Whether it is proven, and not closed by us: open, or closed by somebody before us."""
    return not (
        proof.noted(context, host) or service.is_ours(service.of(login.api(context), host.name))
    )


def open_again(context: Context, host: Host) -> None:
    """Open it and boot a server there; StepError, and it stays closed, where that goes wrong.

    Where no server can be put the host is opened by what `proof` has compared, and that is kept.
    """
    api = login.api(context)
    service.reopen(api, host.name)
    why = "somebody else has closed it"
    if not service.is_closed(service.of(api, host.name)):
        try:
            why = "" if boot.boot(context, api, host.name) else "it has no room for one"
        except boot.NoPlaceError as error:
            why = str(error)
        except BaseException:  # also what openstacksdk raises
            service.close(api, host.name)
            raise
    if why:
        context.extras.setdefault(UNPROVEN, {})[host.name] = why
    proof.forget(context, host)  # the last: while it is kept the host is not done
