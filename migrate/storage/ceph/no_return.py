"""Whether the old monitors were removed for good: said by the hosts themselves, on both sides."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from migrate.cloud.host import Host
from migrate.errors import IrreversibleError, UnreachableError
from migrate.onhost import call

NOTE = "ceph-committed"  # on the machines of new monitors, noted before anything is removed


def refuse(old: Host, new: Host) -> None:
    """IrreversibleError where the removal has begun; who does not answer leaves it to the other."""
    if found := removed([old], [new]):
        raise IrreversibleError(f"there is no way back: {message(found)}")


def removed(olds: Collection[Host], news: Collection[Host]) -> list[str]:
    """Names of the monitors whose removal has begun, by whichever of these hosts answers."""
    for new in news:
        with suppress(UnreachableError):
            if names := (call(new, "record.load", NOTE) or {}).get("removed", []):
                return [*names]
    names = []
    for old in olds:
        with suppress(UnreachableError):
            names += filter(None, [call(old, "retired.noted").get("monitor")])
    return names


def message(names: Collection[str]) -> str:
    """Why the removal of monitors of *names* ends it."""
    return (
        f"the old monitors ({', '.join(names)}) were removed by name, and what has been written "
        "since is in no store of theirs; nothing overrides that"
    )
