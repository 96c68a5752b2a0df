"""Users made and connected servers on the target: none runs where the source does not have it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from migrate.onhost import call
from migrate.phases.session import context_of
from tests.full.test_pass import STACK, losses
from tests.lab import content, demo, identity
from tests.lab.settings import lab as this_lab

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("homecoming")]
VIRSH = ("virsh", "-c", "qemu:///system")
NEW, VOLUME = "made on the target", "since"


@pytest.fixture(scope="module")
def user(over: None) -> Any:
    return identity.connect(this_lab(), "demo", "demo")


@pytest.fixture(scope="module")
def made(user: Any) -> Any:
    """A server of the target alone, and a volume that is attached to one which the source has."""
    image, flavor = user.image.find_image("tiny"), user.compute.find_flavor("t.tiny")
    server = user.compute.create_server(
        name=NEW,
        image_id=image.id,
        flavor_id=flavor.id,
        networks=[{"uuid": user.network.find_network("inner").id}],
    )
    volume = user.block_storage.create_volume(name=VOLUME, size=1)
    user.block_storage.wait_for_status(volume, "available", ["error"], interval=1, wait=240)
    inside = content.told(this_lab())["servers"]["inside"]["id"]
    user.compute.create_volume_attachment(inside, volume_id=volume.id)
    user.block_storage.wait_for_status(volume, "in-use", ["error"], interval=1, wait=240)
    return user.compute.wait_for_server(server, wait=400)


def running() -> dict[str, dict[str, Any]]:
    """By compute host, what runs there: `{"cmp1": {"6f…": {"volumes": [...], ...}}}`."""
    hosts = context_of(STACK).source.computes
    return {host.name: call(host, "domains.running")["domains"] for host in hosts}


def test_they_are_named_before_anything_is_done(made: Any) -> None:
    told = {one["id"]: one for one in losses()["servers"]}
    print(json.dumps(told, indent=1))
    inside = content.told(this_lab())["servers"]["inside"]["id"]
    assert set(told) == {made.id, inside}
    assert told[made.id]["why"] == "new"
    assert told[inside]["why"] == "attached"
    assert any(made.id in servers for servers in running().values())


def test_the_source_serves_and_none_runs_that_it_has_not(made: Any) -> None:
    before = running()
    assert demo.back(this_lab(), lambda: forget(made.id)) == 0
    now = running()
    print(before, now)
    inside = content.told(this_lab())["servers"]["inside"]["id"]
    (at,) = [host for host, servers in now.items() if inside in servers]
    assert before[at][inside]["volumes"] != now[at][inside]["volumes"] == []
    assert not any(made.id in servers for servers in now.values())


def forget(server: str) -> None:
    """What stays of it on its host is as told: off, with its disk; the lab has it as before."""
    for host in context_of(STACK).source.computes:
        known = host.run(*VIRSH, "list", "--all", "--uuid").split()
        if server in known:
            assert host.run(*VIRSH, "domstate", server).strip() == "shut off"
            host.run(*VIRSH, "undefine", "--nvram", server)
