"""What is known of a host while it has no system of its own: on two machines that keep it.

Either is enough, in whatever order the stack file has them. This desk knows who keeps it and how
new it is, so a machine that comes back with an older note is not believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrate.cloud import hosts
from migrate.cloud.host import Host
from migrate.engine import state_directory
from migrate.errors import PreconditionError, UnreachableError
from migrate.onhost import call

Note = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptNotes:
    """Notes of one kind, by the names of hosts.

    `prefix` begins the names of records on machines, `desk` those of files in `home`. `machines`
    may have one, so may the `dead`, by their names; `keepers` get what is new.
    """

    prefix: str
    desk: str
    home: Path
    machines: Sequence[Host]
    keepers: Sequence[Host]
    dead: frozenset[str] = frozenset()

    def read(self, name: str) -> Note:
        """The newest note of the host *name*; {} where there is none.

        UnreachableError where one that does not answer may have it.
        """
        return _known(self._last(name))

    def every(self, names: Sequence[str]) -> dict[str, Note]:
        """That of each of *names* that has one: each machine is asked once, for all."""

        def ask(one: Host) -> tuple[str, dict[str, Note]]:
            return one.name, call(one, "record.every", self.prefix)

        told = dict(hosts.living(self.machines, ask))
        if not told:
            ask(self.keepers[0])  # says that it does not answer
        found = {}
        for name in names:
            of_host = {one: notes.get(f"{self.prefix}{name}") for one, notes in told.items()}
            if any(of_host.values()) or self._desk(name).exists():
                found[name] = _known(self._newest(name, of_host))
        return {name: note for name, note in found.items() if note}

    def _last(self, name: str) -> Note:
        record = f"{self.prefix}{name}"
        told = hosts.living(self.machines, lambda one: (one.name, call(one, "record.load", record)))
        return self._newest(name, dict(told))

    def _newest(self, name: str, told: Mapping[str, Note | None]) -> Note:
        """The newest of what is *told*, by the machines that answer, or of what this desk knows."""
        newest: Note = max(filter(None, told.values()), key=_count, default={})
        here = state_directory.recorded(self._desk(name))
        if newest and _count(newest) >= _count(here):
            return newest
        every = {one.name for one in self.machines} | self.dead
        names = set(here.get("keepers", every))
        if lost := sorted(names - every):
            raise PreconditionError(
                f"{name}: what is its own is kept on {', '.join(lost)}, which is not among "
                "sidestep:target.controllers any more: name it there again, by that name"
            )
        if silent := names - told.keys():
            raise UnreachableError(
                f"{', '.join(sorted(silent))} does not answer, which may know how far {name} is",
                *silent,
            )
        return newest

    def note(self, name: str, **changed: Any) -> None:
        """Keep *changed*, beside what was noted before; who is dead has an older one then."""
        last = self._last(name)
        names = last.get("keepers") or [one.name for one in self.keepers]
        kept = {"keepers": names, **_known(last), **changed, "count": _count(last) + 1}
        self._write(name, kept)

    def _write(self, name: str, kept: Note) -> int:
        """How many of who keeps it have it now."""
        record, names = f"{self.prefix}{name}", kept["keepers"]
        state_directory.record(self._desk(name), kept)
        those = [one for one in self.machines if one.name in names]
        written = hosts.living(those, lambda one: [call(one, "record.save", record, kept)])
        if not written:
            raise UnreachableError(
                f"{', '.join(names)} does not answer, which keeps how far {name} is", *names
            )
        return len(written)

    def forget(self, name: str) -> None:
        """Nothing is known of it any more: removed, or said to be over where a keeper is dead."""
        if not (last := self._last(name)):
            return
        over = {"keepers": last.get("keepers", []), "over": True, "count": _count(last) + 1}
        record, names = f"{self.prefix}{name}", over["keepers"]
        if names and self._write(name, over) < len(names):
            return
        hosts.living(self.machines, lambda one: call(one, "record.forget", record))
        state_directory.forget(self._desk(name))

    def _desk(self, name: str) -> Path:
        return self.home / f"{self.desk}{name}.json"


def _known(note: Note) -> Note:
    return {} if note.get("over") else note


def _count(note: Mapping[str, Any]) -> int:
    return int(note.get("count", 0))
