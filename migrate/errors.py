"""Every error raised on purpose; `migrate.cli.commands` alone turns one into an exit code.

MigrateError                 something the operator can act on                exit 1
├── SettingsError            the operator's input is wrong                    exit 2
├── PreconditionError        the cloud is not ready, or a rule forbids it     exit 3
│   └── LoginError           clouds.yaml does not log in (cloud/login.py)     exit 3
├── StepError                a step failed; the run can be resumed            exit 4
│   ├── ApiError             an API does not answer as asked (cloud/api.py)   exit 4
│   └── PassedOverError      all else went back, but not hosts that are dead  exit 4
├── IrreversibleError        asked to go back past a one-way step             exit 5
├── JournalError             the journal belongs to another plan or is broken exit 6
├── LockedError              another run holds the stack                      exit 7
├── UnreachableError         a host cannot be reached                         exit 8
│   └── RefusedError         a host answers, but does not let us in           exit 8
│       └── HostKeyError     somebody else may answer in its place            exit 8
└── CommandError             a command on a host exited non-zero              exit 4
"""

from collections.abc import Iterable, Sequence


def one_line(said: object, limit: int = 300) -> str:
    """What somebody else's error or program has *said*, as it may stand in a sentence of ours."""
    text = " ".join(str(said).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def some(names: Sequence[str], most: int, separator: str = ", ") -> str:
    """The first *most* of *names*, and how many there are besides: `a, b and 3 more`."""
    more = len(names) - most
    return separator.join(names[:most]) + (f" and {more} more" if more > 0 else "")


class MigrateError(Exception):
    """Base of all errors meant for the operator: one line, what, where, and what to do."""

    exit_code = 1


class SettingsError(MigrateError):
    """The stack file or the command line is wrong; nothing was touched."""

    exit_code = 2


class PreconditionError(MigrateError):
    """A rule of the design or a check forbids what was asked; nothing was touched."""

    exit_code = 3


class StepError(MigrateError):
    """A step failed; the same command resumes, `migrate rollback` goes back."""

    exit_code = 4


class PassedOverError(StepError):
    """All else is undone, but not what stands on *hosts*, of which none answers."""

    def __init__(self, message: str, hosts: Iterable[str]) -> None:
        self.hosts = frozenset(hosts)
        super().__init__(message)


class IrreversibleError(MigrateError):
    """A step without a way back stands between here and there."""

    exit_code = 5


class JournalError(MigrateError):
    """The journal cannot be read, or records another plan."""

    exit_code = 6


class LockedError(MigrateError):
    """Somebody else is at work on this stack."""

    exit_code = 7


class UnreachableError(MigrateError):
    """Hosts do not answer, have an unknown host key, or refuse us; `hosts` are their names."""

    exit_code = 8

    def __init__(self, message: str, *hosts: str) -> None:
        self.hosts = frozenset(hosts)
        super().__init__(message)


class RefusedError(UnreachableError):
    """A host answers and does not let us in, or we do not know its key: it is not dead."""


class HostKeyError(RefusedError):
    """A host shows another ssh key than it had: it lives, or somebody pretends to be it."""


class CommandError(MigrateError):
    """*command* on *host* exited with *status*; at most 2,000 characters of stderr are told."""

    exit_code = 4

    def __init__(self, host: str, command: str, status: int, stderr: str) -> None:
        self.host, self.command, self.status, self.stderr = host, command, status, stderr
        tail = stderr.strip()[-2000:]
        what = "did not end in time" if status == 124 else f"exited {status}"
        super().__init__(f"{host}: {command} {what}{': ' + tail if tail else ''}")
