"""The lab on Ceph: what its services are told, as the program reads it; and which lab is meant."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path

import pytest

from infra.nspawn import access
from migrate.cloud import settings as decided
from migrate.cloud.values import Values
from migrate.configuration import service_options
from migrate.errors import MigrateError, SettingsError
from migrate.services import chosen
from migrate.storage.rbd import ceph_conf, clients
from migrate.storage.rbd.client import Client, of
from tests.lab import cloud, configuration, on_ceph, reinstall, settings, stack
from tests.lab.ceph import cluster
from tests.lab.ceph import reinstall as osd_host
from tests.lab.ceph.settings import RIG
from tests.lab.settings import CephLab, Lab

LAB = CephLab()
FILES = {"glance": "glance/glance-api.conf", "cinder": "cinder/cinder.conf"}
POOLS = (cluster.FILES / "pools.sh").read_text()


@pytest.mark.parametrize(("service", "pool"), [("glance", "images"), ("cinder", "volumes")])
def test_the_program_finds_a_client_of_its_own_for_each_service(service: str, pool: str) -> None:
    text = configuration.rendered(LAB, LAB.controller, f"controller/etc/{FILES[service]}")
    (recipe,) = chosen([service])
    storage = recipe.storage
    assert storage is not None
    found = list(storage.backends(service_options.parsed({FILES[service]: text})))
    assert [(one.name, clients.on_rbd(storage.keeps, one)) for one in found] == [("rbd1", True)]
    client = of(found[0], clients.NAMES[storage.keeps])
    assert client == Client("/etc/ceph/ceph.conf", service, pool, "ceph")
    assert cluster.USERS[client.pool] == client.user
    assert on_ceph.CONTROLLER[client.user] == recipe.user


def test_nova_and_cinder_name_the_secrets_that_libvirt_is_given() -> None:
    options = {}
    for name, template in (
        (LAB.computes[0], "compute/etc/nova/nova.conf"),
        (LAB.controller, "controller/etc/cinder/cinder.conf"),
    ):
        options[name] = Values({template: configuration.rendered(LAB, name, template)})
    nova, cinder = options.values()
    assert nova.get("libvirt", "images_type") == "rbd"
    assert nova.get("DEFAULT", "force_raw_images") == "true"
    assert nova.get("libvirt", "images_rbd_pool") == "vms"
    assert nova.get("libvirt", "rbd_user") == cluster.USERS["vms"]
    named = {
        nova.get("libvirt", "rbd_user"): nova.get("libvirt", "rbd_secret_uuid"),
        cinder.get("rbd1", "rbd_user"): cinder.get("rbd1", "rbd_secret_uuid"),
    }
    assert named == {user: LAB.secret(user) for user in on_ceph.SECRETS}


def test_librados_looks_for_a_key_where_it_is_put() -> None:
    text = cluster.configuration(LAB)
    assert ceph_conf.get(text, "client.glance", "fsid") == LAB.fsid
    first, *_ = ceph_conf.keyrings(text, "client.glance", "ceph")
    assert first == cluster.keyring("glance")


def test_every_user_is_made() -> None:
    made = set(re.findall(r"(?m)^user (\S+)", POOLS))
    assert {*cluster.USERS.values(), *on_ceph.CONTROLLER, *on_ceph.COMPUTE} == made


def test_the_usual_lab_knows_nothing_of_it() -> None:
    usual = Lab()
    for path in sorted(configuration.FILES.rglob("*")):
        tree = path.relative_to(configuration.FILES).parts[0]
        if path.is_file() and tree in ("common", "controller", "compute"):
            name = usual.computes[0] if tree == "compute" else usual.controller
            text = configuration.rendered(usual, name, str(path.relative_to(configuration.FILES)))
            assert not re.search("ceph|rbd", text), path
    assert usual.addresses == {n: a for n, a in LAB.addresses.items() if n in usual.addresses}


def test_its_stack_is_the_labs_with_the_cluster_beside() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(Path(stack.__file__).parents[2])
        usual, own = (decided.load(stack.name(one)) for one in (Lab(), LAB))
    added = {"ceph": own.ceph, "machine": own.machine}
    assert own == usual.model_copy(update=added)
    assert {one.name: str(one.address) for one in own.ceph.hosts} == {
        name: LAB.addresses[name] for name in (LAB.monitor, *LAB.osd_hosts)
    }
    assert own.ceph.monitors == own.ceph.gateways == (LAB.monitor,)
    assert own.ceph.osd_hosts == LAB.osd_hosts
    without = {name: one for name, one in usual.machine.items() if name != "binds"}  # of NFS
    assert own.machine == {**without, "hosts": LAB.hosts}


def test_every_host_that_its_stack_lets_be_made_anew_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[str] = []
    monkeypatch.setattr(osd_host, "make", lambda _, name, **__: made.append(name))
    monkeypatch.chdir(Path(stack.__file__).parents[2])
    (listed := tmp_path / "list").write_text(
        json.dumps({"back": False, "knownHosts": str(tmp_path / "fresh")})
    )
    lab = CephLab(home=tmp_path)
    access.known_hosts(lab.home).touch()
    for name in decided.load(stack.name(lab)).ceph.osd_hosts:
        reinstall.make(lab, name, listed)
    assert made == list(lab.osd_hosts)
    with pytest.raises(SettingsError, match="no compute host"):
        reinstall.make(lab, lab.monitor, listed)


def test_its_machines_stand_beside_all_others() -> None:
    assert set(LAB.addresses).isdisjoint(RIG.addresses)
    addresses = [ipaddress.ip_address(one) for one in LAB.hosts.values()]
    assert len(set(addresses)) == len(addresses)
    assert all(int(one) & 255 < 100 for one in addresses)  # from there on guests have theirs
    assert LAB.fsid != RIG.fsid


def test_the_lab_that_stands_is_meant_until_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDESTEP_LAB", str(tmp_path))
    monkeypatch.setenv("SIDESTEP_STORAGE", "")
    assert settings.lab() == Lab(home=tmp_path)
    monkeypatch.setenv("SIDESTEP_STORAGE", "ceph")
    assert settings.lab() == CephLab(home=tmp_path)
    monkeypatch.delenv("SIDESTEP_STORAGE")
    (tmp_path / settings.NOTE).write_text("ceph")
    assert settings.lab() == CephLab(home=tmp_path)
    monkeypatch.setenv("SIDESTEP_STORAGE", "zfs")
    with pytest.raises(SettingsError, match="STORAGE=zfs"):
        settings.lab()


@pytest.mark.parametrize(("stands", "wanted"), [(Lab, CephLab), (CephLab, Lab)])
def test_a_lab_of_another_kind_is_nobodys_to_remove(
    tmp_path: Path, stands: type[Lab], wanted: type[Lab]
) -> None:
    cloud.refuse_another(wanted(home=tmp_path))
    (tmp_path / "machines/ctl-old").mkdir(parents=True)
    if stands.storage:
        (tmp_path / settings.NOTE).write_text(stands.storage)
    cloud.refuse_another(stands(home=tmp_path))
    with pytest.raises(MigrateError, match="make lab-down"):
        cloud.refuse_another(wanted(home=tmp_path))
