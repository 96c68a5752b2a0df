"""The lab on Ceph, for this folder; with SIDESTEP_KEEP_LAB=1 it is left, and used again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.infra.engine import REPOSITORY, Project
from tests.lab import cloud, identity, settings, stack
from tests.lab.settings import CephLab


@pytest.fixture(scope="package")
def lab() -> Iterator[CephLab]:
    """The cloud with its content, and the cluster beneath."""
    this = CephLab(home=settings.lab().home)
    cloud.stand_up(this)
    yield this
    if not os.environ.get("SIDESTEP_KEEP_LAB"):
        cloud.down(this)  # which fails where anything is left


@pytest.fixture(scope="module")
def project(lab: CephLab, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The stack of the lab on Ceph as a client of its cluster, whose daemons stay as they are."""
    return _of(tmp_path_factory, stack_of(lab) | {"ceph": {"clients": True}})


@pytest.fixture(scope="module")
def whole_project(lab: CephLab, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same with the cluster's daemons, as the stack's file has them."""
    return _of(tmp_path_factory, stack_of(lab))


def stack_of(lab: CephLab) -> dict[str, Any]:
    """What the stack's file says, by keys without a prefix."""
    file = REPOSITORY / f"stacks/Pulumi.{stack.name(lab)}.yaml"
    stands = yaml.safe_load(file.read_text())["config"]
    return {name.removeprefix("sidestep:"): one for name, one in stands.items()}


def _of(folders: pytest.TempPathFactory, config: dict[str, Any]) -> Project:
    return Project(folders.mktemp("over") / "project", config)


@pytest.fixture(scope="package")
def admin(lab: CephLab) -> Any:
    """The administrator's connection."""
    return identity.connect(lab)
