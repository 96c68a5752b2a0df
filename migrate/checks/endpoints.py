"""The catalogue sends users to the virtual IP, at the ports where the target will serve.

And it has what the target's programs and their clients look for in it.
"""

import re
from collections.abc import Iterable, Iterator

from migrate.checks.scope_facts import Endpoint, endpoints
from migrate.cloud import Context, urls
from migrate.configuration import service_options
from migrate.engine.finding import Finding, error
from migrate.onhost import call
from migrate.services import RECIPES

PORTS = {kind: api.port for recipe in RECIPES for api in recipe.apis for kind in api.types}
# by which type the programs of the target and the clients look a service up
ASKED = {one.project: one.rest.asked_as or one.types[0] for one in RECIPES if one.rest}
# what stands at the root of an API: a version, or the project in it
ROOT = re.compile(r"^/?($|v\d[\d.]*(/|$)|[%$]|AUTH_)")


def run(context: Context) -> list[Finding]:
    """Endpoints that the target would not answer at, and those that nobody would find."""
    every = endpoints(context)
    found = [one for one in every if one.kind in PORTS]
    names = sorted({urls.web(one.url)[0] for one in found})
    resolved: dict[str, list[str]] = call(context.source.tools, "addresses.resolved", names)
    virtual = {str(one.address) for one in context.source.virtual_ips}
    return list(dict.fromkeys([*judge(found, resolved, virtual), *missing(every, _asked(context))]))


def _asked(context: Context) -> Iterator[tuple[str, str]]:
    """Who asks for what: `("nova", "volumev3:cinderv3:publicURL")`."""
    recipes = {recipe.project for recipe in context.recipes}
    for recipe in context.recipes:
        if recipe.project in ASKED:
            yield f"clients of {recipe.project}", f"{ASKED[recipe.project]}::public"
        for one in recipe.lookups:
            if one.of in recipes:
                given = service_options.read(context.source.tools, recipe, one.program)
                if not given.get(one.section, one.url):
                    yield recipe.project, given.get(one.section, one.option, one.default)


def missing(found: Iterable[Endpoint], asked: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """What of *asked* the catalogue does not have, as keystoneauth looks it up: by aliases too."""
    from keystoneauth1.access.service_catalog import ServiceCatalogV3  # noqa: PLC0415  slow

    services: dict[tuple[str, str], list[dict[str, str]]] = {}
    for one in found:
        told = {"interface": one.interface, "url": one.url}
        services.setdefault((one.kind, one.name), []).append(told)
    catalogue = ServiceCatalogV3(
        [{"type": kind, "name": name, "endpoints": some} for (kind, name), some in services.items()]
    )
    for who, wanted in asked if services else ():  # who cannot log in is told by others
        kind, name, interface = [*wanted.split(":"), "", ""][:3]
        if not catalogue.get_urls(
            service_type=kind, service_name=name or None, interface=interface or "public"
        ):
            called = f" named {name}" if name else ""
            yield error(
                f"the catalogue has no {interface.removesuffix('URL') or 'public'} endpoint of "
                f"type {kind}{called}, which {who} will ask for",
                f"openstack service create --name {name or kind} {kind}, and its endpoints",
            )


def judge(
    found: Iterable[Endpoint], resolved: dict[str, list[str]], virtual: set[str]
) -> Iterator[Finding]:
    """What is told of endpoints whose hosts are *resolved* to addresses, each a virtual IP.

    An IPv6 address beside the virtual IP is told too: users prefer it, and it would not move.
    """
    for one in found:
        host, port, path = urls.web(one.url)
        told = f"the catalogue's {one.interface} endpoint of {one.kind} is {one.url}"
        for address in resolved.get(host) or [host]:
            if address in virtual:
                continue
            shown = host if address == host else f"{host} ({address})"
            yield error(
                f"{told}, and {shown} is no virtual IP of the stack file",
                "Give it a URL at a virtual IP (`openstack endpoint set --url`), or list the "
                "address in sidestep:source.virtualIps (IPv4 only) when keepalived carries it",
            )
        if port != PORTS[one.kind] or not ROOT.match(path):
            yield error(
                f"{told}, and the target serves {one.kind} at port {PORTS[one.kind]} only, "
                "without a path of its own",
                f"Serve it at port {PORTS[one.kind]} on the source too, then change the endpoint",
            )
