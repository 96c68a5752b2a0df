"""Closing the source's HAProxy, in two depths; its own text comes back byte for byte."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.errors import PreconditionError
from migrate.onhost import call
from migrate.takeover.gate import haproxy


def close(context: Context, depth: str) -> None:
    """Close to "users", so that the cloud's own hosts pass, or to "all".

    The operator passes neither: `migrate` speaks to the controllers' own addresses, and users may
    well share the address from which it comes.
    """
    own = own_addresses(context) if depth == "users" else None
    for host in context.source.controllers:
        state = call(host, "haproxy.state")
        if not state["running"]:
            raise PreconditionError(
                f"{host.name}: no HAProxy runs there; the cloud can only be closed in HAProxy"
            )
        call(host, "haproxy.close", depth, haproxy.closed(state["original"], own))


def close_target(context: Context) -> None:
    """Close the target to users before going back; its hosts pass, so what has begun can end."""
    own = own_addresses(context)
    for host in context.target.controllers:
        state = call(host, "haproxy.state")
        if state["running"]:
            call(host, "haproxy.close", "users", haproxy.closed(state["original"], own))


def closed(context: Context, depth: str) -> bool:
    """Whether every source controller is closed to *depth*, or deeper."""
    deep = {"users": ("users", "all"), "all": ("all",)}[depth]
    return all(call(h, "haproxy.state")["closed"] in deep for h in context.source.controllers)


def reopen(context: Context) -> None:
    """Open to everybody, as before `close`."""
    for host in context.source.controllers:
        call(host, "haproxy.open_again")


def end_old_workers(context: Context) -> None:
    """End connections that workers of before the closing still carry."""
    for host in context.source.controllers:
        call(host, "haproxy.end_old_workers")


def leaving(context: Context) -> list[str]:
    """What workers of before the closing still carry, for people."""
    found = []
    for host in context.source.controllers:
        for pid, count in call(host, "haproxy.state")["leaving"].items():
            if count:
                found.append(f"{count} connection(s) of the old haproxy {pid} on {host.name}")
    return found


def own_addresses(context: Context) -> list[str]:
    """Every address of the cloud's own hosts, from which its services call each other."""
    hosts: dict[str, Host] = {
        host.address: host for host in (*context.source.hosts, *context.target.controllers)
    }
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda host: call(host, "addresses.own"), hosts.values())
        return sorted({"127.0.0.0/8", *(address for each in found for address in each)})
