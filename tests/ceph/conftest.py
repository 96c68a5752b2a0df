"""The Ceph rig, as new for each module; after this folder nothing of it is on this host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest

from infra.nspawn import access
from migrate.cloud.admission import Run
from migrate.cloud.host import Host, SshHost
from tests.lab.ceph import whole
from tests.lab.ceph.settings import RIG, CephRig


class Reach(Protocol):
    """How tests get at a machine, with the mark of a run or without."""

    def __call__(self, name: str, run: Run | None = None) -> Host: ...


@pytest.fixture(scope="package")
def _gone_afterwards() -> Iterator[None]:
    yield
    whole.down(RIG)


@pytest.fixture(scope="module")
def rig(_gone_afterwards: None) -> CephRig:
    """An old cluster that is well, with content, and a machine of the new release.

    It is the one of the module before, unless that has spoiled it.
    """
    whole.up(RIG)
    return RIG


@pytest.fixture(scope="module")
def reach(rig: CephRig) -> Reach:
    """A machine of the rig by its name, as the program reaches it."""

    def host(name: str, run: Run | None = None) -> Host:
        return SshHost(
            name,
            rig.addresses[name],
            user="operator",
            key=access.key(rig.home),
            known_hosts=access.known_hosts(rig.home),
            run=run,
        )

    return host


@pytest.fixture(scope="module")
def old(rig: CephRig, reach: Reach) -> Host:
    """The machine of the old monitor."""
    return reach(rig.monitor)


@pytest.fixture(scope="module")
def new(rig: CephRig, reach: Reach) -> Host:
    """The machine of the new release."""
    return reach(rig.target)
