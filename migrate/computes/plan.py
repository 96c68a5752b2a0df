"""The plan by which compute hosts come over: from facts and policy, asking nobody."""

import gc
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from migrate.cloud.settings import Settle
from migrate.computes import batches, estimates, refusals
from migrate.computes.emptying import Emptying, Lot, Planned
from migrate.computes.estimates import Action, Way
from migrate.computes.facts import ComputeHost, Facts, Kind
from migrate.computes.probing.facts import Trip
from migrate.engine.finding import Finding


@dataclass(frozen=True, slots=True)
class HostPlan:
    """One host. `batch` counts from 1; a refused host is in none, and its servers stay.

    `lots` are the servers on it when its turn comes: others may have come before, by this plan.
    """

    host: ComputeHost
    kinds: Mapping[Kind, int]  # now
    batch: int = 0
    canary: bool = False
    lots: tuple[Lot, ...] = ()
    actions: Mapping[Action, int] = field(default_factory=Counter)
    home: Mapping[Action, int] = field(default_factory=Counter)  # of those, who come back
    seconds: float = 0.0
    last: bool = False  # with it no compute is left on the old release: there is no way back

    @property
    def refused(self) -> bool:
        return not self.batch

    @property
    def servers(self) -> Iterator[Planned]:
        """What becomes of each of its servers."""
        return (one for lot in self.lots for one in lot.each())


@dataclass(frozen=True, slots=True)
class SettlePlan:
    """All hosts that were asked for: in their order, refused ones at the end."""

    way: Way
    hosts: tuple[HostPlan, ...]
    findings: tuple[Finding, ...]
    batches: tuple[float, ...]  # seconds of each
    seconds: float  # of all, with the pauses between
    already: tuple[str, ...] = ()  # were asked for too, and are done: nothing of them is planned
    probes: tuple[Trip, ...] = ()  # which live migrations will be tried, by servers of ours
    probing: float = 0.0  # seconds of that

    @property
    def names(self) -> list[list[str]]:
        """Of the hosts of each batch."""
        found: dict[int, list[str]] = defaultdict(list)
        for one in self.hosts:
            if one.batch:
                found[one.batch].append(one.host.name)
        return [found[number] for number in sorted(found)]

    @property
    def places(self) -> dict[tuple[str, str], str]:
        """Where servers would go, by the host that they leave and their id."""
        return {
            (one.host.name, it.server.id): it.to
            for one in self.hosts
            for it in one.servers
            if it.to
        }

    def ends(self, names: Collection[str]) -> set[str]:
        """Hosts of *names*, and where servers of theirs would go."""
        those = [one for one in self.hosts if one.host.name in names]
        return {*names, *(it.to for one in those for it in one.servers if it.to)}

    @property
    def actions(self) -> Counter[Action]:
        """How often each action is done: a server may be moved twice."""
        total: Counter[Action] = Counter()
        for one in self.hosts:
            total.update(one.actions)
        return total

    @property
    def home(self) -> int:
        """How many moves there are back home."""
        return sum(sum(one.home.values()) for one in self.hosts)


def make(
    facts: Facts,
    settle: Settle,
    way: Way,
    names: Collection[str],
    already: Collection[str] = (),
    meant: Collection[str] = (),
) -> SettlePlan:
    """The plan for the hosts of *names*; all others only take servers, also those *already* done.

    What would forbid to renew one that is done forbids nothing. *meant* were asked for one by one.
    """
    with _uncollected():
        made = _made(facts, settle, way, set(names) - set(already), already, meant)
    return replace(made, already=tuple(sorted(set(names) & set(already))))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's search for circles: there are none, and over so much it takes a third."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.freeze()  # what there is now is old, and not looked through at once
            gc.enable()
            gc.unfreeze()


def _made(
    facts: Facts,
    settle: Settle,
    way: Way,
    names: Collection[str],
    already: Collection[str],
    meant: Collection[str],
) -> SettlePlan:
    hosts = [host for host in facts.hosts if host.name in names]
    emptying = Emptying(facts, settle, way)
    for host in facts.hosts:
        if host.name in already:
            emptying.reopen(host, renewed=True)
    kinds = {host.name: emptying.kinds(host) for host in hosts}
    opened = Counter(one.zone for one in facts.hosts if one.enabled and one.up)
    others = len(facts.hosts) - len(hosts) - len(already)
    findings = refusals.of_cloud(facts, others, way) if hosts else []
    if way is not Way.REINSTALL and hosts and not emptying.shown():
        findings.append(refusals.of_no_model())
    ready: list[ComputeHost] = []
    for host in hosts:
        wrong = refusals.of_host(host, opened, way, meant) + emptying.refused(host)
        findings += wrong
        if not wrong:
            findings += emptying.away(host)
            ready.append(host)
    order = batches.of(
        ready,
        {name: sum(counts.values()) for name, counts in kinds.items()},
        opened,
        canary=settle.canary,
        size=settle.batch,
    )
    planned: list[HostPlan] = []
    seconds: list[float] = []
    for together in order:
        number = len(seconds) + 1
        done, wrong = _together(together, emptying)
        findings += wrong
        if not done:
            continue
        if way is not Way.REINSTALL and emptying.shown():
            for host, lots in done.items():
                room = any(one.to for one in lots) or emptying.has_room(host)
                findings += refusals.of_proof(host, room=room)
        batch = [_host_plan(host, lots, kinds, number, settle, way) for host, lots in done.items()]
        planned += batch
        counts = [one.actions for one in batch], [one.home for one in batch]
        seconds.append(_seconds(*counts, settle, way))
        findings += _shut(done, opened, seconds[-1])
    if way.renews and planned and len(planned) + len(already) == len(facts.hosts):
        planned[-1] = replace(planned[-1], last=True)
    turns = {one.host.name for one in planned}
    planned += [HostPlan(host, kinds[host.name]) for host in hosts if host.name not in turns]
    pauses = settle.pause_seconds * max(0, len(seconds) - 1)
    return SettlePlan(way, tuple(planned), tuple(findings), tuple(seconds), sum(seconds) + pauses)


Done = dict[ComputeHost, tuple[Lot, ...]]


def _together(hosts: list[ComputeHost], emptying: Emptying) -> tuple[Done, list[Finding]]:
    """What is done on each of *hosts*, and why not on others; all are closed before one is emptied.

    A host of which a server has no place is left as it was.
    """
    done: Done = {}
    findings: list[Finding] = []
    for host in hosts:
        emptying.close(host)
    for host in hosts:
        on_disk = emptying.on_disk(host)
        lots, wrong = emptying.empty(host)
        findings += wrong or on_disk
        if not wrong:
            done[host] = lots
    for host in hosts:
        emptying.reopen(host, renewed=host in done)
    return done, findings


def _shut(hosts: Collection[ComputeHost], opened: Mapping[str, int], took: float) -> list[Finding]:
    """That no host of its zone takes new servers while one of *hosts*, a batch, is renewed."""
    mine = [one for one in hosts if one.enabled and one.up]
    return [refusals.of_zone(one, took) for one in mine if opened[one.zone] == 1]


def _host_plan(
    host: ComputeHost,
    lots: tuple[Lot, ...],
    kinds: Mapping[str, Mapping[Kind, int]],
    number: int,
    settle: Settle,
    way: Way,
) -> HostPlan:
    actions, home = _counts(lots), _counts(one for one in lots if one.decision.home)
    return HostPlan(
        host,
        kinds[host.name],
        number,
        canary=number == 1 and settle.canary > 0,
        lots=lots,
        actions=actions,
        home=home,
        seconds=_seconds([actions], [home], settle, way),
    )


def _counts(lots: Iterable[Lot]) -> Counter[Action]:
    found: Counter[Action] = Counter()
    for one in lots:
        found[one.decision.action] += len(one.servers)
    return found


Counts = list[Mapping[Action, int]]


def _seconds(actions: Counts, home: Counts, settle: Settle, way: Way) -> float:
    limits = settle.concurrency.per_host, settle.concurrency.in_all
    return estimates.batch(actions, way, *limits) + estimates.moving(home, *limits)
