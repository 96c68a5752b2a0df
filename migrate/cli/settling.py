"""The command for compute hosts: settle."""

from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict
from functools import partial
from typing import Any

from migrate.cli import findings, report
from migrate.cli.at_work import at_work
from migrate.cli.output import Progress, Screen, finding_document
from migrate.cloud.settings import Settle
from migrate.computes import estimates, installers, network
from migrate.computes.emptying import Planned
from migrate.computes.estimates import Action, Way
from migrate.computes.plan import HostPlan, SettlePlan
from migrate.computes.probing import telling
from migrate.computes.reinstalling import osds
from migrate.engine.finding import Severity
from migrate.engine.plan import Plan
from migrate.errors import SettingsError, some
from migrate.phases import (
    control,
    move_agents,
    no_return,
    renew,
    renew_ceph,
    renew_network,
    settle,
    updating,
)
from migrate.phases.plan import PROBED, settled
from migrate.phases.session import Session
from migrate.verify import noticed, pings, watched

COLUMNS = ("turn", "host", "zone", "servers now", "what happens", "where to", "about ", "way back")
NAMES = 3  # of destinations
HOME = "Moves back home, once their host is renewed: {}; users notice the same again."
PROBES = (
    "Live migration is tried there and back by servers of ours, which are deleted: {} combinations "
    "of hosts and servers, about {} of that, before the first host and after each batch."
)
DESK = (
    "How a host was before is kept in this state directory until it is proven: go on from here, or "
    "put it back."
)
LATE = {
    "abort": "A live migration whose time is over is aborted, and its host stays as it was.",
    "complete": "A live migration whose time is over is completed by nova: by post-copy where its "
    "host permits that, else its server is paused meanwhile. Only then is it aborted.",
}


def run_settle(
    screen: Screen,
    stack: str,
    *,
    os_cloud: str,
    hosts: tuple[str, ...],
    zone: str,
    without: tuple[str, ...],
    by: str | None,
    canary: int | None,
    batch: int | None,
    stop_after: int | None,
    execute: bool,
    agents: bool,
    ceph: bool,
    update: bool,
    back: bool,
    past: tuple[str, ...],
    take_over: bool,
) -> None:
    asked = settle.Asked(
        hosts=hosts,
        zone=zone,
        without=without,
        by=by,
        update=update,
        canary=canary,
        batch=batch,
        stop_after=stop_after,
    )
    _refuse_together(asked, past, agents=agents, ceph=ceph, back=back)
    with (
        at_work(
            screen,
            stack,
            "settle",
            changes=execute,
            runs=True,
            take_over=take_over,
            os_cloud=os_cloud,
        ) as opened,
        ExitStack() as during,
    ):
        session = updating.begin(opened) if update else opened
        if execute:
            during.enter_context(control.stoppable(session))
            during.enter_context(report.reported(session))
            words = {"agents": agents, "ceph": ceph, "update": update, "back": back}
            during.enter_context(_pinged(session, hosts, **words))
        if agents:
            _agents(screen, session, execute=execute, back=back)
            return
        if ceph:
            _ceph(screen, session, hosts, past, execute=execute, back=back)
            return
        if carriers := renew_network.named(session.context, hosts):
            _refuse_words(hosts, carriers, asked, past)
            _network_hosts(screen, session, carriers, execute=execute, back=back)
            return
        if back:
            _back(screen, session, hosts, execute=execute, update=update)
            return
        plan = settle.planned(session.context, asked)
        renew.refuse_strange(plan, past)
        limits = asked.over(session.context.settings.settle)
        if update:
            limits = limits.model_copy(update={"by": plan.way.value})
        _show(screen, session, plan, limits, execute=execute)
        if not execute:
            screen.answer(document(plan, limits.by))
            screen.say("[green]Nothing forbids this plan.[/]")
            return
        names = [one.host.name for one in plan.hosts]
        if update:
            installer = installers.updating(session.context)
            each = [step for one in names for step in settled(one, installer)]
            outcome = updating.update(session, plan, limits, Progress(screen, Plan(tuple(each))))
            told = "were updated[/]", "before; back by `migrate settle --update --back --host NAME`"
        else:
            bring = partial(installers.bringing, session.context, name=limits.by)
            each = [step for one in names for step in settled(one, bring(one))]
            steps = Plan((PROBED, *each))
            outcome = renew.renew(session, plan, limits, past, Progress(screen, steps))
            told = (
                "came over[/]",
                "of the release before; back by `migrate settle --back --host NAME`",
            )
        screen.answer(asdict(outcome))
        done, already = len(outcome.done), len(outcome.already)
        screen.say(f"[green]{done} compute hosts {told[0]}, {already} were {told[1]}")


def _refuse_together(
    asked: settle.Asked, past: tuple[str, ...], *, agents: bool, ceph: bool, back: bool
) -> None:
    """SettingsError with all that would go unheard: options that say nothing beside each other."""
    hosts, zone, by, update = asked.hosts, asked.zone, asked.by, asked.update
    wrong = {
        "--update: hosts keep what they came over by; no --agents, --by, --past": (
            update and (agents or by or past)
        ),
        "--agents: all of them move together, without --host, --zone, --by and --past": (
            agents and (hosts or zone or by or past)
        ),
        "--ceph: hosts are named by --host; no --agents, --update, --by, --zone": (
            ceph and (agents or update or by or zone)
        ),
        "--except: of all compute hosts; no --agents, --ceph, --back": (
            asked.without and (agents or ceph or back)
        ),
        "--canary, --batch, --stop-after: of compute hosts that come over; no --agents, --ceph, "
        "--back": asked.sized and (agents or ceph or back),
        "--back: name each host that is to go back with --host, or --agents, or --ceph": (
            back and not (hosts or agents or ceph)
        ),
        "--back: by what each came over by; no --zone, --by, --past": back and (zone or by or past),
    }
    if told := [why for why, holds in wrong.items() if holds]:
        raise SettingsError("; ".join(told))


def _refuse_words(
    hosts: tuple[str, ...], carriers: list[str], asked: settle.Asked, past: tuple[str, ...]
) -> None:
    """SettingsError where more is said of network hosts than there is."""
    told = ", ".join(carriers)
    if asked.by not in (None, installers.IN_PLACE):
        raise SettingsError(
            f"--by {asked.by}: {told} only carries network agents, and comes over in place: on a "
            "fresh system nothing puts back what they carry"
        )
    if asked.update or asked.zone or asked.without or asked.sized or past:
        raise SettingsError(
            f"--host {told}: a network host; no --update, --zone, --except, --past, --canary, "
            "--batch, --stop-after"
        )
    if others := sorted(set(hosts) - set(carriers)):
        raise SettingsError(
            f"--host {told} only carries network agents, --host {', '.join(others)} does not: name "
            "them in two commands, in any order"
        )


def _network_hosts(
    screen: Screen, session: Session, names: list[str], *, execute: bool, back: bool
) -> None:
    """What is done about hosts that only carry network agents, and done with *execute*."""
    steps = renew_network.steps(names)
    if back and not execute:
        no_return.refuse_finished(session.context, session.journal)
        _would_undo(screen, session, steps)
        return
    if back:
        renew_network.put_back(session, names, Progress(screen, steps))
        screen.say(f"[green]Back:[/] {', '.join(names)}")
        screen.answer({"back": names})
        return
    found = renew_network.findings(session.context, names)
    screen.findings(found)
    findings.refuse_errors(screen, found)
    if not execute:
        screen.would(steps)
        return
    done = renew_network.renew(session, names, Progress(screen, steps))
    already = [one for one in names if one not in done]
    screen.say(f"[green]{len(done)} network hosts came over[/], {len(already)} were before")
    screen.answer({"done": done, "already": already})


def _pinged(
    session: Session, hosts: tuple[str, ...], **asked: bool
) -> AbstractContextManager[None]:
    """A record of pings, by what was asked for, as long as the block runs."""
    if not session.context.settings.settle.watch:
        return nullcontext()
    watched.keep(session.context)  # before servers move
    words = ["settle", *(f"--{one}" for one, given in asked.items() if given), *hosts]
    return noticed.recording(
        session.context, " ".join(words), session.remark, streams=pings.streams
    )


def _agents(screen: Screen, session: Session, *, execute: bool, back: bool) -> None:
    """What is done about network agents, and done with *execute*."""
    steps = move_agents.steps(session)
    if back and not execute:
        no_return.refuse_finished(session.context, session.journal)
        _would_undo(screen, session, steps)
        return
    if back:
        move_agents.move_back(session, Progress(screen, steps))
        screen.say("[green]Back:[/] the source's agents carry networks and routers again")
        screen.answer({"back": [step.id for step in steps]})
        return
    found = network.refusals.findings(session.context)
    screen.findings(found)
    findings.refuse_errors(screen, found)
    if not execute:
        screen.would(steps)
        return
    move_agents.move(session, Progress(screen, steps))
    kept = network.timings.kept(session.context)
    screen.say("[green]The target's agents carry networks and routers[/], the source's are stopped")
    screen.answer({"done": [step.id for step in steps], "routers": kept})


def _ceph(
    screen: Screen,
    session: Session,
    hosts: tuple[str, ...],
    past: tuple[str, ...],
    *,
    execute: bool,
    back: bool,
) -> None:
    """What is done about Ceph's own daemons, and done with *execute*."""
    steps = renew_ceph.steps(session, hosts, past)
    if back and not execute:
        renew_ceph.refuse_back(session, hosts)
        _would_undo(screen, session, steps)
        return
    if back:
        renew_ceph.put_back(session, hosts, Progress(screen, steps))
        screen.say(f"[green]Back:[/] {', '.join(hosts) or 'an old manager'}")
        screen.answer({"back": [step.id for step in steps]})
        return
    found = renew_ceph.found(session.context, hosts)
    screen.findings(found)
    findings.refuse_errors(screen, found)
    if not execute:
        screen.would(steps)
        return
    renew_ceph.renew(session, hosts, past, Progress(screen, steps))
    recovered = osds.recovered(session.context, hosts)
    for name, one in recovered.items():
        screen.say(f"{name}: {one['objects']} objects, {one['bytes']} bytes were written meanwhile")
    screen.say(f"[green]{'OSDs of ' + ', '.join(hosts) if hosts else 'Monitors'} came over[/]")
    screen.answer({"done": [step.id for step in steps], "recovered": recovered})


def _back(
    screen: Screen, session: Session, hosts: tuple[str, ...], *, execute: bool, update: bool
) -> None:
    if not execute and not update:
        session = renew.returning(session, hosts, keep=False)
    steps = Plan(
        tuple(
            step for name in hosts for step in settled(name, installers.of(session.context, name))
        )
    )
    if not execute:
        _would_undo(screen, session, steps)
        return
    put_back = updating.put_back if update else renew.put_back
    put_back(session, hosts, Progress(screen, steps))
    screen.say(f"[green]Back:[/] {', '.join(hosts)}")
    screen.answer({"back": list(hosts)})


def _would_undo(screen: Screen, session: Session, steps: Plan) -> None:
    undone = list(steps)[::-1]
    screen.would_undo(undone, lost=session.journal.is_empty())
    screen.answer({"would_undo": [step.id for step in undone]})


def _show(
    screen: Screen, session: Session, plan: SettlePlan, limits: Settle, *, execute: bool
) -> None:
    """The plan, and what forbids it: PreconditionError with exit code 3."""
    screen.table(
        f"{session.context.stack}: {limits.by}, in this order", COLUMNS, map(_row, plan.hosts)
    )
    for line in totals(plan, limits):
        screen.remark(line)
    if not execute:
        screen.remark("This is a plan: nothing was changed.")
    found = list(plan.findings)
    screen.findings(found)
    if any(one.severity is Severity.ERROR for one in found):
        screen.answer(document(plan, limits.by))
        findings.refuse_errors(screen, found)


def _row(one: HostPlan) -> tuple[str, ...]:
    if one.refused:
        return ("refused", one.host.name, one.host.zone, _counts(one.kinds), "", "", "", "")
    return (
        "canary" if one.canary else f"batch {one.batch}",
        one.host.name,
        one.host.zone,
        _counts(one.kinds),
        _counts(one.actions),
        _places(one.servers),
        f"{one.seconds:.0f} s",
        "none" if one.last else "yes",
    )


def _counts(counts: Any) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"


def _places(servers: Iterable[Planned]) -> str:
    counts = Counter(one.to for one in servers if one.to)
    return some([f"{name} ({count})" for name, count in counts.most_common()], NAMES)


def totals(plan: SettlePlan, decided: Settle) -> list[str]:
    """What the whole comes to, and what users notice of each kind of move."""
    hosts = len([one for one in plan.hosts if not one.refused])
    actions = plan.actions
    limits = decided.concurrency
    return [
        f"Hosts: {hosts}, refused: {len(plan.hosts) - hosts}; batches: {len(plan.batches)}; "
        f"servers: {_counts(actions)}; about {_long(plan.seconds)} by figures measured in the lab.",
        f"At most {limits.per_host} migrations at once on a host and {limits.in_all} in all, "
        f"{decided.timeout_seconds} s for each; {decided.pause_seconds} s between batches; no "
        f"further host after {decided.stop_after} that failed.",
        *([f"Done already, and left alone: {', '.join(plan.already)}."] if plan.already else []),
        *([PROBES.format(len(plan.probes), _long(plan.probing))] if plan.probes else []),
        *([HOME.format(plan.home)] if plan.home else []),
        *([LATE[decided.late]] if actions[Action.LIVE] else []),
        *(
            f"Users notice, {action}: {noticed}."
            for (way, action), noticed in estimates.NOTICED.items()
            if way is plan.way and actions[action]
        ),
        f"The way back of a host: {estimates.WAYS_BACK[plan.way]}.",
        DESK,
    ]


def _long(seconds: float) -> str:
    """`95 s`, `12 min` or `5.5 h`."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def document(plan: SettlePlan, by: str) -> dict[str, Any]:
    """`{"by": "reinstall", "seconds": 310.0, "batches": [...], "hosts": [...], "probes": [...],
    "findings": []}`.
    """
    return {
        "by": by,
        "seconds": round(plan.seconds, 1),
        "batches": [round(one, 1) for one in plan.batches],
        "servers": dict(sorted(plan.actions.items())),
        "already": list(plan.already),
        "probes": [telling.trip_document(one) for one in plan.probes],
        "hosts": [_host(one, plan.way) for one in plan.hosts],
        "findings": [finding_document(one) for one in plan.findings],
    }


def _host(one: HostPlan, way: Way) -> dict[str, Any]:
    host = one.host
    return {
        "host": host.name,
        "zone": host.zone,
        "enabled": host.enabled,
        "disabled_reason": host.reason,
        "up": host.up,
        "hypervisor": host.hypervisor,
        "hypervisor_version": host.version,
        "cpu": host.cpu,
        "batch": one.batch or None,
        "canary": one.canary,
        "refused": one.refused,
        "seconds": round(one.seconds, 1),
        "way_back": "" if one.last or one.refused else estimates.WAYS_BACK[way],
        "point_of_no_return": one.last,
        "kinds": dict(sorted(one.kinds.items())),
        "servers": [_server(server, way) for server in one.servers],
    }


def _server(one: Planned, way: Way) -> dict[str, Any]:
    server = one.server
    return {
        "id": server.id,
        "name": server.name,
        "project": server.project,
        "status": server.status,
        "kind": server.kind,
        "action": one.action,
        "to": one.to,
        "home": one.home,
        "why": one.why,
        "users_notice": estimates.NOTICED[way, Action(one.action)],
        "local_disk": server.local_disk,
        "volumes": list(server.volumes),
    }
