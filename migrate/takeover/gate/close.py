"""Closing the source in two depths: by the front, or where none stands in its HAProxy's own files.

Of those the source's own text comes back byte for byte.
"""

from contextlib import suppress

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.errors import PreconditionError, UnreachableError
from migrate.onhost import call
from migrate.onhost.front import TO_ALL
from migrate.takeover.gate import haproxy


def close(context: Context, depth: str) -> None:
    """Close to "users", so that the cloud's own hosts pass, or to "all".

    A front lets pass who reads, as long as nothing has led to the target. The operator passes
    neither: `migrate` speaks to the controllers' own addresses, and users may well share the
    address from which it comes. Closed to all, what is carried since before ends.
    """
    own = own_addresses(context) if depth == "users" else None

    def act(host: Host) -> None:
        if call(host, "front.close", depth, timeout=60):
            if own is None:
                call(host, "front.end_calls", timeout=60)
            return
        state = call(host, "haproxy.state")
        if not state["running"]:
            raise PreconditionError(
                f"{host.name}: no HAProxy runs there; the cloud can only be closed in HAProxy"
            )
        call(host, "haproxy.close", depth, haproxy.closed(state["original"], own))
        if own is None:
            call(host, "haproxy.end_old_workers")

    hosts.gather(context.source.controllers, act)


def close_target(context: Context) -> None:
    """Close the target to users before going back; its hosts pass, so what has begun can end.

    A front that leads to it is closed to all: to the target they would be a host of the cloud's.
    """
    with suppress(UnreachableError):  # a front on a dead host leads nobody
        call_each(context.source.controllers, "front.close", "all", timeout=60)
    own = own_addresses(context, living=True)

    def act(host: Host) -> None:
        state = call(host, "haproxy.state")
        if state["running"]:
            call(host, "haproxy.close", "users", haproxy.closed(state["original"], own))

    hosts.gather(context.target.controllers, act)


def closed(context: Context, depth: str) -> bool:
    """Whether every source controller is closed to *depth*, or deeper."""
    deep = {"users": ("users", *TO_ALL), "all": TO_ALL}[depth]

    def ask(host: Host) -> bool:
        fronted = call(host, "front.state")["mode"]
        return (fronted or call(host, "haproxy.state")["closed"]) in deep

    return all(hosts.gather(context.source.controllers, ask))


def fronted(context: Context) -> bool:
    """Whether calls wait in a front on every source controller, and are not refused."""
    return all(one["mode"] for one in call_each(context.source.controllers, "front.state"))


def reopen(context: Context) -> None:
    """Open to everybody, as before `close`."""
    call_each(context.source.controllers, "haproxy.open_again")
    call_each(context.source.controllers, "front.open_again")


def leaving(context: Context) -> list[str]:
    """What workers of before the closing still carry, for people."""

    def ask(host: Host) -> list[str]:
        return [
            f"{count} connection(s) of the old haproxy {pid} on {host.name}"
            for pid, count in call(host, "haproxy.state")["leaving"].items()
            if count
        ]

    return hosts.joined(context.source.controllers, ask)


def own_addresses(context: Context, *, living: bool = False) -> list[str]:
    """Every address of the cloud's own hosts, from which its services call each other.

    With *living* a host that cannot be asked is left out, dead or closed out with the users.
    """

    def ask(host: Host) -> list[str]:
        try:
            own: list[str] = call(host, "addresses.own")
        except UnreachableError:
            if not living:
                raise
            return []
        return own

    return sorted({"127.0.0.0/8", *hosts.joined(context.hosts, ask)})
