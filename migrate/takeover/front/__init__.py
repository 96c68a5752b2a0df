"""The front of the source: a HAProxy of ours before the operator's, in while the cloud serves.

Nothing of the operator's is edited or reloaded. While it passes, calls go past it when it is dead
or frozen; closed, nothing does. Where none can stand (`obstacles` says why) the operator's own
HAProxy is closed instead.
"""

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.onhost import call
from migrate.onhost.front import digest
from migrate.takeover.front import config
from migrate.takeover.gate import close, haproxy


def obstacles(context: Context) -> list[tuple[str, str]]:
    """Why none can stand before the source's proxies: host, reason; [] where all can have one."""

    def ask(host: Host) -> list[tuple[str, str]]:
        found, shut = _heard(host)
        wrong = config.obstacles(found, shut, _interfaces(context))
        count = len({one.port for one in shut})
        ports = range(config.BEAT_PORT, config.FIRST_PORT + count)
        wrong += call(host, "front.obstacles", [*ports])
        return [(host.name, one) for one in wrong]

    return hosts.joined(context.source.controllers, ask)


def stand(context: Context) -> None:
    """Stand before every proxy that can have one; calls pass. Safe to repeat."""
    if obstacles(context):
        return
    own = close.own_addresses(context)
    hosts.gather(
        context.source.controllers,
        lambda host: call(host, "front.stand", _spec(context, host, own), timeout=120),
    )


def stands(context: Context) -> bool:
    """Whether they stand as the source's proxies are now, or none can."""
    if obstacles(context):
        return True
    own = close.own_addresses(context)

    def ask(host: Host) -> bool:
        state = call(host, "front.state")
        return bool(state["stands"]) and state["digest"] == digest(_spec(context, host, own))

    return all(hosts.gather(context.source.controllers, ask))


def leave(context: Context) -> None:
    """No trace of them; safe to repeat."""
    call_each(context.source.controllers, "front.leave", timeout=60)


def _spec(context: Context, host: Host, own: list[str]) -> config.Spec:
    found, shut = _heard(host)
    here = call(host, "addresses.own")
    return config.rendered(
        found,
        shut,
        _interfaces(context),
        here,
        own,
        context.target.holder.address,
        {api.port for recipe in context.recipes for api in recipe.apis},
        context.settings.window.hold_seconds,
    )


def flip(context: Context) -> None:
    """Let calls through to the target, those held first; nothing where none stands."""
    call_each(context.source.controllers, "flip.flip")


def closed(context: Context) -> bool:
    """Whether each stands and lets nobody through to the source."""
    found = call_each(context.source.controllers, "front.state")
    return all(one["mode"] in ("all", "target") for one in found)


def flipped(context: Context) -> float:
    """When the first could let a call through to the target, by its host's clock; 0 if none did."""
    found = [one for one in call_each(context.source.controllers, "front.flipped") if one]
    return min(found, default=0.0)


def _heard(host: Host) -> tuple[list[haproxy.Section], list[haproxy.UserSocket]]:
    state = call(host, "haproxy.state")
    held = [(address, port) for address, port in call(host, "haproxy.listens")["own"]]
    return haproxy.sections(*state["original"].values()), haproxy.user_sockets(
        state["original"], held
    )


def _interfaces(context: Context) -> dict[str, str]:
    return {str(one.address): one.interface for one in context.source.virtual_ips}
