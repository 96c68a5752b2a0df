"""`migrate settle --execute`: compute hosts come over, batch by batch; or one goes back."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from migrate.cloud import Context, login, side_by_side
from migrate.cloud.host import Host
from migrate.cloud.settings import Settle
from migrate.computes import closing, draining, installers, service, versions
from migrate.computes.draining import timings
from migrate.computes.estimates import Action
from migrate.computes.installers import standing
from migrate.computes.plan import SettlePlan
from migrate.computes.probing import combinations, hypervisors, note, telling
from migrate.computes.reinstalling import anew, osds
from migrate.computes.versions import Versions
from migrate.engine import markers
from migrate.engine.finding import Severity
from migrate.engine.plan import Phase
from migrate.engine.runner import Observer
from migrate.errors import (
    IrreversibleError,
    MigrateError,
    PreconditionError,
    RefusedError,
    SettingsError,
    StepError,
    UnreachableError,
)
from migrate.phases import control, no_return, settle
from migrate.phases.plan import PROBED, compose, drain_of, settled
from migrate.phases.session import Session
from migrate.storage.ceph import leaving
from migrate.verify import probe, renewed_host

DEAD = (
    ". It is passed over, and nothing of it was undone: it boots into what it ran last, closed or "
    "open as nova has it, and servers that were sent away from it stay where they are. The same "
    "again once it answers"
)


@dataclass(slots=True)
class Outcome:
    """What became of the hosts. `already` were of the release before.

    `unproven` says of those on which a new server was not booted, or not moved, why not; `moves`
    what came of live migrations that servers of ours have tried.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    already: list[str] = field(default_factory=list)
    unproven: dict[str, str] = field(default_factory=dict)
    moves: list[Mapping[str, str]] = field(default_factory=list)


def renew(
    session: Session, plan: SettlePlan, limits: Settle, past: Collection[str], notify: Observer
) -> Outcome:
    """Bring the hosts of *plan* over, batch by batch. Safe to repeat: it goes on where hosts stand.

    Before the first batch, and after each, live migration is tried between hosts as they are then.
    A host that fails stays closed, one whose servers cannot leave is as it was, and neither costs
    the others of its batch anything; no further batch begins once as many have failed as may:
    StepError names them. Raises IrreversibleError, and nothing is begun, where *plan* has the last
    host of the old release and *past* does not name it.
    """
    refuse(session.context, plan)
    refuse_strange(plan, past)
    draining.share(session.context, session.cancellation, plan.places)
    session = learned(session, reached(session.context, _names(plan)))
    found = versions.read(session.context)
    begun = settle.begun(session.context, [one.host for one in plan.hosts])
    todo = found.old | begun
    already = [*plan.already, *(one for one in _names(plan) if one not in todo)]
    outcome = Outcome(already=already)
    batches = [mine for batch in plan.names if (mine := [one for one in batch if one in todo])]
    _refuse_last(found, batches, past)
    batches = _apart(session.context, batches, limits.by, past)
    session = by(session, limits.by, [name for batch in batches for name in batch], begun)
    probe.begin(session.context, _names(plan))
    said = _probe(session, notify, set())
    for batch in turns(session, batches, limits, outcome):
        outcome.failed |= (stuck := _stuck(session.context, plan, batch))
        if mine := [name for name in batch if name not in stuck]:
            note_servers(session.context, plan, set(mine) - begun)
            renewed_host.during(session.context, mine)
            together(session, Phase.SETTLE, mine, notify, outcome)
            hypervisors.again(session.context, plan.ends(mine))
            renewed_host.during(session.context, ())
        if not _enough(session, limits, outcome):
            said = _probe(session, notify, said)
    outcome.moves = telling.document(note.read(session.context))
    end(session, batches, outcome)
    return outcome


def _apart(
    context: Context, batches: list[list[str]], by_: str, past: Collection[str]
) -> list[list[str]]:
    """*batches* with each host whose OSDs come over in one of its own: no two are away at a time.

    IrreversibleError where one was not named for that.
    """
    osd_hosts = context.settings.ceph.osd_hosts if by_ == installers.REINSTALL else ()
    if not osd_hosts:
        return batches
    leaving.name_past(context, past)
    osds.refuse_unnamed(context, [name for batch in batches for name in batch])
    found = []
    for batch in batches:
        found += [[one for one in batch if one not in osd_hosts]]
        found += [[one] for one in batch if one in osd_hosts]
    return [one for one in found if one]


def note_servers(context: Context, plan: SettlePlan, names: Collection[str]) -> None:
    """Keep for the report what is on hosts of *names* now, who have not begun before."""
    for one in plan.hosts:
        if one.host.name in names and one.host.reason != service.REASON:
            here = [it.server for it in one.servers if it.server.host == one.host.name]
            disks = {
                "local disk": len([it for it in here if it.local_disk]),
                "volumes": len([it for it in here if it.volumes]),
            }
            timings.keep_servers(context, one.host.name, {"kinds": one.kinds, "disks": disks})


def turns(
    session: Session, batches: Collection[list[str]], limits: Settle, outcome: Outcome
) -> Iterator[list[str]]:
    """Each of *batches* when it is its turn; none once enough have failed, or a stop was asked."""
    for number, batch in enumerate(batches):
        if number and session.cancellation.wait(limits.pause_seconds):
            return
        control.wait_while_paused(session, "no further batch was begun")
        yield batch
        if _enough(session, limits, outcome):
            return


def _enough(session: Session, limits: Settle, outcome: Outcome) -> bool:
    return len(outcome.failed) >= limits.stop_after or session.cancellation.requested


def end(session: Session, batches: Collection[list[str]], outcome: Outcome) -> None:
    """Say what was not proven; StepError where hosts have failed, or are left."""
    outcome.unproven = dict(session.context.extras.get(renewed_host.UNPROVEN, {}))
    for name, why in outcome.unproven.items():
        session.remark("unproven", f"{name}: {why}")
    if outcome.failed:
        told = "; ".join(f"{name}: {why}" for name, why in sorted(outcome.failed.items()))
        raise StepError(f"{len(outcome.done)} compute hosts came over, but not {told}")
    left = [name for batch in batches for name in batch if name not in outcome.done]
    if left:
        raise StepError(f"{session.cancellation.reason} before {', '.join(left)}")


def _probe(session: Session, notify: Observer, said: Collection[str]) -> set[str]:
    """Try what was not; what has been *said* to people, with what is said now."""
    runner = session.runner(Phase.SETTLE, notify=notify)
    runner.prepare()
    runner.apply([step for step in runner.plan if step.id == PROBED.id])
    lines = [
        *telling.lines(note.read(session.context)),
        *session.context.extras.get(probe.LEFT, ()),
    ]
    for line in lines:
        if line not in said:
            session.remark(telling.NAME, line)
    return {*said, *lines}


def _stuck(context: Context, plan: SettlePlan, batch: Collection[str]) -> dict[str, str]:
    """Those of *batch* whose servers are to be live-migrated, and can be to no host: why not."""
    record = note.read(context)
    mine = {
        one.host.name: [s.server.id for s in one.servers if s.action is Action.LIVE]
        for one in plan.hosts
        if one.host.name in batch and one.actions.get(Action.LIVE)
    }
    if not mine or not record or not context.settings.settle.probe:
        return {}
    hosts = hypervisors.read(context, login.api(context))
    return {
        one.host: f"{one.host} stays as it was, live migration of its servers does not work: "
        + "; ".join(f"{shape}: {why}" for shape, why in wrong.items())
        + ". The same command tries that once more"
        for one in hosts
        if one.host in mine and (wrong := combinations.no_way(hosts, one, mine[one.host], record))
    }


def by(session: Session, name: str, hosts: Iterable[str], begun: Collection[str]) -> Session:
    """The same with a plan by which *hosts* come over by the installer *name*; that is kept."""
    context, hosts = session.context, list(hosts)
    other = [host for host in hosts if installers.chosen(context, host) != name]
    installers.keep(context, hosts, name, begun)
    return replace(session, plan=compose(context)) if other else session


def learned(session: Session, hosts: Collection[Host], *, keep: bool = True) -> Session:
    """The same with a plan by which *hosts* have come over as machines say, whatever this desk has.

    What it did not know is told, and kept unless nothing is to be.
    """
    context = session.context
    anew.let_in(context, hosts)
    found = standing.learn(context, hosts, keep=keep)
    for name, by_ in found.items():
        session.remark("hosts", f"{name} has come over by {by_}, as machines say")
    return replace(session, plan=compose(context)) if found else session


def put_back(session: Session, names: Iterable[str], notify: Observer) -> None:
    """Let the hosts of *names* run the old release again, and take servers as before.

    Safe to repeat. What is not begun is undone too, without harm; StepError names who failed.
    Servers that are to come home do; who cannot is named, as nova has it.
    """
    context = session.context
    draining.share(context, session.cancellation)
    session = returning(session, names := list(names))
    wrong = each_back(session, Phase.SETTLE, names, notify)
    for name in names:
        if name not in wrong:
            installers.forget(context, name)
    # the last: what is the operator's own is back, whatever comes of this
    try:
        probe.tidy(context)
        told = context.extras.get(probe.LEFT, [])
    except MigrateError as error:
        told = [f"what a killed run has left was not deleted: {error}"]
    for line in told:
        session.remark(telling.NAME, line)
    refuse_left(wrong)


def returning(session: Session, names: Collection[str], *, keep: bool = True) -> Session:
    """The same with a plan by which the hosts of *names* have come over, as machines say.

    IrreversibleError where one of them cannot go back, SettingsError where nobody reaches it.
    """
    context = session.context
    those = reached(context, names)
    no_return.refuse_finished(context, session.journal)
    session = learned(session, those, keep=keep)
    if stuck := versions.read(context).stuck(names):
        raise IrreversibleError(
            f"no compute host of the old release is left in the cell of {', '.join(stuck)}: a "
            "conductor that has restarted since lets none in. `migrate rollback` brings the whole "
            "cloud back"
        )
    return session


def each_back(
    session: Session, phase: Phase, names: Iterable[str], notify: Observer
) -> dict[str, str]:
    """Undo what *phase* did on hosts of *names*; who is not back, and why.

    One that is dead holds no other up. Nothing of it is undone, not half of it, and what waits for
    whoever boots it is told.
    """
    wrong = {}
    for host in reached(session.context, names):
        try:
            if away := restored(session, phase, host, notify):
                wrong[host.name] = f"its servers: {'; '.join(away)}"
        except UnreachableError as error:
            dead = host.name in error.hosts and not isinstance(error, RefusedError)
            wrong[host.name] = f"{error}{DEAD if dead else ''}"
        except MigrateError as error:
            wrong[host.name] = str(error)
    return wrong


def restored(session: Session, phase: Phase, host: Host, notify: Observer) -> list[str]:
    """Undo what *phase* did on *host*, and let servers come to it; which are not home, and why."""
    context = session.context
    installer = installers.of(context, host.name)
    steps = {one.id for one in settled(host.name, installer)}
    runner = session.runner(phase, notify=notify)
    installer.restore(context, host)  # proven before what it replaces goes
    away = draining.bring(context, host)
    # who is to be brought is known by the step of the drain, until all are
    kept = {drain_of(host.name, installer)} if away else set()
    runner.retreat([one for one in runner.plan if one.id in steps - kept])
    closing.reopen(context, host)
    return away


def refuse_left(wrong: Mapping[str, str]) -> None:
    """StepError that names hosts that are not back."""
    if wrong:
        raise StepError("; ".join(f"{name} is not back: {why}" for name, why in wrong.items()))


def refuse(context: Context, plan: SettlePlan) -> None:
    """PreconditionError where *plan* must not be carried out."""
    markers.refuse_until_live(context)
    if any(one.severity is Severity.ERROR for one in plan.findings):
        raise PreconditionError("what forbids the plan comes first, see there")
    reached(context, _names(plan))


def reached(context: Context, names: Iterable[str]) -> list[Host]:
    """The hosts of *names*, in that order; SettingsError with those that nobody can reach."""
    known, names = {host.name: host for host in context.source.computes}, list(names)
    if unknown := [one for one in names if one not in known]:
        raise SettingsError(
            f"{', '.join(unknown)}: not in sidestep:source.computes of the stack file, by "
            "which hosts are reached; name it there as nova does"
        )
    return [known[one] for one in names]


def _names(plan: SettlePlan) -> list[str]:
    return [one.host.name for one in plan.hosts]


def refuse_strange(plan: SettlePlan, past: Collection[str]) -> None:
    """SettingsError where *past* names what is not in *plan*."""
    if others := sorted(set(past) - {*_names(plan), *plan.already}):
        raise SettingsError(
            f"--past {', '.join(others)}: no compute host of this plan; there are: "
            f"{', '.join(sorted(_names(plan)))}"
        )


def _refuse_last(found: Versions, batches: list[list[str]], past: Collection[str]) -> None:
    """The last host of the old release in each cell is asked for by name."""
    lasts = found.lasts(name for batch in batches for name in batch)
    if unnamed := [name for name in lasts if name not in past]:
        raise IrreversibleError(
            f"{', '.join(unnamed)} would be the last compute host of the old release in its cell: "
            "once it is renewed, the next restart of a conductor there lets no old one in. Nothing "
            "was begun: leave it out with --except, or add "
            f"{' '.join(f'--past {name}' for name in unnamed)}"
        )


def together(
    session: Session, phase: Phase, names: list[str], notify: Observer, outcome: Outcome
) -> None:
    """Bring the hosts of *names* over side by side; *outcome* says what became of each."""
    runner = session.runner(phase, notify=notify)
    runner.prepare()
    steps = {one.id: one for one in runner.plan}

    def bring(name: str) -> None:
        mine = settled(name, installers.of(session.context, name))
        try:
            runner.apply([steps[one.id] for one in mine if one.id in steps])
            outcome.done.append(name)
        except MigrateError as error:
            outcome.failed[name] = str(error)

    side_by_side.each(bring, names, len(names))
