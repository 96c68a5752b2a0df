"""What an installer is: a way in which a compute host comes to the target's release.

A module with these names is one. Another distribution brings its own by the entry point group
`sidestep.installers`, whose name is what `--by` and `sidestep:settle.by` say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.computes.estimates import Way
from migrate.engine.finding import Finding
from migrate.engine.plan import Impact


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A step of a host; `title` says {host} where the host's name belongs.

    `revert` is called on the way back of one host, after `restore`, and on that of the whole cloud,
    without it and while users wait: it changes nothing where nothing is left to undo, and waits for
    nobody who may be dead. Where `returns` is not set it refuses once the act has begun.
    """

    name: str  # of "cmp1.renew", the part after the point
    title: str
    done: Callable[[Context, Host], bool]
    apply: Callable[[Context, Host], None]
    revert: Callable[[Context, Host], None]
    seconds: float
    impact: Impact = Impact.NONE
    returns: bool = True


def nothing(_: Context, __: Host) -> None:
    """The `revert` of an act that leaves nothing to undo."""


@runtime_checkable
class Installer(Protocol):
    """See above. Whatever it does on a host has its way back noted before, and may be repeated.

    Closing and draining the host come before `ACTS`, and its proof after them: these are the same
    for all.
    """

    WAY: Way  # whether servers run on meanwhile, or leave: the plan reckons with it
    AHEAD: tuple[Act, ...]  # while the host still serves
    ACTS: tuple[Act, ...]  # once it is closed, and who is to leave has left

    def findings(self, context: Context, those: Collection[Host]) -> list[Finding]:
        """What each of *those* hosts has against it, of all at once; changes nothing."""
        ...

    def renewed(self, context: Context, host: Host) -> bool:
        """Whether all that is to be of the target's release runs, and is."""
        ...

    def between(self, context: Context, host: Host) -> bool:
        """Whether *host* is between two systems: no server runs there, and it may not answer."""
        ...

    def restore(self, context: Context, host: Host) -> None:
        """Let *host* run the old release again, proven; nothing where it does.

        Its steps are undone after it, then servers come home.
        """
        ...
