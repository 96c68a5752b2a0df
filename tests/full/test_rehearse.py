"""The upgrade of all services in a clone, and their APIs on it, beside a lab that serves.

A load writes meanwhile: what it changes on the source is no difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.database import clone
from migrate.onhost import shadow
from migrate.phases.session import context_of
from migrate.services import kinds
from tests.full.test_pass import STACK, migrate, succeeds
from tests.lab import cloud, load
from tests.lab.demo import remove_cut_off, stand_up
from tests.lab.settings import lab as this_lab
from tests.readme import commands, run

pytestmark = [pytest.mark.lab, pytest.mark.in_set("rehearse-lab"), pytest.mark.in_order]
APIS = ["keystone", "glance-api", "placement-api", "nova-api", "neutron-api", "cinder-api"]


@pytest.fixture(scope="module")
def context() -> Iterator[Context]:
    """The lab's source under load, and a target beside it that follows; afterwards neither."""
    remove_cut_off(this_lab())
    stand_up(this_lab())
    run(commands("over")[:3])
    load.start(this_lab())
    try:
        succeeds("follow", "--execute")
        yield context_of(STACK)
        load.stop(this_lab())
        run(commands("back"))
    finally:
        cloud.down(this_lab())


def gone(context: Context) -> None:
    """Nothing is left of clone and services."""
    target = context.target.database
    assert not clone.left(target)
    assert not target.exists(shadow.FOLDER)
    assert not target.exists(f"/run/netns/{shadow.SPACE}")
    assert shadow.PREFIX not in target.run("systemctl", "list-units", "--all", "--plain")


def told(shadowed: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [
        (view["name"], one["type"], one["id"], one["field"])
        for view in shadowed["views"]
        for one in view["differences"]
    ]


def test_six_apis_answer_on_the_clone_as_the_source_does(context: Context) -> None:
    ended = migrate("rehearse", "--execute", "--json")
    assert ended.returncode == 0, ended.stderr[-3000:]
    found = json.loads(ended.stdout)["shadow"]
    print(ended.stderr[-6000:])
    assert found["apis"] == APIS
    assert told(found) == []
    admin = found["views"][0]["kinds"]
    asked = {one.type for one in kinds() if one.service != "orchestration"}
    assert asked - set(admin) <= {"backup", "trust", "volume-group", "own-keypair", "segment"}
    for type_ in ("server", "port", "volume", "image", "user", "resource-provider", "flavor"):
        assert admin[type_] > 0, type_
    assert len(found["views"]) > 1
    assert (found["dead"], found["left"], found["left_to"]) == ([], 0, [])
    assert {"cinder-volume", "neutron-l3-agent", "heat-engine"} <= set(found["never"])
    gone(context)


@contextmanager
def policy(context: Context, text: str) -> Iterator[None]:
    """Nova's policies on the target, for a while."""
    target, path = context.target.tools, "/etc/nova/policy.yaml"
    was = target.read(path) if target.exists(path) else None
    target.write(path, text, mode=0o644)
    try:
        yield
    finally:
        if was is None:
            target.run("rm", path)
        else:
            target.write(path, was, owner="root:nova")


def test_a_policy_that_lets_users_see_more_or_less_is_told(context: Context) -> None:
    text = '"os_compute_api:servers:detail": "!"\n"os_compute_api:os-services:list": "@"\n'
    with policy(context, text):
        ended = migrate("rehearse", "--execute", "--json")
    assert ended.returncode == 3, ended.stderr[-3000:]
    found = told(json.loads(ended.stdout)["shadow"])
    assert ("admin", "server", "*", "") in found
    users = {view for view, *_ in found} - {"admin"}
    assert users
    assert {(view, "compute-service", "*", "") for view in users} <= set(found)
    assert {type_ for _, type_, *_ in found} <= {"server", "compute-service"}
    gone(context)
