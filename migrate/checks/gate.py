"""The source can be closed: every socket of HAProxy that users reach, and nobody passes it by."""

from collections.abc import Iterator
from typing import Any

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error, on_each, warning
from migrate.errors import CommandError
from migrate.onhost import call, sockets
from migrate.takeover import front
from migrate.takeover.gate import close, haproxy, proof

PLAIN = "Write its bind as address:port in a section of its own, as HAProxy's manual begins with"
ONE = "Let haproxy.service alone serve users; stop the other or bind it to an inner address"


def run(context: Context) -> list[Finding]:
    """What would stay open when the source is closed, or could not be seen to be closed."""
    own = close.own_addresses(context)
    found = on_each(context.source.controllers, lambda host: _host(context, host, own))
    return [*found, *_refused_at_once(context)]


def _refused_at_once(context: Context) -> Iterator[Finding]:
    """Where no front can hold calls for the window."""
    for where, why in front.obstacles(context):
        message = f"calls of the window are refused at once with 503, and not held: {why}"
        yield warning(message, "Nothing, if users may see that; else mend what is named", where)


def _host(context: Context, host: Host, own: list[str]) -> Iterator[Finding]:
    state = call(host, "haproxy.state")
    if not state["running"]:
        yield error(
            "no HAProxy runs as haproxy.service; the cloud can only be closed in HAProxy",
            "Start it, with master and workers (-Ws), or see the limits in README.md",
        )
        return
    told = call(host, "haproxy.listens")
    held = [(address, port) for address, port in told["own"]]
    texts = state["original"]
    left = haproxy.left_open(texts, held)
    for one in left:
        yield error(f"HAProxy listens on {one}, which no section binds that can be closed", PLAIN)
    yield from _passed_by(context, host, held, told["others"])
    shut = [one for one in haproxy.user_sockets(texts, held) if one not in left]
    yield from _tried(host, texts, shut, own)


def _tried(
    host: Host, texts: dict[str, str], shut: list[haproxy.UserSocket], own: list[str]
) -> Iterator[Finding]:
    try:
        told = proof.tried(host, haproxy.closed(texts, own), shut, own, passes=True)
    except CommandError as failure:
        message = f"the closed haproxy.cfg could not be tried: {failure}"
        yield error(message, "Mend what HAProxy says, or write it more plainly")
        return
    for one, said in told.items():
        if said:
            yield error(f"closed as the cutover does it, {one} {said}", PLAIN)


def _passed_by(
    context: Context, host: Host, held: list[tuple[str, int]], others: list[Any]
) -> Iterator[Finding]:
    """Users who reach an API beside HAProxy, and our own calls that HAProxy would refuse."""
    ports = {api.port for recipe in context.recipes for api in recipe.apis}
    virtual = {str(one.address) for one in context.source.virtual_ips}
    for address, port, name in others:
        if name == "haproxy" and not sockets.inside(address):
            yield error(f"another HAProxy listens on {address}:{port}", ONE)
    for address, port, name in others:
        reached = sockets.everywhere(address) or address in virtual
        if name != "haproxy" and port in ports and reached:
            yield error(f"{name} listens on {address}:{port}, where users pass HAProxy by", ONE)
    for address, port in held:
        if port in ports and (sockets.everywhere(address) or address == host.address):
            yield error(
                f"HAProxy listens on {address}:{port}: closed, it would refuse migrate's own calls "
                f"to {host.address}",
                "Bind it to the virtual IP only, and the API itself to the controller's own "
                "address",
            )
