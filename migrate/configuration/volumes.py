"""Whether some controller of the target serves each back end that the source's volumes name."""

from collections.abc import Iterable, Mapping

from migrate.cloud import Context
from migrate.cloud.ini import Ini
from migrate.configuration.translate import together_with
from migrate.database import connection
from migrate.database.holders import holding
from migrate.database.service_databases import service_databases
from migrate.engine.finding import Finding, error
from migrate.services.base import Recipe
from migrate.services.rules import BackendHost


def findings(context: Context, files: Iterable[Mapping[str, str]]) -> list[Finding]:
    """Back ends that none of *files* would serve, each those of a service of a target by path."""
    told = list(files)
    found = []
    for recipe in context.recipes:
        if rule := recipe.rules.backend_host:
            name = service_databases(context.source, [recipe])[0].name
            with connection.session(holding(context.source, name)) as link:
                rows = connection.rows(link, rule.used.format(d=connection.quoted(name)))
            used = {str(host): int(count) for host, count in rows}
            found += unserved(recipe, rule, used, (one for one in told if rule.file in one))
    return found


def unserved(
    recipe: Recipe, rule: BackendHost, used: dict[str, int], files: Iterable[Mapping[str, str]]
) -> list[Finding]:
    """*used* counts volumes by their `host`: `ctl-old@nfs1#pool`."""
    served = {host for texts in files for host in _hosts(rule, together_with(rule.file, texts))}
    counted: dict[str, int] = {}
    for host, count in used.items():
        backend = host.partition("#")[0]
        counted[backend] = counted.get(backend, 0) + count
    return [
        error(
            f"{count} volume(s) are of {backend}, which no controller of the target would serve",
            "Give the stack a target controller for each source controller that has backends, or "
            f"set {rule.option} in the source's {rule.file}",
            recipe.project,
        )
        for backend, count in sorted(counted.items())
        if backend not in served
    ]


def _hosts(rule: BackendHost, ini: Ini) -> list[str]:
    listed = (ini.get("DEFAULT", rule.listed) or "").split(",")
    names = [part.strip() for part in listed if part.strip()]
    return [f"{ini.get(name.lower(), rule.option)}@{name}" for name in names]
