"""Computes and source controllers reach the target on every port they will need, whole packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from migrate.checks.check import Check, on_each
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error
from migrate.onhost import call

BROKER = 5672
WHOLE = """
set -- "$1"
command -v ping >/dev/null || { echo unknown; exit 0; }
link=$(ip -o route get "$1" | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p')
size=$(( $(cat "/sys/class/net/$link/mtu") - 28 ))
if ping -c 2 -W 2 -M do -s "$size" "$1" >/dev/null 2>&1; then echo whole
elif ping -c 2 -W 2 "$1" >/dev/null 2>&1; then echo "$size"
else echo unknown; fi
"""


def run(context: Context) -> list[Finding]:
    """Ports of the target that do not answer a host, and paths that lose large packets."""
    for target in context.target.controllers:
        target.run("true")  # one that is away is told by the check of the access
    asking = [*context.source.computes, *context.source.controllers]
    ports = sorted({BROKER, *(api.port for recipe in context.recipes for api in recipe.apis)})
    return on_each(asking, lambda host: _host(context, host, ports))


def _host(context: Context, host: Host, ports: list[int]) -> Iterator[Finding]:
    for target in context.target.controllers:
        asked: list[Any] = [(target.address, port) for port in ports]
        answers: list[str] = call(host, "reach.ports", asked)
        lost: dict[str, list[int]] = {}
        for port, answer in zip(ports, answers, strict=True):
            if answer not in ("open", "refused"):
                lost.setdefault(answer, []).append(port)
        for why, some in lost.items():
            yield error(
                f"{target.name} ({target.address}) cannot be reached on port "
                f"{', '.join(map(str, some))}: {why}",
                "Open these ports from this host to the target (firewall, security group)",
            )
        if lost:
            continue
        size = host.shell(WHOLE, target.address, timeout=30).strip()
        if size.isdigit():
            yield error(
                f"packets of {size} bytes to {target.address} get lost, small ones do not",
                "Make the MTU the same on the whole way",
            )


CHECK = Check("reach", run, quick=True)
