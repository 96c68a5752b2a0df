"""The front of the source: a HAProxy of ours before the operator's, in while the cloud serves.

Nothing of the operator's is edited or reloaded. While it passes, calls go past it when it is dead
or frozen; closed, nothing does. Where none can stand (`obstacles` says why) the operator's own
HAProxy is closed instead.
"""

from dataclasses import dataclass

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.configuration import service_options
from migrate.onhost import call
from migrate.onhost.front import digest
from migrate.takeover.front import config
from migrate.takeover.gate import close, haproxy


@dataclass(frozen=True, slots=True)
class Place:
    """A proxy of the source: what it serves, where users are heard, and what forbids a front."""

    found: list[haproxy.Section]
    shut: list[haproxy.UserSocket]
    wrong: list[str]


def obstacles(context: Context) -> list[tuple[str, str]]:
    """Why none can stand before the source's proxies: host, reason; [] where all can have one."""
    return [(name, one) for name, place in _places(context).items() for one in place.wrong]


def stand(context: Context) -> None:
    """Stand before every proxy that can have one; calls pass. Safe to repeat."""
    places = _places(context)
    if any(place.wrong for place in places.values()):
        return
    own = close.own_addresses(context)

    def act(host: Host) -> None:
        call(host, "front.stand", _spec(context, host, places[host.name], own), timeout=120)

    hosts.gather(context.source.controllers, act)


def stands(context: Context) -> bool:
    """Whether they stand as the source's proxies are now, or none can."""
    places = _places(context)
    if any(place.wrong for place in places.values()):
        return True
    own = close.own_addresses(context)

    def ask(host: Host) -> bool:
        state = call(host, "front.state")
        if state["mode"] not in ("", "open"):  # units that it goes by may rest by now
            return True
        spec = _spec(context, host, places[host.name], own)
        return bool(state["mode"]) and state["digest"] == digest(spec)

    return all(hosts.gather(context.source.controllers, ask))


def leave(context: Context) -> None:
    """No trace of them; safe to repeat."""
    call_each(context.source.controllers, "front.leave", timeout=60)


def _spec(context: Context, host: Host, place: Place, own: list[str]) -> config.Spec:
    here = call(host, "addresses.own")
    return config.rendered(
        place.found,
        place.shut,
        _interfaces(context),
        here,
        own,
        context.target.holder.address,
        {api.port for recipe in context.recipes for api in recipe.apis},
        _reads(context, host),
        context.settings.window.hold_seconds,
    )


def _reads(context: Context, host: Host) -> dict[int, tuple[str, ...]]:
    """By port of an API that *host* can answer from its database alone, what it cannot."""
    those = [recipe for recipe in context.recipes if recipe.apis and recipe.reads.units]
    acting = {
        one.project: sorted(set(one.source_control_units) - set(one.reads.units)) for one in those
    }
    busy = set(call(host, "front.served_by", acting))
    return {
        api.port: (*recipe.reads.act, *recipe.reads.more(service_options.read(host, recipe, "")))
        for recipe in those
        if recipe.project not in busy
        for api in recipe.apis
    }


def flip(context: Context) -> None:
    """Let calls through to the target, those held first; nothing where none stands."""
    call_each(context.source.controllers, "flip.flip")


def end_calls(context: Context) -> None:
    """End what they still carry to the source and may not, after a moment."""
    call_each(context.source.controllers, "front.end_calls", timeout=60)


def closed(context: Context) -> bool:
    """Whether each stands and lets nobody through to the source who writes."""
    found = call_each(context.source.controllers, "front.state")
    return all(one["mode"] in ("writes", "all", "target") for one in found)


def flipped(context: Context) -> float:
    """When the first could let a call through to the target, by its host's clock; 0 if none did."""
    found = [one for one in call_each(context.source.controllers, "front.flipped") if one]
    return min(found, default=0.0)


def _places(context: Context) -> dict[str, Place]:
    """By the name of the host."""

    def ask(host: Host) -> Place:
        texts = call(host, "haproxy.state")["original"]
        held = [(address, port) for address, port in call(host, "haproxy.listens")["own"]]
        found, shut = haproxy.sections(*texts.values()), haproxy.user_sockets(texts, held)
        wrong = config.obstacles(found, shut, _interfaces(context))
        count = len({one.port for one in shut})
        ports = range(config.BEAT_PORT, config.FIRST_PORT + count)
        wrong += call(host, "front.obstacles", [*ports])
        return Place(found, shut, wrong)

    asked = context.source.controllers
    names = [host.name for host in asked]
    return dict(zip(names, hosts.gather(asked, ask), strict=True))


def _interfaces(context: Context) -> dict[str, str]:
    return {str(one.address): one.interface for one in context.source.virtual_ips}
