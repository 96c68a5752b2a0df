"""The fence: after the drain nothing of the source can write any more, nor after a reboot.

Going back lifts it in this order: database writable, control units as they ran, keepalived. Who
goes back must before that have compared the source with its fingerprint at the fence, and have
returned the virtual IP with the old broker running, since every unit connects through it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from migrate.cloud import Context, urls
from migrate.cloud.host import Host
from migrate.database.places import known_logins
from migrate.errors import StepError
from migrate.onhost import call
from migrate.services.base import Recipe

GRACE_SECONDS = 3.0  # nothing is in flight after the drain: what is slower is killed
START_SECONDS = 120.0
PORTS = (3306, 5671, 5672)


def control(recipes: tuple[Recipe, ...]) -> dict[str, Any]:
    """What `units.fence` on a source controller is told about the services that are moved."""
    kept = {u for r in recipes for u in (*r.source_data_plane_units, *r.compute_units)}
    return {
        "projects": [recipe.project for recipe in recipes],
        "users": sorted({recipe.user for recipe in recipes}),
        "control": [u for recipe in recipes for u in recipe.source_control_units],
        "kept": sorted(kept),
        "ports": list(PORTS),
    }


def fence_control(context: Context) -> None:
    """Stop, kill what does not stop, mask; proven by processes and sockets on each controller."""
    wanted = control(context.recipes)
    _each(context, lambda host: call(host, "fence.fence", wanted, GRACE_SECONDS))


def control_is_fenced(context: Context) -> bool:
    """Whether no process of the control plane lives on any source controller."""
    return not control_alive(context)


def control_alive(context: Context) -> list[str]:
    """What of the source's control plane still lives or could come back; [] when fenced."""
    wanted = control(context.recipes)
    found = _each(context, lambda host: [host.name, call(host, "fence.unfenced", wanted)])
    return [f"{name}: {one}" for name, wrong in found for one in wrong]


def lift_control(context: Context) -> None:
    """Start what ran, as it ran; StepError names what did not come back."""
    found = _each(
        context, lambda host: [host.name, call(host, "fence.lift", START_SECONDS, timeout=300)]
    )
    if wrong := [f"{name}: {one}" for name, each in found for one in each]:
        raise StepError(
            f"not everything that ran before came back: {'; '.join(wrong)}. Start it by hand, "
            "then `migrate rollback --execute` again"
        )


def fence_database(context: Context) -> None:
    """read_only everywhere, proven by an attempt to write as each service account."""
    _each(context, lambda host: call(host, "mariadb.fence"))
    if wrong := writers(context):
        raise StepError(
            f"the source can still be written: {'; '.join(wrong)}. Service accounts must hold "
            "neither SUPER nor READ ONLY ADMIN nor ALL on *.*"
        )


def database_is_fenced(context: Context) -> bool:
    """Whether every database of the source is read-only for its service accounts."""
    return not any(_each(context, lambda h: call(h, "mariadb.unfenced"))) and not writers(context)


def lift_database(context: Context) -> None:
    """Every database of the source writable again, as it was."""
    _each(context, lambda host: call(host, "mariadb.lift"))


def writers(context: Context) -> list[str]:
    """The service accounts, cells' too, that a write is not refused to, from any controller.

    A URL that is not understood raises PreconditionError: what was not tried is not proven.
    """
    tried = [
        [f"{one.project} in {one.name}", urls.parse(one.url).login()]
        for one in known_logins(context)
    ]
    found = _each(context, lambda host: [host.name, call(host, "mariadb.writers", tried)])
    return [f"{name}: {one}" for name, wrong in found for one in wrong]


def _each(context: Context, ask: Callable[[Host], Any]) -> list[Any]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, context.source.controllers))


def fence_manager(context: Context) -> None:
    """Mask keepalived everywhere: a reboot must not bring the address back."""
    _each(context, lambda host: call(host, "manager.fence"))


def manager_is_fenced(context: Context) -> bool:
    """Whether it is masked on every source controller."""
    return all(_each(context, lambda host: call(host, "manager.fenced")))


def lift_manager(context: Context) -> None:
    """keepalived as it was everywhere."""
    _each(context, lambda host: call(host, "manager.lift"))
