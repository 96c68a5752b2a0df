"""A server of ours is live-migrated to another host and back, as nova does it for users.

It has arrived when it answers ping from there, too.
"""

from functools import partial

from migrate.cloud import Context
from migrate.cloud.api import Api
from migrate.cloud.host import Host
from migrate.computes.draining import together
from migrate.computes.draining.move import Move, Request, live
from migrate.computes.facts import Server
from migrate.errors import StepError
from migrate.verify import boot
from migrate.verify.boot import Booted


def move(context: Context, api: Api, host: Host, one: Booted, to: str) -> str:
    """Bring *one* from or to *host* onto *to* while it runs; why it did not come, "" where it did.

    StepError where a stop was asked for.
    """
    trip = Move(context=context, api=api, host=host, server=one.server, want=partial(_wanted, to))
    if wrong := together.run(context, [trip], all_of_them=True):
        return "; ".join(wrong)
    try:
        boot.answer(context, api, one.network, one.address)
    except StepError as error:
        return f"on {to} {error}"
    return ""


def _wanted(to: str, server: Server) -> Request | str:
    return "" if server.host == to else live(to)
