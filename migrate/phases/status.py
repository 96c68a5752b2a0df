"""`migrate status`: where a stack stands, by its journal, its lock and the machines themselves."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from migrate.cloud import Context, apart, host, known_hosts
from migrate.engine import cloud_lock, markers, state_directory, state_lock, window
from migrate.engine.journal import Remark, State
from migrate.engine.plan import Phase
from migrate.errors import JournalError, MigrateError, SettingsError
from migrate.phases import control, followed, machines, ways_back
from migrate.phases.plan import CEPH_COMMIT
from migrate.phases.session import Session
from migrate.phases.verify import FILE
from migrate.storage.ceph import leaving, members
from migrate.takeover import going_live

REMARKS = 5


def status(session: Session, held: str | None = None, *, ask: bool = False) -> dict[str, Any]:
    """How each phase stands and what comes next; *held* spares asking who holds the lock.

    `{"stack": "lab", "held_by": "", "phases": {"follow": "done", "cutover": "begun"},
    "unfinished": ["vip.takeover"], "failed": {"gate.drain": "..."}, "settling": ["cmp1.proof"],
    "asked": {"pause": "ann ..."},
    "remarks": ["12:00:01 UTC lock: ..."], "verified": "12:09:30 UTC",
    "machines": {...}, "ways_back": {...}, "missing": "", "no_way_back": "",
    "databases": {"follows": true, "error": "", "behind": "0-1-55 of 0-1-60",
    "servers": {}},
    "next": "migrate ..."}`

    `missing` is a file without which no machine lets us in, and what to do about it; `no_way_back`
    why the whole does not go back since Ceph's old monitors were removed. Only with *ask* the
    controllers are asked, each for a few seconds at most.
    """
    context = apart(session.context, machines.PATIENCE_SECONDS) if ask else None
    journalled = session.journal.states()
    phases: dict[str, str] = {}
    unfinished: list[str] = []
    for phase in Phase:
        steps = [step.id for step in session.plan if step.phase is phase]
        if not steps:
            continue
        states = [journalled.get(step, State.PENDING) for step in steps]
        phases[phase] = _summary(states)
        unfinished += [s for s, state in zip(steps, states, strict=True) if state is State.STARTED]
    failed = {
        event.step: f"{_clock(event.at)} {event.note}"
        for event in session.journal.events()
        if event.state is State.FAILED and journalled[event.step] is State.FAILED
    }
    by_host = (Phase.STORAGE, Phase.SETTLE)
    settling = {step.id for step in session.plan if step.phase in by_host}
    found: dict[str, Any] = {
        "stack": session.context.stack,
        "held_by": state_lock.holder(session.home) if held is None else held,
        "papers": state_lock.name(session.home),
        "phases": phases,
        "unfinished": unfinished,
        "failed": failed,
        "settling": sorted(settling & {*failed, *unfinished}),
        "asked": {
            w: who
            for w in (control.PAUSE, control.ABORT)
            if (who := control.asked(session.home, w))
        },
        "remarks": [
            f"{_clock(one.at)} {one.kind}: {one.text}" for one in _last(session.journal.remarks())
        ],
        "verified": _verified(session),
        "machines": {},
        "ways_back": {},
        "missing": missing(session.context) if ask else "",
        "no_way_back": _no_way_back(session, context),
        "databases": {},
    }
    if context:
        found["machines"] = machines.look(context)
        with suppress(MigrateError):  # who is silent is told as such among the machines
            found["databases"] = followed.look(context)
        found["ways_back"] = ways_back.look(context, found["machines"], found["no_way_back"])
    return {**found, "next": following(found)}


def _no_way_back(session: Session, context: Context | None) -> str:
    """By the machines' word, where they are asked by *context*, or the journal's."""
    if not members.moves(session.context):
        return ""
    if context:
        with suppress(MigrateError):
            if why := leaving.no_way_back(context):
                return why
    done = session.journal.state(CEPH_COMMIT.id) is State.DONE
    return "the journal shows that the old monitors were removed" if done else ""


def missing(context: Context) -> str:
    """A file of ssh that is not there, and what to do; "" where none is."""
    ssh = context.settings.ssh
    try:
        host.refuse_missing(ssh.key, ssh.known_hosts or known_hosts.of_the_user())
    except SettingsError as error:
        return str(error)
    return ""


def unread(context: Context, why: str) -> dict[str, Any]:
    """What is left to say where a file of the state cannot be read, and *why*: machines know, too.

    `{"stack": "lab", "journal": why, "machines": {...}, "next": "..."}`
    """
    return {
        "stack": context.stack,
        "journal": why,
        "machines": machines.look(apart(context, machines.PATIENCE_SECONDS)),
        "next": f"{why}; then `migrate status --stack {context.stack}` again",
    }


def lines(found: dict[str, Any]) -> list[str]:
    """*found* of `status` or `unread`, for people."""
    if "journal" in found:
        told = [f"journal: {found['journal']}", *machines.lines(found["machines"])]
        return [*told, f"next: {found['next']}"]
    told = [f"stack {found['stack']}: " + ", ".join(f"{p} {w}" for p, w in found["phases"].items())]
    if found["held_by"]:
        told.append(f"at work: {found['held_by']}")
    told += [f"asked for: {what} by {who}" for what, who in found["asked"].items()]
    told += [f"begun and not ended: {step}" for step in found["unfinished"]]
    told += [f"failed: {step}: {note}" for step, note in found["failed"].items()]
    told += machines.lines(found["machines"])
    if databases := found.get("databases"):
        told.append(followed.line(found["stack"], **databases))
    told += (ways := list(ways_back.lines(found.get("ways_back", {}))))
    if found.get("no_way_back") and not ways:
        told.append(f"no way back of the whole: {found['no_way_back']}")
    told += [f"noted: {one}" for one in found["remarks"]]
    return [*told, f"next: {found['next']}"]


def following(found: dict[str, Any]) -> str:
    """What to do now; the machines' word goes before the journal's."""
    stack, phases = found["stack"], found["phases"]
    named = f"--stack {stack} --execute"
    if found["held_by"]:
        paused = control.PAUSE in found["asked"]
        return "wait for the run that is at work" + (
            f", which is paused: `migrate resume --stack {stack}`" if paused else ""
        )
    if found.get("missing"):
        return f"{found['missing']}; then `migrate status --stack {stack}` again"
    seen = [one for one in found["machines"].values() if "silent" not in one]
    source = [one for one in seen if one["side"] == "source"]
    first = _of_the_source(source, found["papers"], named)
    if first := first or _of_the_end(seen, phases.get(Phase.FINISH, ""), named):
        return first
    released = any(markers.LIVE in one["stages"] for one in seen)
    if phases.get("cutover") == "done" or (released and phases.get("cutover") != "begun"):
        return _of_the_target(found, named)
    closed = any(one["closed"] or one["fenced"] for one in source)
    if first := _of_a_way_back(found, named) or _of_the_window(found, closed, released, named):
        return first
    again = "the same command again goes on; " if found["failed"] or found["unfinished"] else ""
    check = f"{again}`migrate check --stack {stack}`, then `migrate follow {named}`"
    return f"`migrate cutover {named}`" if phases.get("follow") == "done" else check


def _of_a_way_back(found: dict[str, Any], named: str) -> str:
    """What is left of one: compute hosts that came over are put back before all else, or were dead.

    "" for nothing.
    """
    phases = found["phases"]
    came_over = phases.get(Phase.SETTLE) in ("begun", "done")
    if not came_over or phases.get(Phase.CUTOVER) not in ("begun", "undone"):
        return ""
    names = dict.fromkeys(window.of_host(step) for step in found.get("settling", ()))
    owed = ", ".join(filter(None, names)) or "a compute host"
    return (
        f"`migrate rollback {named}` undoes what {owed} still has of the target's release: keep it "
        "off, or its nova-compute and network agents masked, until that is done"
    )


def _of_the_window(found: dict[str, Any], closed: bool, released: bool, named: str) -> str:
    """What to do where it stands open, by the journal or since the source is *closed*; else ""."""
    if found["phases"].get(Phase.CUTOVER) != "begun" and not closed:
        return ""
    abort = "" if released else f", `migrate abort --stack {found['stack']}` undoes the window"
    return f"`migrate cutover {named}` goes on{abort}, `migrate rollback {named}` goes back"


def _of_the_target(found: dict[str, Any], named: str) -> str:
    """What is left to do while it serves."""
    if settling := found.get("settling"):
        return (
            f"the `migrate settle` that stopped at {', '.join(settling)} goes on by the same "
            "command, with --back it is undone"
        )
    back = f"the way back is `migrate rollback {named}`"
    if found.get("no_way_back"):
        back = (
            f"only hosts go back, each by `migrate settle --back --host NAME {named}`, with --ceph "
            "those whose OSDs were not started since"
        )
    if not found.get("verified"):
        return f"`migrate verify --stack {found['stack']}`; {back}"
    accepted = found["phases"].get("accept", "done") == "done"
    stays = "" if accepted else f"; `migrate accept {named}` when it is to stay"
    left = (
        f"`migrate settle --stack {found['stack']}` and `migrate finish --stack {found['stack']}`"
    )
    return (
        f"the target was verified at {found['verified']}{stays}; {left}, without --execute, show "
        f"what is still on the old release; {back}"
    )


def _of_the_source(source: list[dict[str, Any]], ours: str, named: str) -> str:
    """What the source's own state asks for before anything else; "" for nothing."""
    for lock_ in (one["lock"] for one in source):
        if lock_ and lock_["papers"] != ours:
            return (
                f"{cloud_lock.describe(lock_)} is at work, or died: wait for it; if it is dead, "
                "the same command there goes on, and here with --take-over"
            )
    if any(one["watch"]["state"] in ("reopening", "reopened") for one in source):
        return (
            f"the source has reopened itself and serves: `migrate rollback {named}` clears up; "
            "raise sidestep:window.limitSeconds where time was short; then begin again"
        )
    return ""


def _of_the_end(seen: list[dict[str, Any]], finish: str, named: str) -> str:
    """What is left to do once there is no way back; "" while there is one."""
    if not any(markers.FINISHED in one["stages"] for one in seen) and finish != "done":
        return ""
    if finish == "done":
        return "nothing: there is no way back any more, and the old controllers may be off"
    return f"`migrate finish {named}` goes on: there is no way back any more"


def _last(remarks: list[Remark]) -> list[Remark]:
    """The last few; what was said again and again, as of a host that is away, once."""
    told: dict[tuple[str, str], Remark] = {}
    for one in reversed(remarks):
        told.setdefault((one.kind, one.text), one)
    return [*told.values()][:REMARKS][::-1]


def _verified(session: Session) -> str:
    """When the cloud that serves now was verified and all was well; "" before that."""
    try:
        proof = state_directory.recorded(session.home / FILE)
        good, at = bool(proof["good"]), float(proof["at"])
    except (OSError, ValueError, KeyError, TypeError, JournalError):
        return ""
    moved = [
        event.at
        for event in session.journal.events(Phase.CUTOVER)
        if event.step == going_live.NOTE and event.state is State.DONE
    ]
    return _clock(at) if good and moved and at > moved[-1] else ""


def _summary(states: list[State]) -> str:
    if all(state is State.DONE for state in states):
        return "done"
    if all(state in (State.PENDING, State.REVERTED) for state in states):
        return "undone" if State.REVERTED in states else "not begun"
    return "begun"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")
