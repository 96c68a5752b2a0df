"""The source's services run: what stands still before the move would be thought lost by it."""

from collections.abc import Iterator

from migrate.cloud import Context, side_by_side
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error
from migrate.onhost import call
from migrate.onhost.daemons import DAEMONS


def run(context: Context) -> list[Finding]:
    """Units of the recipes that are there but not running."""
    recipes = context.recipes
    on_controllers = [
        *DAEMONS,
        *(u for r in recipes for u in (*r.source_control_units, *r.source_data_plane_units)),
    ]
    on_computes = [unit for recipe in recipes for unit in recipe.compute_units]
    asked = [(host, on_controllers) for host in context.source.controllers]
    asked += [(host, on_computes) for host in context.source.computes]
    agents = [unit for recipe in recipes for unit in recipe.source_data_plane_units]
    asked += [(host, agents) for host in context.source.network_hosts]
    return [one for part in side_by_side.each(lambda one: list(_host(*one)), asked) for one in part]


def _host(host: Host, units: list[str]) -> Iterator[Finding]:
    for state in call(host, "systemd.show", list(dict.fromkeys(units))).values():
        unit, active, sub = state["Id"], state["ActiveState"], state["SubState"]
        if state["LoadState"] != "loaded":
            continue
        if active == "active":
            if sub == "exited" and state["Type"] != "oneshot":
                yield _error(host, unit, "says active, but its process has ended")
            continue
        wanted = state["UnitFileState"] in ("enabled", "enabled-runtime", "generated")
        if active == "failed" or wanted:
            yield _error(host, unit, f"is {active} ({sub})")


def _error(host: Host, unit: str, message: str) -> Finding:
    return error(
        f"{unit} {message}",
        f"See `journalctl -u {unit}` there and start it; disable it if it is not meant to run",
        host.name,
    )
