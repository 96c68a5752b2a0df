"""The catalogue sends users to the virtual IP, at the ports where the target will serve."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from migrate.checks.account_facts import RESOLVE
from migrate.checks.check import Check
from migrate.checks.finding import Finding, Severity
from migrate.checks.scope_facts import Endpoint, endpoints
from migrate.cloud import Context
from migrate.services import RECIPES

NAME = "endpoints"
PORTS = {kind: api.port for recipe in RECIPES for api in recipe.apis for kind in api.types}
USUAL = {"http": 80, "https": 443}
# what stands at the root of an API: a version, or the project in it
ROOT = re.compile(r"^/?($|v\d[\d.]*(/|$)|[%$]|AUTH_)")


def run(context: Context) -> list[Finding]:
    """Endpoints that the target would not answer at."""
    found = [one for one in endpoints(context) if one.kind in PORTS]
    names = sorted({urlsplit(one.url).hostname or "" for one in found})
    resolved: dict[str, str] = context.source.first.python(RESOLVE, names)
    virtual = {str(one.address) for one in context.source.virtual_ips}
    return [
        Finding(NAME, Severity.ERROR, message, remedy)
        for message, remedy in dict.fromkeys(judge(found, resolved, virtual))
    ]


def judge(
    found: Iterable[Endpoint], resolved: dict[str, str], virtual: set[str]
) -> Iterator[tuple[str, str]]:
    """What is told of endpoints whose hosts are *resolved* to addresses."""
    for one in found:
        parts = urlsplit(one.url)
        host = parts.hostname or ""
        address = resolved.get(host, "")
        told = f"the catalogue's {one.interface} endpoint of {one.kind} is {one.url}"
        if address not in virtual:
            shown = host if address in ("", host) else f"{host} ({address})"
            yield (
                f"{told}, and {shown} is no virtual IP of the stack file",
                "Give it a URL at a virtual IP (`openstack endpoint set --url`), or list the "
                "address in sidestep:source.virtualIps when keepalived carries it",
            )
        port = parts.port or USUAL.get(parts.scheme)
        if port != PORTS[one.kind] or not ROOT.match(parts.path):
            yield (
                f"{told}, and the target serves {one.kind} at port {PORTS[one.kind]} only, "
                "without a path of its own",
                f"Serve it at port {PORTS[one.kind]} on the source too, then change the endpoint",
            )


CHECK = Check(NAME, "endpoints of the catalogue", run)
