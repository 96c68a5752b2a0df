"""What the program declares, for each provider, by Pulumi's mocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.cloud_init import user_data
from infra.controllers import Controllers
from infra.providers import login
from infra.resources.parts import NEEDS
from migrate.cloud.settings import Ceph, parse
from migrate.errors import SettingsError, UnreachableError
from tests.infra.recorder import Deployment, deploy, inputs

PARTS = sorted(kind.__name__ for kind in NEEDS)
SERVER = "openstack:compute/instance:Instance"
PORT = "openstack:networking/port:Port"
MACHINE: dict[str, dict[str, Any]] = {
    "existing": {},
    "lab": {"home": "/lab", "bridge": {"name": "br-x", "address": "10.0.0.1/24"}},
    "openstack": {
        "cloud": "infra",
        "network": "net",
        "subnet": "sub",
        "image": "debian",
        "flavor": "big",
        "ownVirtualIps": True,
    },
}


@pytest.fixture(autouse=True)
def clouds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project of its own, a key, and a cloud that needs no network to log in to."""
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "key.pub").write_text("ssh-ed25519 AAAA operator\n")
    monkeypatch.chdir(tmp_path)
    given = {"auth_url": "http://keystone", "user_name": "admin", "password": "PASSWORD"}
    monkeypatch.setattr(login, "arguments", lambda _cloud, _file: given)


def settings(provider: str, root: Path, **machine: Any) -> Any:
    return parse(
        {
            "provider": provider,
            "source": {
                "release": "2025.1",
                "controllers": [{"name": "old", "address": "10.0.0.11"}],
                "virtualIps": [{"address": "10.0.0.10", "interface": "eth0"}],
            },
            "target": {
                "release": "2026.1",
                "controllers": [
                    {"name": "new-1", "address": "10.0.0.12"},
                    {"name": "new-2", "address": "10.0.0.13"},
                ],
            },
            "ssh": {"user": "operator", "key": "key", "knownHosts": "known"},
            "cloud": {"name": "old"},
            "machine": {**MACHINE[provider], **machine},
        },
        "the test's file",
        root,
    )


def run(provider: str, root: Path, **machine: Any) -> Deployment:
    chosen = settings(provider, root, **machine)
    return deploy(lambda: Controllers("target", chosen))


@pytest.mark.parametrize("provider", MACHINE)
def test_every_controller_has_every_part_whoever_made_the_machine(
    provider: str, tmp_path: Path
) -> None:
    found = run(provider, tmp_path)
    for part in PARTS:
        assert sorted(found.of(part)) == [f"new-1-{part.lower()}", f"new-2-{part.lower()}"]
    database = inputs(found.of("Database")["new-2-database"])
    assert database["machine"]["address"] == "10.0.0.13"
    assert database["machine"]["identity"] == "identity of new-2"
    assert database["running"] is True


def test_a_client_of_ceph_is_made_where_the_stack_asks_for_one(tmp_path: Path) -> None:
    assert not run("existing", tmp_path).of("Ceph")
    chosen = settings("existing", tmp_path)
    asked = chosen.model_copy(update={"ceph": Ceph(clients=True)})
    found = deploy(lambda: Controllers("target", asked))
    made = found.of("Ceph")
    assert sorted(made) == ["new-1-ceph", "new-2-ceph"]
    assert "new-1-release" in found.needs(made["new-1-ceph"])  # whose modules it links
    assert "new-1-ceph" in found.needs(found.one("Takeover"))


@pytest.mark.parametrize("provider", MACHINE)
def test_nothing_comes_before_the_gate_and_the_takeover_comes_last(
    provider: str, tmp_path: Path
) -> None:
    found = run(provider, tmp_path)
    ours = {
        name: one
        for (typ, name), one in found.requests.items()
        if one.custom and name != "gate" and not typ.startswith("pulumi:providers:")
    }
    assert ours
    for name, request in ours.items():
        assert "gate" in found.needs(request), name
    last = found.needs(found.one("Takeover"))
    servers_and_parts = {
        name
        for name, one in ours.items()
        if one.type.startswith("pulumi-python") or one.type == SERVER
    }
    assert servers_and_parts - last == {"takeover"}


@pytest.mark.parametrize("provider", MACHINE)
def test_what_is_inside_goes_with_a_machine_of_ours_and_is_removed_from_another(
    provider: str, tmp_path: Path
) -> None:
    found = run(provider, tmp_path)
    gone_with = {one.deletedWith for part in PARTS for one in found.of(part).values()}
    if provider == "existing":
        assert gone_with == {""}
    else:
        assert len(gone_with) == 2
        assert "" not in gone_with
    # these must refuse also when the machine goes
    for kind in ("Gate", "Guard", "Takeover"):
        assert {one.deletedWith for one in found.of(kind).values()} == {""}


def test_servers_may_answer_for_the_virtual_ip_and_keep_what_nova_would_empty(
    tmp_path: Path,
) -> None:
    found = run("openstack", tmp_path)
    ports = {name: inputs(one) for name, one in found.of(PORT).items()}
    assert ports["new-1"]["fixedIps"] == [{"subnetId": "the sub", "ipAddress": "10.0.0.12"}]
    assert ports["new-1"]["allowedAddressPairs"] == [{"ipAddress": "10.0.0.10"}]
    assert ports["virtual-ip-0"]["fixedIps"][0]["ipAddress"] == "10.0.0.10"
    for server in found.of(SERVER).values():
        assert set(server.ignoreChanges) == {"imageId", "userData"}
        assert inputs(server)["schedulerHints"] == [{"group": "apart-id"}]
    group = found.one("openstack:compute/serverGroup:ServerGroup")
    assert inputs(group)["policies"] == "anti-affinity"


def test_a_port_that_the_source_has_is_never_ours(tmp_path: Path) -> None:
    found = run("openstack", tmp_path, ownVirtualIps=False)
    assert sorted(found.of(PORT)) == ["new-1", "new-2"]


def test_the_host_key_reaches_the_server_only_as_a_secret(tmp_path: Path) -> None:
    found = run("openstack", tmp_path)
    for server in found.of(SERVER).values():
        wrapped = inputs(server)["userData"]
        assert isinstance(wrapped, dict), "user data must be wrapped as a secret"
        assert "PRIVATE HALF" in json.dumps(wrapped)
    for name, one in found.requests.items():
        if "PRIVATE HALF" in json.dumps(inputs(one)):
            assert name[0] == SERVER


def test_user_data_lets_the_operator_in_and_mounts_the_database_by_its_volume() -> None:
    text = user_data(
        name="new-1",
        user="operator",
        authorised="ssh-ed25519 AAAA operator",
        host_key=("PRIVATE", "PUBLIC"),
        volume="0123456789012345678901234567890123456789",
    )
    first, _, rest = text.partition("\n")
    config = json.loads(rest)
    assert first == "#cloud-config"
    assert config["ssh_keys"] == {"ed25519_private": "PRIVATE", "ed25519_public": "PUBLIC"}
    assert config["users"][0]["ssh_authorized_keys"] == ["ssh-ed25519 AAAA operator"]
    (line,) = config["write_files"][0]["content"].splitlines()
    assert line.startswith("/dev/disk/by-id/virtio-01234567890123456789 /var/lib/mysql ext4 ")


def test_two_openstack_problems_are_told_together(tmp_path: Path) -> None:
    chosen = settings("openstack", tmp_path, volumeGigabytes=0, affinity="near")
    with pytest.raises(SettingsError) as told:
        deploy(lambda: Controllers("target", chosen))
    assert "sidestep:machine.volumeGigabytes" in str(told.value)
    assert "sidestep:machine.affinity" in str(told.value)


@pytest.mark.filterwarnings("ignore:Support for InfluxDB")
def test_a_cloud_that_does_not_answer_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    file = tmp_path / "clouds.yaml"
    auth = {"auth_url": "http://127.0.0.1:9/v3", "username": "u", "password": "PASSWORD"}
    file.write_text(json.dumps({"clouds": {"infra": {"auth": auth}}}))
    with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:9/v3: the cloud that makes"):
        login.arguments("infra", file)
    with pytest.raises(SettingsError, match=r"sidestep:machine\.cloud"):
        login.arguments("other", file)
