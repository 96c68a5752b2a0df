"""What users reach at the source's proxy is what the target's will serve, listener by listener."""

from __future__ import annotations

from migrate import listeners, proxy
from migrate.checks.check import Check
from migrate.checks.finding import Finding, Severity
from migrate.cloud import Context
from migrate.gate import edit
from migrate.onhost import call, listening

NAME = "listeners"


def run(context: Context) -> list[Finding]:
    """Addresses, ports and lines of the source's HAProxy that the target's would not have."""
    host = context.source.first
    texts = proxy.source_texts(context)
    state = call(host, "haproxy.state")["original"]
    sockets = [(address, port) for address, port in call(host, "haproxy.sockets")["own"]]
    proxy.keepalived(context)  # says itself what it cannot read
    found = [
        _error(
            f"users reach {address}:{port} there, which the target would not serve",
            "See sidestep:source.virtualIps and sidestep:services; serve it at an API's own port "
            "of a virtual IP, or take the bind out",
            host.name,
        )
        for address, port in unserved(context, texts, edit.doors(state, sockets))
    ]
    lost = listeners.losses(texts, context.recipes, context.source.virtual_ips)
    return found + [
        _error(
            f"{section} says {line!r}, which the target's HAProxy would not have",
            "Take the line out, or write it without what stands elsewhere",
            host.name,
        )
        for section, line in lost
    ]


def unserved(context: Context, texts: list[str], doors: list[edit.Door]) -> list[tuple[str, int]]:
    """Address and port of each door that the target would not have."""
    virtual_ips = context.source.virtual_ips
    served = {
        (address, one.api.port)
        for one in listeners.listeners(edit.sections(*texts), context.recipes, virtual_ips)
        for address in one.addresses
    }
    reached = {
        (address, door.port)
        for door in doors
        for address in (
            [str(one.address) for one in virtual_ips]
            if listening.everywhere(door.address)
            else [door.address]
        )
    }
    return sorted(reached - served)


def _error(message: str, remedy: str, where: str) -> Finding:
    return Finding(NAME, Severity.ERROR, message, remedy, where)


CHECK = Check(NAME, "the target's proxy serves what the source's does", run)
