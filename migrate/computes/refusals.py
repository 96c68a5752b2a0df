"""What forbids to settle a host, or is to be known first; each with its remedy."""

from collections.abc import Collection, Mapping

from migrate.computes import service
from migrate.computes.estimates import Way
from migrate.computes.facts import ComputeHost, Facts, Server
from migrate.engine.finding import Finding, error, filled, info, warning

NAMES = 5  # of servers that one finding names
MAKE_ROOM = "make room, settle fewer hosts at once (--batch), or stop and start them by a rule"


def of_cloud(facts: Facts, others: int, way: Way) -> list[Finding]:
    """Whatever stands against all hosts that are planned; *others* stay on the old release."""
    found = []
    if facts.recovery:
        at_work = error(
            f"instance-HA is at work for {', '.join(facts.recovery)}: it would take a "
            "host that is renewed for dead, and start its servers elsewhere",
            "disable these segments until the hosts are settled",
        )
        found.append(_as("instance-ha", at_work))
    if way.renews:
        found.append(_as("no-return", _of_the_last(others)))
    return found


def _of_the_last(others: int) -> Finding:
    """The point of no return, which lies in the plan unless *others* stay on the old release."""
    if others:
        return info(
            f"{others} other compute hosts stay as they are: there is a way back while one of the "
            "old release is left in each cell",
            "no API tells cells and versions: --execute asks nova's databases, and refuses the "
            "last one of a cell until --past names it",
        )
    return warning(
        "the last compute host of the old release, in any cell, is the point of no return: from "
        "then on the next restart of a conductor lets no old one in",
        "leave one host out with --except until you want no way back, in each cell: no API tells "
        "them, --execute asks nova's databases and names the last of each",
    )


def of_host(
    host: ComputeHost, opened: Mapping[str, int], way: Way, meant: Collection[str] = ()
) -> list[Finding]:
    """Whatever stands against *host* itself; *opened* are enabled hosts that are up, by zone.

    In place the last of a zone may come over if it is *meant* by its name.
    """
    if not host.up and not begun(host):
        down = error(
            "nova-compute is down there, so nobody can say what runs on it",
            "bring it back, or leave it out with --except",
        )
        return [_as("host", down, host)]
    if not host.enabled or opened[host.zone] > 1:
        return []
    last = f"it is the last enabled host of zone {host.zone}"
    if way.emptied:
        wrong = error(
            f"{last} and must be emptied", "enable another one of this zone, or settle it in place"
        )
    elif host.name not in meant:
        wrong = error(
            f"{last}: no new server could be made in it meanwhile",
            f"enable another one of this zone, or name it: --host {host.name}",
        )
    else:
        return []
    return [_as("zone", wrong, host)]


def of_zone(host: ComputeHost, took: float) -> Finding:
    """*host*, the last of its zone that is open, is closed for *took* seconds."""
    shut = warning(
        f"no other host of zone {host.zone} is open, so no new server can be made in it for about "
        f"{took:.0f} s",
        "tell users; servers that run notice nothing",
    )
    return _as("zone", shut, host)


def of_no_model() -> Finding:
    """No new server can be booted anywhere to prove a renewed host."""
    return _as(
        "proof",
        error(
            "no server runs, so nobody knows what a new one, which proves a renewed host, could be "
            "made of",
            "boot one server by hand, from an image or from a volume made of one",
        ),
    )


def of_proof(host: ComputeHost, *, room: bool) -> list[Finding]:
    """Why no new server will be booted on *host* once it is renewed."""
    closed = not host.enabled and host.reason != service.REASON
    if room and not closed:
        return []
    why = "is closed by somebody" if closed else "has no room"
    remedy = "open it" if closed else "make room for one"
    unproven = warning(
        f"it {why}, so no new server is booted there once it is renewed: that new ones work "
        "is not proven, all else is",
        f"{remedy} first, or accept that",
    )
    return [_as("proof", unproven, host)]


def begun(host: ComputeHost) -> bool:
    """Whether a run has left *host* closed, and goes on with it: it may be down since."""
    return host.reason == service.REASON


def of_servers(host: ComputeHost, why: str, remedy: str, servers: Collection[Server]) -> Finding:
    """*servers* of *host* that forbid to renew it, for the reason *why*."""
    return _as("servers", error(f"{named(servers)} {_is(servers)} {why}", remedy), host)


def of_disks(host: ComputeHost, servers: Collection[Server]) -> Finding:
    """*servers* that stay on *host* while it is reinstalled."""
    stay = warning(
        f"{named(servers)} would stay while the host is reinstalled, with disks of their own",
        "the host is asked whether its instances' folder is a file system of its own, named by "
        "UUID: only then it is kept",
    )
    return _as("disks", stay, host)


def of_homeless(host: ComputeHost, servers: Collection[Server]) -> Finding:
    """*servers* that leave *host* and cannot come home, since it is closed."""
    away = warning(
        f"{named(servers)} {'leaves' if len(servers) == 1 else 'leave'} it and cannot come home: "
        f"it is disabled ({host.reason or 'for no reason that is told'})",
        "enable it first, or bring them home yourself when it is open",
    )
    return _as("home", away, host)


def named(servers: Collection[Server]) -> str:
    """`3 servers (web, db, 6f1c…)`."""
    shown = [one.name or one.id for one in list(servers)[:NAMES]]
    more = ", ..." if len(servers) > NAMES else ""
    count = "1 server" if len(servers) == 1 else f"{len(servers)} servers"
    return f"{count} ({', '.join(shown)}{more})"


def _is(servers: Collection[Server]) -> str:
    return "is" if len(servers) == 1 else "are"


def _as(check: str, found: Finding, host: ComputeHost | None = None) -> Finding:
    (one,) = filled([found], check=check, where=host.name if host else "")
    return one
