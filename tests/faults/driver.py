"""The real `migrate`, made to die by kill -9 at chosen words of its journal.

    DIE_AT='database.* begun' DIED=/tmp/died python -m tests.faults.driver cutover --execute ...

All of it is the command line's own code but two things: a rig has no Pulumi stack to preview, and
the process kills itself. A boundary is `<step> begun`, when the journal has been told and nothing
has been done, or `<step> unnoted`, when all has been done and the journal has not been told:
between one step's end in the journal and the next one's beginning nothing happens, so these two are
all that a journal can be wrong about. After the last of them comes `report begun`, when nothing is
left to do but to tell. Each is died at once: it is written to the file DIED first, and a run that
finds it there goes past it.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from pathlib import Path
from typing import Any

from migrate.cli import commands, report
from migrate.cli.report import write_report
from migrate.cloud import pulumi
from migrate.engine.journal import Journal, State
from migrate.phases import session
from migrate.phases.session import Session

DIE_AT, DIED = "DIE_AT", "DIED"
BEGAN = {State.STARTED: "begun", State.REVERTING: "back begun"}
ENDED = {State.DONE: "unnoted", State.REVERTED: "back unnoted"}
ONE = threading.Lock()


def die_once(boundary: str) -> None:
    """End this process as a power cut would, unless it has been ended here before."""
    died = Path(os.environ[DIED])
    with ONE:
        if not re.fullmatch(os.environ[DIE_AT], boundary):
            return
        if boundary in died.read_text().splitlines():
            return
        with died.open("a") as file:
            file.write(boundary + "\n")
        os.kill(os.getpid(), signal.SIGKILL)


class Mortal(Journal):
    """A journal after or before whose words the process dies."""

    def record(self, phase: str, step_id: str, state: State, note: str = "") -> None:
        if state in ENDED and note != "was done":
            die_once(f"{step_id} {ENDED[state]}")
        super().record(phase, step_id, state, note)
        if state in BEGAN:
            die_once(f"{step_id} {BEGAN[state]}")


def unreported(of: Session) -> Path:
    """The process dies when all is done and noted, and only the report is left."""
    die_once("report begun")
    return write_report(of)


def main() -> None:
    """The command line on the rig."""
    changed: Any = session
    written: Any = report
    pulumi.changes = lambda *_: []
    if os.environ.get(DIE_AT):
        changed.Journal = Mortal
        written.write_report = unreported
    commands.main()


if __name__ == "__main__":
    main()
