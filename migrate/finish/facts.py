"""Records of units that run no more: which go, and which stay whatever they are called. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from migrate.cloud import Context
from migrate.computes.network.facts import short

COMPUTE = "nova-compute"
# nova's that only say who runs where; the last three are in no listing of the API
PURGED = (
    *("nova-scheduler", "nova-conductor"),
    *("nova-consoleauth", "nova-osapi_compute", "nova-metadata"),
)


@dataclass(frozen=True, slots=True, order=True)
class Record:
    """A service's record of itself."""

    host: str
    binary: str
    id: str

    def __str__(self) -> str:
        return f"{self.binary} on {self.host}"


@dataclass(frozen=True, slots=True)
class Names:
    """Short names: those of the source's controllers, and of all hosts that stay."""

    source: frozenset[str]
    staying: frozenset[str]

    @classmethod
    def of(cls, context: Context) -> Names:
        return cls(
            frozenset(short(one.name) for one in context.source.controllers),
            frozenset(short(one.name) for one in context.target.hosts),
        )

    def gone(self, host: str) -> bool:
        """Whether *host* is a controller of the source, and its name nobody else's."""
        return short(host) in self.source - self.staying


def purged(records: Iterable[Record], names: Names) -> list[Record]:
    """Those of nova's *records* that go.

    Never one of nova-compute, which takes the host's mapping and resource provider along, nor any
    of a host that has one.
    """
    every = list(records)
    computes = frozenset(short(one.host) for one in every if one.binary == COMPUTE)
    names = Names(names.source, names.staying | computes)
    return sorted(one for one in every if one.binary in PURGED and names.gone(one.host))


def strange(records: Iterable[Record], names: Names) -> list[Record]:
    """Those of the source's controllers that nobody here understands: they are left alone."""
    return sorted(one for one in records if one.binary not in PURGED and names.gone(one.host))
