"""`migrate rollback` and the delete of `Takeover`: back to the source as it was at the fence."""

import time
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from migrate.cloud import Context, apart, hosts
from migrate.cloud.host import Host
from migrate.cloud.login import ADMIN
from migrate.computes import draining, installers, network
from migrate.computes.homecoming import bring, decision, moved, reading
from migrate.computes.installers import reinstall, standing
from migrate.computes.network import refusals
from migrate.computes.reinstalling import silent
from migrate.engine import markers, state_directory
from migrate.engine.plan import Phase, Step
from migrate.engine.runner import Observer
from migrate.errors import (
    MigrateError,
    PassedOverError,
    RefusedError,
    UnreachableError,
    one_line,
)
from migrate.phases import joined, left_behind, machines, no_return, renew, traces
from migrate.phases.plan import PROBED, settled, settled_network
from migrate.phases.session import Session, opened
from migrate.storage.volumes import policy
from migrate.takeover import going_live
from migrate.takeover.gate import close, reopen_timer
from migrate.verify import losses, noticed, views
from migrate.verify.losses import Losses

BEFORE = (Phase.FOLLOW, Phase.CUTOVER)  # while users write on the target, all of it stands
UNDONE = (*BEFORE, Phase.ACCEPT, Phase.STORAGE, Phase.SETTLE)
FILE = "losses.json"


def rollback(session: Session, notify: Observer, phases: tuple[Phase, ...] = UNDONE) -> None:
    """Undo the window, then what `follow` made on either side, or *phases* only. Safe to repeat.

    A target machine that is dead is the best reason to go back: what stood on it counts as undone,
    once nobody answers for the virtual IP any more. One that lives is closed to users first, so
    that nothing is written after what would be lost was exported; before that, servers that were
    moved go home. Then those that the source would run a second time are stopped
    (`computes/homecoming/`), before its agents can start.
    """
    context = session.context
    answering = _living(context)
    no_return.refuse(context, session.journal)
    if Phase.FOLLOW in phases:
        joined.refuse_forgotten(context, session.journal)
    if dead := {host.name for host in context.target.controllers} - set(answering):
        names = ", ".join(sorted(dead))
        session.remark("dead", f"{names}: passed over, what stood there went with it")
    context = replace(context, target=context.target.without(dead))
    living = replace(session, context=silent.passing(context, session.remark))
    if written := going_live.written(living.context):
        living = renew.learned(living, living.context.source.computes)
    runner = living.runner(*phases, notify=notify, standing=_standing(living) if written else ())
    runner.refuse_one_way()
    if written:
        bring.foresee(living.context)
        refusals.foresee(living.context)
        left = reinstall.left(living.context)
        moved.go_home(living.context, left, living.remark)  # while users are still served
        if context.target.holder.name not in dead:
            export(living, _last_losses(living))
        draining.start_again(living.context, living.remark)
        for one in silent.left_off(living.context):
            living.remark("servers", f"server {one['id']} of {one['host']}: {one['what']}")
        for name in left:
            living.remark("hosts", f"{name}: {reinstall.LEFT}")
        bring.bring_home(living.context, living.remark)
    with suppress(MigrateError):  # the timer must not open what is being opened
        reopen_timer.extend(living.context)
    runner.retreat()


def undone(session: Session) -> list[Step]:
    """What `rollback` would undo, in its order, by the journal and by what machines say now.

    Changes nothing, here neither.
    """
    living = replace(session, context=silent.passing(session.context))
    if not going_live.written(living.context):
        return living.runner(*UNDONE).begun()[::-1]
    living = renew.learned(living, living.context.source.computes, keep=False)
    return living.runner(*UNDONE, standing=_standing(living)).begun()[::-1]


def _standing(session: Session) -> set[str]:
    """Steps of before the target served, and of all that has come over since.

    Another desk may have begun them, and an older copy of the state directory does not know. Of
    who is dead the journal's word counts.
    """
    context = session.context
    before = {one.id for one in session.plan if one.phase in BEFORE}
    over = standing.over(context, context.source.computes)
    steps = [one for name in over for one in settled(name, installers.of(context, name))]
    carriers = standing.over(context, context.source.network_hosts)
    steps += [one for name in carriers for one in settled_network(name)]
    with suppress(UnreachableError):
        if not network.reading.untouched(context):
            steps += network.steps(context.recipes)
    return before | {one.id for one in steps} | ({PROBED.id} if over else set())


def _last_losses(session: Session) -> Losses:
    """What is lost when nobody can write any more; one that cannot be closed is no obstacle."""
    try:
        close.close_target(session.context)
        return find_losses(session, closed=True)
    except MigrateError as error:
        found = find_losses(session)
        found.document["unknown"].append(
            f"what users wrote while the target went down: it could not be closed ({error})"
        )
        return _kept(session, found)


def _living(context: Context) -> list[str]:
    try:
        return hosts.living(context.target.controllers, _name_if_alive)
    except RefusedError as error:
        raise RefusedError(
            f"{error}. It lives, so what stands on it must be undone: mend that, or switch the "
            "machine off, then the same again",
            *error.hosts,
        ) from error


def _name_if_alive(host: Host) -> str:
    host.run("true", timeout=10)
    return host.name


def find_losses(session: Session, *, closed: bool = False) -> Losses:
    """What was created, changed or deleted on the target since the cutover; kept in `losses.json`.

    Nothing before the release. A target that does not answer is a loss of its own kind: nobody can
    say. With *closed*, when users cannot come in any more, a controller's own address is asked.
    Servers that would be stopped are among it, dead target or not.
    """
    if not going_live.written(session.context):
        return losses.nothing(session.context.stack)
    context = silent.passing(session.context)
    found = _found(context, closed=closed)
    try:
        facts = reading.read(context)
        found.document["servers"] += [one.document for one in decision.decide(facts)]
        found.document["servers"] += draining.left_off(context) + silent.left_off(context)
        found.document["unknown"] += decision.unproven(facts) + decision.unlisted(facts)
    except MigrateError as error:
        found.document["unknown"].append(f"which servers would be stopped: {error}")
    return _kept(session, found)


def foreseen(session: Session) -> Losses:
    """`find_losses` before anything is undone: where no controller answers it is not nothing."""
    found = find_losses(session)
    seen = machines.look(apart(session.context, machines.PATIENCE_SECONDS)) if not found else {}
    if seen and all("silent" in one for one in seen.values()):
        why = "no controller of either side answers, so nobody can say what going back would lose"
        return losses.unknown(session.context.stack, 0.0, why)
    return found


def _found(context: Context, *, closed: bool) -> Losses:
    before = views.kept(context)
    try:
        released = markers.live_since(context)
    except MigrateError:
        released = 0.0
    if not before:
        why = "there is no listing from before the cutover to compare with"
        return losses.unknown(context.stack, released, why)
    released = released or before[ADMIN].began
    at = context.target.api if closed else None
    try:
        now = views.take_all(context, at, names=(ADMIN,), before=before)[ADMIN]
        accepted = policy.accepted_at(context)
        passing = traces.passing(context, released)
        unlisted = traces.unlisted(context, released)
    except Exception as error:  # whatever a dead target answers, the way back stays open
        why = f"the target cannot be asked what was written on it: {one_line(error, 1000)}"
        return losses.unknown(context.stack, released, why)
    return losses.find(
        context.stack,
        before[ADMIN],
        now,
        released=released,
        accepted=accepted,
        traces=passing,
        unlisted=unlisted,
    )


def kept(context: Context, seconds: float) -> Losses | None:
    """What `find_losses` found last, unless that is older than *seconds*; asks no machine."""
    path = context.home / FILE
    if not path.exists() or time.time() - path.stat().st_mtime > seconds:
        return None
    return Losses(state_directory.recorded(path))


def export(session: Session, found: Losses) -> Path | None:
    """A copy of its own that no later run writes over; None where nothing would be lost."""
    if not found:
        return None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return state_directory.record(session.home / f"losses-{stamp}.json", found.document)


def _kept(session: Session, found: Losses) -> Losses:
    state_directory.record(session.home / FILE, found.document)
    return found


def noticing(session: Session) -> AbstractContextManager[None]:
    """Record what users notice of a way back, as long as the block runs."""
    return noticed.recording(session.context, noticed.ROLLBACK, session.remark)


def go_back(stack: str) -> str:
    """What `pulumi destroy` calls before anything else is deleted; raises and nothing is.

    What is to be done with compute hosts that are dead, once they are back; "" where none is.
    """
    with opened(stack, "pulumi destroy", changes=True) as session, noticing(session):
        try:
            rollback(session, lambda *_: None)  # naming the stack has accepted what it exports
        except PassedOverError as error:
            return left_behind.tell(session, error)
    return ""
