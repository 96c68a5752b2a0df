"""The source on Ceph is as clouds on Ceph are: all of it on RBD, by a user for each service."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any
from xml.etree import ElementTree

import pytest

from migrate.cloud import wait
from tests.ceph.unharmed import unharmed
from tests.lab import content
from tests.lab.ceph import cluster, gateway
from tests.lab.content import from_volume, servers
from tests.lab.remote import ssh
from tests.lab.settings import CephLab

pytestmark = pytest.mark.in_set("lab-ceph")
KEPT = ("active", "deactivated")  # images with data
REBOOTED, LONGEST_GAP = 300, 10.0  # seconds


def rbd(lab: CephLab, user: str, *argv: str) -> Any:
    return json.loads(ssh(lab, lab.client, "rbd", "--id", user, "--format", "json", *argv))


def parent(lab: CephLab, user: str, image: str) -> str:
    """What *image* was cloned from, "" for none."""
    found = rbd(lab, user, "info", image).get("parent")
    return f"{found['pool']}/{found['image']}@{found['snapshot']}" if found else ""


@pytest.fixture(scope="module")
def tiny(admin: Any) -> str:
    """The snapshot of the image that boots: what is made of it is a clone of that."""
    return f"images/{admin.image.find_image('tiny').id}@snap"


def test_every_image_is_there_with_its_protected_snapshot(lab: CephLab, admin: Any) -> None:
    images = {one.id for one in admin.image.images() if one.status in KEPT}
    assert set(rbd(lab, "glance", "ls", "images")) == images
    for one in images:
        (snapshot,) = rbd(lab, "glance", "snap", "ls", f"images/{one}")
        assert (snapshot["name"], str(snapshot["protected"]).lower()) == ("snap", "true")


def test_every_volume_is_there(lab: CephLab, admin: Any, tiny: str) -> None:
    volumes = {one.name: one for one in admin.block_storage.volumes(all_projects=True)}
    found = set(rbd(lab, "cinder", "ls", "volumes")) - {"live"}
    assert found == {f"volume-{one.id}" for one in volumes.values()}
    assert volumes["attached"].status == "in-use"
    for name in ("from image", f"root of {from_volume.NAME}"):
        assert parent(lab, "cinder", f"volumes/volume-{volumes[name].id}") == tiny
    (snapshot,) = admin.block_storage.snapshots(all_projects=True)
    of = f"volumes/volume-{volumes['snapped'].id}"
    there = [one["name"] for one in rbd(lab, "cinder", "snap", "ls", of)]
    assert there == [f"snapshot-{snapshot.id}"]


def test_servers_disks_are_clones_of_their_image(lab: CephLab, tiny: str) -> None:
    made = {name: one["id"] for name, one in content.told(lab)["servers"].items()}
    made.pop(from_volume.NAME)  # its disk is its volume
    disks = rbd(lab, "nova", "ls", "vms")
    assert set(disks) == {f"{one}_disk" for one in made.values()}
    assert {parent(lab, "nova", f"vms/{one}") for one in disks} == {tiny}


def test_qemu_itself_is_the_client_with_the_key_of_each_service(lab: CephLab) -> None:
    seen = set()
    for name in lab.computes:
        for domain in ssh(lab, name, "virsh -q list --name").split():
            document = ElementTree.fromstring(ssh(lab, name, f"virsh dumpxml {domain}"))
            for disk in document.iterfind("devices/disk"):
                source = told(disk, "source")
                assert source["protocol"] == "rbd"
                user = told(disk, "auth")["username"]
                assert told(disk, "secret") == {"type": "ceph", "uuid": lab.secret(user)}
                seen.add((source["name"].partition("/")[0], user))
    assert seen == {("vms", "nova"), ("volumes", "cinder")}


def told(disk: ElementTree.Element, name: str) -> dict[str, str]:
    """What the one element *name* anywhere in *disk* says of itself."""
    (found,) = disk.iter(name)
    return found.attrib


def test_the_tenants_objects_are_what_was_put(lab: CephLab) -> None:
    put = {name: gateway.content(name) for name in gateway.SIZES}
    assert gateway.checksums(tenant(lab)) == {n: sha256(one).hexdigest() for n, one in put.items()}


def tenant(lab: CephLab) -> Any:
    return gateway.client(lab, lab.monitor, gateway.login(lab, lab.monitor))


def test_a_writer_goes_on_and_nothing_else_changes(lab: CephLab, admin: Any) -> None:
    before, snapshots = cluster.checksums(lab), cluster.snapshots(lab)
    assert {one.partition("/")[0] for one in before} == set(cluster.USERS)
    written = [told for name, told in before.items() if not name.startswith("images/")]
    assert len(set(written)) == len(written)  # each has noise of its own
    changed = [name for name, told in snapshots.items() if before[name.split("@")[0]] != told]
    assert [name.partition("/")[0] for name in changed] == ["volumes"]
    with unharmed(lab, LONGEST_GAP):
        reboot(lab, admin, "on-lan")
    assert cluster.checksums(lab) == before
    assert cluster.snapshots(lab) == snapshots


def reboot(lab: CephLab, admin: Any, name: str) -> None:
    """Have the server *name* made anew by nova and QEMU, until it answers."""
    told = content.told(lab)["servers"][name]
    admin.compute.reboot_server(told["id"], "HARD")
    wait.until(lambda: _runs(admin, told["id"]), REBOOTED, f"{name} does not come up again")
    servers.wait_for_ping(name, told["fixed"])


def _runs(admin: Any, id_: str) -> bool:
    now = admin.compute.get_server(id_)
    return now.status == "ACTIVE" and now.task_state is None
