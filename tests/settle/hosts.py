"""Compute hosts of the lab as nova has them, and the pings that servers lost."""

from __future__ import annotations

import time
from typing import Any

from migrate.computes import versions
from migrate.phases.session import context_of
from tests.full.test_pass import STACK
from tests.lab import identity, load, outages
from tests.lab.settings import lab as this_lab


def host(name: str) -> Any:
    return next(one for one in context_of(STACK).source.computes if one.name == name)


def old() -> set[str]:
    """Names of those whose nova-compute is of the old release."""
    return versions.read(context_of(STACK)).old


def wait_until_old(names: set[str]) -> None:
    deadline = time.monotonic() + 240
    while old() != names and time.monotonic() < deadline:
        time.sleep(2)
    assert old() == names


def row(name: str) -> Any:
    admin = identity.connect(this_lab())
    (found,) = admin.compute.services(binary="nova-compute", host=name)
    return found


def lost(since: float) -> dict[str, int]:
    """Pings of the load that got no answer, by the address that was asked."""
    seen = outages.noticed(load.records(this_lab(), since))
    assert sum(one.calls for kind, one in seen.items() if kind.startswith("ping")) > 100
    return {
        kind: one.failed for kind, one in seen.items() if kind.startswith("ping") and one.failed
    }
