"""`migrate status`: where a stack stands, by its journal and its lock. Contacts no machine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from migrate import lock
from migrate.journal import State
from migrate.plan import Phase
from migrate.session import Session


def status(session: Session, held: str | None = None) -> dict[str, Any]:
    """How each phase stands and what comes next; *held* spares asking who holds the lock.

    `{"stack": "lab", "held_by": "", "phases": {"follow": "done", "cutover": "begun"},
    "unfinished": ["vip.takeover"], "failed": {"gate.drain": "..."}, "next": "migrate ..."}`
    """
    phases: dict[str, str] = {}
    unfinished: list[str] = []
    for phase in Phase:
        steps = [step.id for step in session.plan if step.phase is phase]
        if not steps:
            continue
        states = [session.journal.state(step) for step in steps]
        phases[phase] = _word(states)
        unfinished += [s for s, state in zip(steps, states, strict=True) if state is State.STARTED]
    failed = {
        event.step: f"{_clock(event.at)} {event.note}"
        for event in session.journal.events()
        if event.state is State.FAILED and session.journal.state(event.step) is State.FAILED
    }
    held = lock.holder(session.home) if held is None else held
    return {
        "stack": session.context.stack,
        "held_by": held,
        "phases": phases,
        "unfinished": unfinished,
        "failed": failed,
        "next": _next(session.context.stack, phases, bool(failed or unfinished), bool(held)),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """*found* of `status`, for people."""
    told = [f"stack {found['stack']}: " + ", ".join(f"{p} {w}" for p, w in found["phases"].items())]
    if found["held_by"]:
        told.append(f"at work: {found['held_by']}")
    told += [f"begun and not ended: {step}" for step in found["unfinished"]]
    told += [f"failed: {step}: {note}" for step, note in found["failed"].items()]
    return [*told, f"next: {found['next']}"]


def _word(states: list[State]) -> str:
    if all(state is State.DONE for state in states):
        return "done"
    if all(state in (State.PENDING, State.REVERTED) for state in states):
        return "undone" if State.REVERTED in states else "not begun"
    return "begun"


def _next(stack: str, phases: dict[str, str], broken: bool, held: bool) -> str:
    named = f"--stack {stack} --execute"
    if held:
        return "wait for the run that is at work"
    if phases.get("cutover") == "done":
        return f"`migrate verify --stack {stack}`; the way back is `migrate rollback {named}`"
    if phases.get("cutover") == "begun":
        return f"`migrate cutover {named}` goes on, `migrate rollback {named}` goes back"
    if phases.get("follow") == "done":
        return f"`migrate cutover {named}`"
    again = "the same command again goes on; " if broken else ""
    return f"{again}`migrate check --stack {stack}`, then `migrate follow {named}`"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")
