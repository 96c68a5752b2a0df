"""No password of the cloud was shown by anything during the pass: the last tests of it."""

from __future__ import annotations

import pytest

from migrate.cloud.settings import home
from tests import canaries
from tests.full.watch import STACK, Watch

pytestmark = pytest.mark.lab


def test_no_process_showed_one(watched: Watch) -> None:
    seen = watched.end()
    assert seen["seconds"] > 120, "no pass was made: run the tests of this folder together"
    assert seen["samples"] > 2000
    assert seen["processes"] > 3000
    names = {watched.lab.controller, watched.lab.target, *watched.lab.computes}
    assert names <= set(seen["machines"])
    # nova's own online migrations get a cell's URL by the environment, which nova alone may read
    owners = {one[2] for one in seen["found"] if one[0] == "environment"}
    assert owners <= {"0", "64060"}
    assert [one for one in seen["found"] if one[0] == "arguments"] == []


def test_no_host_of_the_source_lets_one_out(watched: Watch) -> None:
    for host in watched.hosts():
        assert watched.let_out(host) - watched.before[host.name] == set(), host.name


def test_nor_does_the_operators_machine(watched: Watch) -> None:
    assert watched.here() == set()
    # the tokens from before are kept until they are tried, and so marked
    assert canaries.among(home(STACK), watched.words, passed=("tokens-before.json",)) == []
    assert watched.pulumi() == []
