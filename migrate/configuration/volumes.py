"""Whether some cinder-volume of the target serves each backend that the source's volumes name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from migrate.cloud import Context
from migrate.cloud.ini import Ini
from migrate.configuration.translate import CHECK, together_with
from migrate.database import connection
from migrate.database.service_databases import service_databases
from migrate.engine.finding import Finding, Severity
from migrate.services import cinder

PROJECT = "cinder"
assert cinder.RECIPE.rules.backend_host
HOSTS = cinder.RECIPE.rules.backend_host
USED = "SELECT host, count(*) FROM {volumes} WHERE NOT deleted AND host IS NOT NULL GROUP BY host"


def findings(context: Context, files: Iterable[Mapping[str, str]]) -> list[Finding]:
    """Backends of volumes that none of *files*, each a target's cinder's by path, would serve."""
    recipe = next((one for one in context.recipes if one.project == PROJECT), None)
    if recipe is None:
        return []
    name = service_databases(context.source.tools, [recipe])[0].name
    with connection.session(context.source.database) as link:
        statement = USED.format(volumes=connection.quoted(name, "volumes"))
        used = {str(host): int(count) for host, count in connection.rows(link, statement)}
    return unserved(used, files)


def unserved(used: dict[str, int], files: Iterable[Mapping[str, str]]) -> list[Finding]:
    """*used* counts volumes by their `host`: `ctl-old@nfs1#pool`."""
    served = {host for texts in files for host in _hosts(together_with(HOSTS.file, texts))}
    counted: dict[str, int] = {}
    for host, count in used.items():
        backend = host.partition("#")[0]
        counted[backend] = counted.get(backend, 0) + count
    return [
        Finding(
            CHECK,
            Severity.ERROR,
            f"{count} volume(s) are of {backend}, which no cinder-volume of the target would serve",
            "Give the stack a target controller for each source controller that has backends, or "
            "set backend_host in the source's cinder.conf",
            "cinder",
        )
        for backend, count in sorted(counted.items())
        if backend not in served
    ]


def _hosts(ini: Ini) -> list[str]:
    listed = (ini.get("DEFAULT", HOSTS.listed) or "").split(",")
    names = [part.strip() for part in listed if part.strip()]
    return [f"{ini.get(name.lower(), HOSTS.option)}@{name}" for name in names]
