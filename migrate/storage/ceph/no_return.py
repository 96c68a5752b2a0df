"""Whether the old monitors were removed for good: said by the hosts themselves, on both sides."""

from __future__ import annotations

from contextlib import suppress

from migrate.cloud.host import Host
from migrate.errors import IrreversibleError, UnreachableError
from migrate.onhost import call

NOTE = "ceph-committed"  # on the machines of new monitors, noted before anything is removed


def refuse(old: Host, new: Host) -> None:
    """IrreversibleError where the removal has begun; who does not answer leaves it to the other."""
    removed: list[str] = []
    with suppress(UnreachableError):
        removed = (call(new, "record.load", NOTE) or {}).get("removed", [])
    with suppress(UnreachableError):
        removed = removed or [*filter(None, [call(old, "retired.noted").get("monitor")])]
    if removed:
        raise IrreversibleError(
            f"there is no way back: the old monitors ({', '.join(removed)}) were removed by name, "
            "and what has been written since is in no store of theirs; nothing overrides that"
        )
