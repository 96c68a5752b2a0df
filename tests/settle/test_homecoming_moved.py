"""Users moved, resized, connected and made servers on the target: what the source finds afterwards.

Those that it knows run where it has them, on the disks that it knows; a new one is off and named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import wait
from migrate.onhost import call
from migrate.phases.session import context_of
from tests.full.test_pass import STACK, losses
from tests.lab import cloud, demo, identity, load, stack
from tests.lab.content.servers import BOOTED, wait_for_ping
from tests.lab.settings import lab as this_lab
from tests.readme import commands
from tests.settle import migrations
from tests.settle.test_homecoming import VIRSH, forget

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("homecoming-moved")]
MICROVERSION = "2.90"
OPEN = r"""
import glob, os, re
result = sorted({
    os.readlink(link)
    for command in glob.glob("/proc/[0-9]*/comm")
    if open(command).read().startswith("qemu-system")
    for link in glob.glob(os.path.dirname(command) + "/fd/*")
    if re.search("/instances/[0-9a-f-]{36}/|/volume-", os.readlink(link))
})
"""


def user() -> Any:
    return identity.connect(this_lab(), "demo", "demo")


def boot(name: str) -> None:
    demo_user = user()
    made = demo_user.compute.create_server(
        name=name,
        image_id=demo_user.image.find_image("tiny").id,
        flavor_id=demo_user.compute.find_flavor("t.tiny").id,
        networks=[{"uuid": demo_user.network.find_network("lan").id}],
        security_groups=[{"name": "open"}],
    )
    demo_user.compute.wait_for_server(made, wait=BOOTED)


@pytest.fixture(scope="module", autouse=True)
def over() -> Iterator[None]:
    """As the other sets have it, with two servers more that the source knows."""
    demo.remove_cut_off(this_lab())
    cloud.stand_up(this_lab())
    for name in ("moved", "resized"):
        boot(name)
    demo.over(this_lab())
    migrations.make(this_lab())
    try:
        yield
    finally:
        cloud.down(this_lab())
        stack.forget()


def servers() -> dict[str, Any]:
    """By name; the load's own come and go."""
    admin = identity.connect(this_lab())
    every = admin.compute.servers(all_projects=True)
    return {one.name: one for one in every if not one.name.startswith("load-")}


def where() -> dict[str, tuple[str, str]]:
    return {k: (one.compute_host, one.flavor["original_name"]) for k, one in servers().items()}


def on_host(function: str) -> dict[str, Any]:
    return {host.name: call(host, function) for host in context_of(STACK).source.computes}


def volume_of(server_id: str) -> str:
    """The digest of what is on the volume that the content's server has, and nobody writes to."""
    (one,) = identity.connect(this_lab()).compute.volume_attachments(server_id)
    path: Path = this_lab().home / "volumes" / f"volume-{one.volume_id}"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rests(name: str, status: str, but: str) -> bool:
    one = servers()[name]
    return bool(one.status == status and not one.task_state and one.compute_host != but)


@pytest.fixture(scope="module")
def before(over: None) -> dict[str, Any]:
    """How the source has its servers; then users do what they do."""
    known = servers()
    found = {"where": where(), "volume": volume_of(known["on-lan"].id)}
    admin, demo_user = identity.connect(this_lab()), user()
    bigger = admin.compute.create_flavor(name="t.bigger", ram=112, vcpus=1, disk=1)
    body = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
    path = f"/servers/{known['moved'].id}/action"
    assert admin.compute.post(path, json=body, microversion=MICROVERSION).status_code == 202
    admin.compute.resize_server(known["resized"].id, bigger.id)
    for name, status in (("moved", "ACTIVE"), ("resized", "VERIFY_RESIZE")):
        away = partial(rests, name, status, known[name].compute_host)
        wait.until(away, BOOTED, f"{name} did not leave its host", 2)
    volume = demo_user.block_storage.create_volume(name="since", size=1)
    demo_user.block_storage.wait_for_status(volume, "available", ["error"], interval=1, wait=240)
    demo_user.compute.create_volume_attachment(known["inside"].id, volume_id=volume.id)
    demo_user.block_storage.wait_for_status(volume, "in-use", ["error"], interval=1, wait=240)
    boot("new")
    return found


def test_all_of_them_are_named_before_anything_is_done(before: dict[str, Any]) -> None:
    names = {one.id: name for name, one in servers().items()}
    told = {names[one["id"]]: one["why"] for one in losses()["servers"]}
    assert told == {"moved": "moved", "resized": "moved", "inside": "attached", "new": "new"}


def test_the_source_has_them_as_it_knew_them_and_no_disk_is_open_twice(
    before: dict[str, Any],
) -> None:
    new = servers()["new"].id
    for line in commands("back"):
        demo.run(line)
    load.stop(this_lab())
    ran = on_host("domains.running")
    running = {one: host for host, told in ran.items() for one in told["domains"]}
    assert new not in running
    assert where() == before["where"]
    for name, one in servers().items():
        assert (running.get(one.id), one.status) == (one.compute_host, "ACTIVE"), name
        for address in (fixed["addr"] for net in one.addresses.values() for fixed in net):
            wait_for_ping(name, address)
    opened = [set(host.python(OPEN)) for host in context_of(STACK).source.computes]
    print(json.dumps([sorted(one) for one in opened], indent=1))
    assert all(opened)
    assert opened[0] & opened[1] == set()
    assert volume_of(servers()["on-lan"].id) == before["volume"]
    for host in context_of(STACK).source.computes:  # its disk stays as it was told, until now
        if new in host.run(*VIRSH, "list", "--all", "--uuid").split():
            forget(new)


def test_nothing_else_is_left() -> None:
    """A domain that was moved is defined anew: its file in /etc/libvirt is another."""
    migrations.remove(this_lab())
    found = demo.Papers(this_lab()).compare_after()
    assert [one for one in found if "/etc/libvirt/qemu/" not in one] == []
