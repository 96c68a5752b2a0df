"""The fence: after the drain nothing of the source can write any more, nor after a reboot.

What acts is frozen first, which takes no time and loses nothing when the window is undone, and
ended before users reach the target. What only answers those who read ends right after that.

Going back lifts it in this order: database writable, control units as they ran, keepalived. Who
goes back must before that have compared the source with its fingerprint at the fence, and have
returned the virtual IP with the old broker running, since every unit connects through it.
"""

from typing import Any

from migrate.cloud import Context, hosts, urls
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.database.service_databases import known_logins
from migrate.errors import StepError
from migrate.onhost import call
from migrate.services.base import Recipe

GRACE_SECONDS = 1.0  # nothing is in flight any more: what is slower is killed
START_SECONDS = 120.0
GONE_SECONDS = 5.0
PORTS = (3306, 5671, 5672)


def control(recipes: tuple[Recipe, ...]) -> dict[str, Any]:
    """What `units.fence` on a source controller is told about the services that are moved."""
    kept = {u for r in recipes for u in (*r.source_data_plane_units, *r.compute_units)}
    return {
        "projects": [recipe.project for recipe in recipes],
        "users": sorted({recipe.user for recipe in recipes}),
        "control": [u for recipe in recipes for u in recipe.source_control_units],
        "answering": [u for recipe in recipes for u in recipe.reads.units],
        "kept": sorted(kept),
        "ports": list(PORTS),
    }


def freeze_control(context: Context) -> None:
    """Freeze what acts on each controller, as it runs; proven by processes."""
    call_each(context.source.controllers, "fence.freeze", control(context.recipes))


def control_is_frozen(context: Context) -> bool:
    """Whether nothing acts on any source controller, frozen or ended."""
    return not _named(context, "fence.moving", control(context.recipes))


def end_frozen(context: Context) -> None:
    """End what is frozen, and mask it; proven by processes and sockets on each controller."""
    call_each(context.source.controllers, "fence.end_frozen", control(context.recipes))


def frozen_is_ended(context: Context) -> bool:
    """Whether nothing of the control plane lives on any source controller but what answers."""
    return not _named(context, "fence.acting", control(context.recipes))


def fence_control(context: Context) -> None:
    """Stop, kill what does not stop, mask; proven by processes and sockets on each controller.

    A database on a host of its own sees units of any machine, also of one that nobody has named.
    """
    call_each(context.source.controllers, "fence.fence", control(context.recipes), GRACE_SECONDS)
    if wrong := _sessions(context):
        raise StepError(
            f"services still work in the source's database: {'; '.join(wrong)}. Find what runs "
            "there and stop it for good"
        )


def control_is_fenced(context: Context) -> bool:
    """Whether no process of the control plane lives on any source controller."""
    return not control_alive(context)


def control_alive(context: Context) -> list[str]:
    """What of the source's control plane still lives or could come back; [] when fenced."""
    return [*_named(context, "fence.unfenced", control(context.recipes)), *_sessions(context)]


def _sessions(context: Context) -> list[str]:
    """Who is logged in as a service where the database has a host of its own.

    Of whom was killed a proxy between, and the server, may know a moment later.
    """
    if not context.source.databases:
        return []
    users = sorted({one.user for one in known_logins(context)})

    def ask(host: Host) -> list[str]:
        return [
            f"{host.name}: {one}" for one in call(host, "mariadb.sessions", users, GONE_SECONDS)
        ]

    return hosts.joined(context.source.databases, ask)


def lift_control(context: Context) -> None:
    """Start what ran, as it ran; StepError names what did not come back."""
    if wrong := _named(context, "fence.lift", START_SECONDS, timeout=300):
        raise StepError(
            f"not everything that ran before came back: {'; '.join(wrong)}. Start it by hand, "
            "then `migrate rollback --execute` again"
        )


def fence_database(context: Context) -> None:
    """read_only everywhere, proven by an attempt to write as each service account."""
    call_each(context.source.core, "mariadb.fence")
    if wrong := writers(context):
        raise StepError(
            f"the source can still be written: {'; '.join(wrong)}. Service accounts must hold "
            "neither SUPER nor READ ONLY ADMIN nor ALL on *.*"
        )


def database_is_fenced(context: Context) -> bool:
    """Whether every database of the source is read-only for its service accounts."""
    return not any(call_each(context.source.core, "mariadb.unfenced")) and not writers(context)


def lift_database(context: Context) -> None:
    """Every database of the source writable again, as it was."""
    call_each(context.source.core, "mariadb.lift")


def writers(context: Context) -> list[str]:
    """The service accounts, cells' too, that a write is not refused to, from any controller.

    A URL that is not understood raises PreconditionError: what was not tried is not proven.
    """
    tried = [
        [f"{one.project} in {one.name}", urls.parse(one.url).login()]
        for one in known_logins(context)
    ]
    moving = [str(one.address) for one in context.source.virtual_ips]
    return _named(context, "mariadb.writers", tried, moving)


def fence_manager(context: Context) -> None:
    """Mask keepalived everywhere: a reboot must not bring the address back."""
    call_each(context.source.controllers, "virtual_ip.fence")


def manager_is_fenced(context: Context) -> bool:
    """Whether it is masked on every source controller."""
    return all(call_each(context.source.controllers, "virtual_ip.fenced"))


def lift_manager(context: Context) -> None:
    """keepalived as it was everywhere."""
    call_each(context.source.controllers, "virtual_ip.lift")


def _named(context: Context, function: str, *arguments: Any, timeout: float = 60) -> list[str]:
    """What *function* finds on each source controller, a line each that begins with its name."""

    def ask(host: Host) -> list[str]:
        return [f"{host.name}: {one}" for one in call(host, function, *arguments, timeout=timeout)]

    return hosts.joined(context.source.controllers, ask)
