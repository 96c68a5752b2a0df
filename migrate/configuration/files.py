"""Read configuration from the source, write it to the target, and take it back."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from migrate.cloud.host import Host
from migrate.onhost import call


@dataclass(frozen=True, slots=True)
class File:
    """A file of the target: text, and who may read it."""

    path: str
    text: str
    mode: int
    owner: str

    @property
    def row(self) -> list[Any]:
        return [self.path, self.text, self.mode, self.owner]


def read(host: Host, patterns: Iterable[str], *, exact: bool = False) -> dict[str, str]:
    """Texts of the files of *host* that *patterns* match, by path.

    The ends of lines are Python's, or *exact*, for what is carried as it is.
    """
    return dict(call(host, "files.read", list(patterns), exact))


def in_place(host: Host, files: Iterable[File]) -> bool:
    """Whether *host* has every one of *files*, byte for byte, with owner and mode."""
    return bool(call(host, "files.in_place", [file.row for file in files]))


def write(host: Host, project: str, files: Iterable[File]) -> None:
    """Write *files*; what stood there before, and which folders are new, is recorded first.

    A file that an earlier write made and that is not among *files* any more goes.
    """
    call(host, "files.write", _note(project), [file.row for file in files])


def restore(host: Host, project: str) -> None:
    """Undo every `write` for *project*; safe to repeat, and where nothing was written."""
    call(host, "undo.undo", _note(project))


def _note(project: str) -> str:
    return f"configuration-{project}"
