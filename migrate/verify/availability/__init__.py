"""The product's own record of the cloud's availability while it changes sides.

Two say how it was: the front's log, of every call that users made, and a client outside it. What
counts is the worse of the two; where one saw what the other did not, that is a finding. It is kept
when the command ends, for the report.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from migrate.cloud import Context
from migrate.engine import state_directory
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase
from migrate.takeover import going_live
from migrate.verify.availability import front, latency, outside
from migrate.verify.availability.judging import Source, judged

FILE = "availability.json"
BEFORE, AFTER = "before", "after"
Note = Callable[[str, str], None]


@contextmanager
def recording(
    context: Context, journal: Journal, note: Note, *, anew: bool = False
) -> Iterator[None]:
    """Bring here what the front logs for as long as the block runs, and judge it at its end.

    What fails is told by *note* and no reason for the block to fail. *anew* forgets what was.
    """
    if anew:  # else the source is closed, and every second counts
        _unless_failing(note, lambda: forget(context))
        _unless_failing(note, lambda: _sample(context, BEFORE))
    following = front.Following(context, note)
    following.start()
    try:
        yield
        _unless_failing(note, lambda: _sample(context, AFTER))
    finally:
        _unless_failing(note, following.end)
        _unless_failing(note, lambda: keep(context, journal))


def kept(home: Path) -> dict[str, Any]:
    """What `keep` wrote; {} for nothing. See `judging.judged`, and `latency` has both samples."""
    return state_directory.recorded(home / FILE)


def keep(context: Context, journal: Journal) -> None:
    """Judge what was recorded, with the window in it, and keep it for the report."""
    seen = going_live.window_of(journal)
    found = {**kept(context.home), **judge(context, window(journal), seen.end if seen else None)}
    state_directory.record(context.home / FILE, found)


def judge(
    context: Context, window: tuple[float, float] | None = None, moved: float | None = None
) -> dict[str, Any]:
    """What was recorded, judged; nothing is kept. The address has *moved* then, None for never."""
    names = {str(api.port): api.name for one in context.recipes for api in one.apis if api.types}
    logs = [Source.of_log(*one) for one in front.heard(context, names)]
    return judged(logs, Source.of_client(outside.heard(context.home)), window, moved)


def window(journal: Journal) -> tuple[float, float] | None:
    """From the first write that waits to the first that the target could serve, or to its undoing.

    None where none was begun.
    """
    events = journal.events(Phase.CUTOVER)
    closed = [e.at for e in events if e.step == going_live.CLOSE and e.state is State.STARTED]
    if not closed:
        return None
    later = [e for e in events if e.at >= closed[-1]]
    through = [e.at for e in later if e.step == going_live.POINT and e.state is State.DONE]
    undone = [e.at for e in later if e.step == going_live.CLOSE and e.state is State.REVERTED]
    return closed[-1], (through + undone + [time.time()])[0]


def _sample(context: Context, when: str) -> None:
    found, sampled = kept(context.home), latency.sample(context)
    told = {**found.get("latency", {}), when: sampled}
    state_directory.record(context.home / FILE, {**found, "latency": told})


def forget(context: Context) -> None:
    """Nothing was recorded."""
    front.forget(context)
    state_directory.forget(outside.path(context.home))
    state_directory.forget(context.home / FILE)


def _unless_failing(note: Note, act: Callable[[], None]) -> None:
    try:
        act()
    except Exception as error:  # no record is no reason to leave a cloud closed
        note("availability", f"not recorded: {error}")
