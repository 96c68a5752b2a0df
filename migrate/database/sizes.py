"""What the source's databases hold, as the last check saw it: to bring them takes as long."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from migrate.cloud import Context
from migrate.engine import state_directory
from migrate.engine.plan import Step
from migrate.errors import JournalError

FILE = "sizes.json"
BRINGS = "database.first-pass"
BYTES_A_SECOND = 1.35e9 / 184  # one stream, measured once; what ran here tells its own


def keep(context: Context, databases: int) -> None:
    """Keep that the *databases* hold so many bytes; a folder that takes nothing is no error."""
    with suppress(JournalError):
        state_directory.record(context.home / FILE, {"databases": databases})


def kept(context: Context) -> int:
    """The bytes of the source's databases; 0 where nobody has looked."""
    with suppress(JournalError):
        return int(state_directory.recorded(context.home / FILE).get("databases", 0))
    return 0


def timed(steps: Iterable[Step], databases: int) -> Iterator[Step]:
    """*steps*, where what brings the *databases*' bytes a first time takes as long as they do."""
    more = round(databases / BYTES_A_SECOND, 2)
    for step in steps:
        yield replace(step, estimate=step.estimate + more) if step.id == BRINGS else step
