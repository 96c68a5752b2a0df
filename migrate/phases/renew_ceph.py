"""`migrate settle --ceph`: the old monitors leave for good, then hosts with OSDs come over.

Each is asked for by the name of its host, for what has no way back. Before that it goes back.
"""

from __future__ import annotations

from collections.abc import Collection

from migrate.cloud import Context
from migrate.computes.reinstalling import anew, osds
from migrate.engine import finding, markers
from migrate.engine.finding import Finding, error, filled
from migrate.engine.plan import Phase, Plan
from migrate.engine.runner import Observer
from migrate.errors import IrreversibleError, PreconditionError, SettingsError
from migrate.phases import control, no_return
from migrate.phases.plan import (
    CEPH_ADDRESS,
    CEPH_ATTACHMENTS,
    CEPH_BETWEEN,
    CEPH_COMMIT,
    CEPH_GATEWAYS,
    CEPH_MANAGER,
    CEPH_SERVERS,
    CEPH_TOLD,
    storage_host,
)
from migrate.phases.session import Session
from migrate.storage.ceph import (
    attachments,
    facts,
    findings,
    leaving,
    members,
    old_address,
    osd_host,
    stored,
)

NAME = "ceph"
OF_MONITORS = {
    one.id
    for one in (
        *(CEPH_TOLD, CEPH_ATTACHMENTS, CEPH_SERVERS),
        *(CEPH_MANAGER, CEPH_GATEWAYS, CEPH_COMMIT, CEPH_ADDRESS, CEPH_BETWEEN),
    )
}


def steps(session: Session, names: Collection[str], past: Collection[str] = ()) -> Plan:
    """Those of the hosts of *names*, which have OSDs; of the old monitors where none is named.

    SettingsError where the stack file does not let these, or those of *past*, be named so.
    """
    context = session.context
    _refuse_strange(context, names, past)
    those = [storage_host(one, []) for one in members.with_osds_only(context) if one in names]
    ids = {step.id for mine in those for step in mine}
    ids |= set() if names else OF_MONITORS
    return Plan(tuple(one for one in session.plan if one.id in ids))


def found(context: Context, names: Collection[str]) -> list[Finding]:
    """What forbids it now; what has begun is judged by its own steps."""
    return list(filled(_found(context, names), check=NAME))


def _found(context: Context, names: Collection[str]) -> list[Finding]:
    if not markers.live(context):
        return [error("the target does not serve yet", "`migrate cutover` comes first")]
    wrong = []
    if names and not _monitors_are_over(context):
        told = "the old monitors leave before any OSD comes over"
        first = error(told, "`migrate settle --ceph --execute` without --host comes first")
        wrong += [*findings.monitors(facts.read(members.asks(context)))] or [first]
    elif names:
        new = osds.side(context)
        if not any(osd_host.is_begun(context.named(one), new) for one in names):
            wrong += findings.well(facts.read(new.asks))
    if not names and not leaving.no_way_back(context):
        wrong += members.mixed(context)
        wrong += findings.well(facts.read(members.asks(context)))
        if members.keeps(context):
            wrong += old_address.findings(context)
        else:
            wrong += attachments.findings(context)
            wrong += stored.findings(context)
    try:
        anew.refuse(context)
    except PreconditionError as failure:
        wrong += [error(str(failure), "Name it")] if names else []
    return wrong


def _monitors_are_over(context: Context) -> bool:
    kept = members.keeps(context)
    return leaving.is_committed(context) and (not kept or old_address.taken(context))


def renew(
    session: Session, names: Collection[str], past: Collection[str], notify: Observer
) -> None:
    """Do it, one host after the other. Safe to repeat: it goes on where they stand.

    Raises IrreversibleError, and nothing is begun, until *past* names each host that has no way
    back from it; hosts with OSDs are named by the stack file, too.
    """
    context, plan = session.context, steps(session, names, past)
    finding.refuse(found(context, names))
    leaving.name_past(context, past)
    _refuse_unnamed(context, names, past)
    anew.let_in(context, [context.named(one) for one in names])
    runner = session.runner(Phase.STORAGE, notify=notify)
    runner.prepare()
    for name in names or [""]:
        control.wait_while_paused(session, "no further host was begun")
        runner.apply([one for one in plan if not name or one.id.startswith(f"{name}.")])


def _refuse_unnamed(context: Context, names: Collection[str], past: Collection[str]) -> None:
    if names:
        osds.refuse_unnamed(context, names)
        return
    unnamed = [one for one in context.settings.ceph.monitors if one not in past]
    if unnamed and not leaving.is_committed(context):
        raise IrreversibleError(
            f"the old monitors on {', '.join(unnamed)} would be removed for good: from then on "
            "neither `migrate rollback` nor `pulumi destroy` goes back. Nothing was begun: add "
            f"{' '.join(f'--past {name}' for name in unnamed)} if you mean it"
        )


def refuse_back(session: Session, names: Collection[str]) -> None:
    """IrreversibleError where one of *names* does not go back any more, or without names nobody.

    Asked of all before the first is begun.
    """
    context = session.context
    if names:
        no_return.refuse_finished(context, session.journal)
    else:
        no_return.refuse(context, session.journal)
    for name in names:
        osds.stay(context, context.named(name))


def put_back(session: Session, names: Collection[str], notify: Observer) -> None:
    """Let the hosts of *names* run the old release again; without names, an old manager.

    IrreversibleError where their OSDs were started, or the old monitors removed. Safe to repeat.
    """
    context, plan = session.context, steps(session, names)
    refuse_back(session, names)
    anew.let_in(context, [context.named(one) for one in names])
    runner = session.runner(Phase.STORAGE, notify=notify)
    for name in names:
        osds.restore(context, context.named(name))
        runner.retreat([one for one in plan if one.id.startswith(f"{name}.")])
    if not names:
        runner.retreat(plan.steps)


def _refuse_strange(context: Context, names: Collection[str], past: Collection[str]) -> None:
    if not members.moves(context):
        raise SettingsError(
            "--ceph: sidestep:ceph.monitors of the stack file names no monitors, so the cluster's "
            "daemons are not moved"
        )
    if both := sorted(set(names) & context.optional & {*context.settings.ceph.osd_hosts}):
        raise SettingsError(f"--host {', '.join(both)}: it {members.MIXED}")
    known = members.with_osds_only(context)
    if unknown := sorted(set(names) - {*known}):
        raise SettingsError(
            f"--host {', '.join(unknown)}: not in sidestep:ceph.osdHosts; there are: "
            f"{', '.join(known) or 'none'}"
        )
    there = sorted(names or context.settings.ceph.monitors)
    if others := sorted(set(past) - {*there}):
        raise SettingsError(
            f"--past {', '.join(others)}: nothing is done there; there are: {', '.join(there)}"
        )
