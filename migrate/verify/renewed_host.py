"""A renewed compute host takes servers again, which a new one proves: it boots there and answers.

No new server can be put on a closed host, so it is opened for it, and closed again if that fails.
"""

from __future__ import annotations

from migrate.cloud import Context, login
from migrate.cloud.host import Host
from migrate.computes import proof, service
from migrate.errors import StepError
from migrate.verify import boot, views
from migrate.verify.listing import Listing


def is_open(context: Context, host: Host) -> bool:
    """Whether it is proven, and not closed by us: open, or closed by somebody before us."""
    return not (
        proof.noted(context, host) or service.is_ours(service.of(login.api(context), host.name))
    )


def open_again(context: Context, host: Host) -> None:
    """Open it and boot a server there; StepError, and it stays closed, where that goes wrong.

    One that somebody else has closed stays so: no server can be put there to prove it.
    """
    api = login.api(context)
    service.reopen(api, host.name)
    if not service.is_closed(service.of(api, host.name)):
        try:
            boot.boot(context, api.connection, _before(context), host.name)
        except BaseException:  # also what openstacksdk raises
            service.close(api, host.name)
            raise
    proof.forget(context, host)  # the last: while it is kept the host is not done


def _before(context: Context) -> Listing:
    """What shows of which image, flavor and network a server can be."""
    if found := views.kept(context).get(login.ADMIN):
        return found
    raise StepError(
        f"there is no listing of the cutover in {context.home}, so nobody knows what to boot: run "
        "this where the cutover was run"
    )
