"""One changing command at work: what it starts on a host carries its mark, and is let in or not.

A killed `migrate` leaves its remote command running: sshd ends nothing without a terminal. So each
command is started with `MIGRATE_RUN=<id>` in its environment, by which `onhost/runs.py` finds and
ends it, and only where `/run/migrate.run` names this run. That file is how a later run shuts out an
earlier one, dead or alive, before it acts. A host without that file lets us in: the last run there
ended by itself, or the host has booted since, so nothing of any run lives there.
"""

import secrets
import threading
from dataclasses import dataclass, field

from migrate.errors import LockedError, StepError

REFUSED = 97
SIGNALLED = (137, 143)
SHUT_OUT = "migrate: this host is with another run"

# the mark is in the environment before the file is read, and the other run writes the file before
# it looks for marks: one of the two sees the other
ADMITTED = f"""
read -r run 2>/dev/null </run/migrate.run || exec "$@"
test "$run" = "$MIGRATE_RUN" && exec "$@"
echo '{SHUT_OUT}' >&2
exit {REFUSED}
"""


@dataclass(slots=True)
class Run:
    """`admitted` once the hosts know this run; `interrupted` while nothing more may begin."""

    id: str = field(default_factory=lambda: secrets.token_hex(8))
    admitted: bool = False
    interrupted: threading.Event = field(default_factory=threading.Event)
    ending: threading.Lock = field(default_factory=threading.Lock)  # held while commands are ended

    def sleep(self, seconds: float) -> None:
        """Wait, unless and until the run is interrupted: StepError then."""
        if self.interrupted.wait(seconds):
            raise StepError("interrupted")

    def command(self, host: str, argv: tuple[str, ...]) -> tuple[str, ...]:
        """*argv* as this run starts it on *host*; StepError while the run is interrupted."""
        if self.interrupted.is_set():
            raise StepError(f"{host}: interrupted")
        marked = ("env", f"MIGRATE_RUN={self.id}")
        if not self.admitted:
            return (*marked, *argv)
        return (*marked, "sh", "-c", ADMITTED, "migrate", *argv)

    def check(self, host: str, status: int, stderr: str) -> None:
        """LockedError when the host did not let the command in, StepError when we ended it."""
        if self.interrupted.is_set() and status in SIGNALLED:
            raise StepError(f"{host}: interrupted")
        if status == REFUSED and SHUT_OUT in stderr:
            raise LockedError(
                f"{host} is with another run: it has taken over, or {host} could not be reached "
                "when this command began; see `migrate status`, then the same command again"
            )
