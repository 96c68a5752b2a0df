"""What becomes of each server that runs: pure, the same with a target that can be asked or not."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from migrate.computes.homecoming.facts import Domain, Facts, Home

# nova's tasks after which a server runs where it ran, or not at all
STARTS_NOTHING = (
    *("deleting", "soft-deleting", "powering-off", "pausing", "suspending", "shelving", "image_"),
    *("updating_password",),
)


class Why(StrEnum):
    MOVED = "moved"
    NEW = "new"
    ATTACHED = "attached"


@dataclass(frozen=True, slots=True)
class Act:
    """To be done to a server that runs on `host`: stopped, or rid of `volumes` and `ports`."""

    server: str
    name: str
    host: str
    why: Why
    what: str  # for people
    volumes: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()

    @property
    def document(self) -> dict[str, str]:
        """As it stands in `losses.json`."""
        told = {"id": self.server, "name": self.name, "host": self.host}
        return {**told, "why": str(self.why), "what": self.what}

    def __str__(self) -> str:
        return f"server {self.name} ({self.server}) on {self.host}: {self.what}"


def decide(facts: Facts) -> list[Act]:
    """One for each server that may not run on as it does; none where all is as the source has it.

    What was detached or deleted since is opened by nobody: it is lost, not stopped.
    """
    acts = (_act(one, facts.homes.get(one.server)) for one in facts.domains)
    return sorted((one for one in acts if one), key=lambda one: (one.host, one.server))


def _act(domain: Domain, home: Home | None) -> Act | None:
    known = (domain.server, domain.name, domain.host)
    if home is None:
        told = "made since, its addresses would be given to others; it is stopped"
        return Act(*known, Why.NEW, told)
    if domain.host != home.host:
        where = f"on {home.host}" if home.host else "on no host"
        told = "it is stopped where nova does not bring it there" if home.host else "it is stopped"
        return Act(*known, Why.MOVED, f"moved, the source has it {where}; {told}")
    volumes = tuple(sorted((domain.volumes or frozenset()) - home.volumes))
    ports = tuple(sorted(domain.ports - home.ports))
    if not volumes and not ports:
        return None
    since = [f"volume {one}" for one in volumes] + [f"port {one}" for one in ports]
    told = f"{' and '.join(since)} attached since: detached, else it is stopped"
    return Act(*known, Why.ATTACHED, told, volumes, ports)


def leftovers(facts: Facts) -> dict[str, list[str]]:
    """By host, servers that do not run and have ports there, where the source has them not."""
    found = {
        host: sorted(one for one in idle if _home(facts, one) != host)
        for host, idle in facts.idle.items()
    }
    return {host: servers for host, servers in found.items() if servers}


def busy(facts: Facts, *, placed: bool = False) -> list[str]:
    """Servers in the middle of what may yet start them somewhere, and began since.

    One on a dead host will not end. With *placed* only those that have a host.
    """
    return [
        f"server {row.name} ({server}) on {row.host or 'no host yet'}: {row.task}"
        for server, row in sorted((facts.now or {}).items())
        if row.task
        and not row.task.startswith(STARTS_NOTHING)
        and row.host not in facts.silent
        and (row.host or not placed)
        and row.task != _task(facts, server)
    ]


def unproven(facts: Facts) -> list[str]:
    """What may still run, or be open, on a host that is dead, and that the source has elsewhere."""
    return [
        f"server {row.name} ({server}) may run on {row.host}, which is dead"
        for server, row in sorted((facts.now or {}).items())
        if row.host in facts.silent and _home(facts, server) != row.host
    ]


def unlisted(facts: Facts) -> list[str]:
    """Servers that came to a host which nobody can ask."""
    return [
        f"server {row.name} ({server}) is on {row.host}, which is not in sidestep:source.computes: "
        "name that host there"
        for server, row in sorted((facts.now or {}).items())
        if row.host not in ("", *facts.hosts) and _home(facts, server) != row.host
    ]


def helpless(facts: Facts) -> Iterator[str]:
    """What we cannot do anything about."""
    yield from unlisted(facts)
    for one in facts.domains:
        if one.volumes is None:
            yield (
                f"server {one.server} on {one.host}: libvirt does not tell what is open in it; "
                "start libvirtd there"
            )


def wrong(facts: Facts) -> Iterator[str]:
    """All that forbids to let the source's agents start.

    What waits for a host is on none, and the target, which would place it, is stopped next.
    """
    yield from map(str, decide(facts))
    yield from busy(facts, placed=True)
    yield from helpless(facts)
    for host, servers in leftovers(facts).items():
        yield f"ports on {host} of servers that are off: {', '.join(servers)}"


def _home(facts: Facts, server: str) -> str | None:
    home = facts.homes.get(server)
    return home.host if home else None


def _task(facts: Facts, server: str) -> str:
    home = facts.homes.get(server)
    return home.task if home else ""
