"""The lab on Ceph, for this folder; with SIDESTEP_KEEP_LAB=1 it is left, and used again."""

from __future__ import annotations

import os
import sys
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
    """The stack of the lab on Ceph as a client of its cluster, with what refuses that lifted.

    The cluster's own daemons stay as they are.
    """
    file = REPOSITORY / f"stacks/Pulumi.{stack.name(lab)}.yaml"
    stands = yaml.safe_load(file.read_text())["config"]
    config = {name.removeprefix("sidestep:"): one for name, one in stands.items()}
    config["ceph"] = {"clients": True}
    root = tmp_path_factory.mktemp("over") / "project"
    return Project(root, config, migrate=(sys.executable, "-m", "tests.on_ceph.shown"))


@pytest.fixture(scope="package")
def admin(lab: CephLab) -> Any:
    """The administrator's connection."""
    return identity.connect(lab)
