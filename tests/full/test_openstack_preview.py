"""The openstack provider against a real cloud, the lab's own: what it makes, and what it hides."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.engine import STACK, Project
from tests.lab import cloud
from tests.lab.settings import lab

pytestmark = [pytest.mark.lab, pytest.mark.in_set("lab-checks")]

# a resource's components are targets of their own; without them Pulumi refuses it
COMPONENTS = ("**Controllers::target", "**Controller::reh-1")
SHARED = ("**Gate::gate", "**Provider::cloud", "**SecGroup::*", "**SecGroupRule::*")
MADE = (*COMPONENTS, *SHARED, "**ServerGroup::*", "**HostKey::*", "**Port::*")


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Project]:
    """A stack whose controllers are servers of the lab's cloud; what it made goes at the end."""
    this = lab()
    cloud.stand_up(this)
    (tmp_path / "key.pub").write_text("ssh-ed25519 AAAA operator\n")
    clouds = str(this.home / "clouds.yaml")
    old = {"name": "ctl-old", "address": f"{this.prefix}.11"}
    project = Project(
        tmp_path / "project",
        {
            "provider": "openstack",
            "source": {
                "release": "2025.1",
                "controllers": [old],
                "virtualIps": [{"address": f"{this.prefix}.180", "interface": "ens3"}],
            },
            "target": {
                "release": "2026.1",
                "controllers": [{"name": "reh-1", "address": f"{this.prefix}.181"}],
            },
            "ssh": {
                "user": "operator",
                "key": str(tmp_path / "key"),
                "knownHosts": str(tmp_path / "known_hosts"),
            },
            "cloud": {"name": "lab-admin", "file": clouds},
            "machine": {
                "cloud": "lab-admin",
                "cloudsFile": clouds,
                "network": "lan",
                "subnet": "lan-v4",
                "image": "tiny",
                "flavor": "t.tiny",
                "volumeGigabytes": 1,
                "affinity": "soft-anti-affinity",
                "ownVirtualIps": True,
            },
        },
    )
    yield project
    project.pulumi("destroy", "--yes", "--skip-preview")


def password() -> str:
    document = yaml.safe_load((lab().home / "clouds.yaml").read_text())
    return str(document["clouds"]["lab-admin"]["auth"]["password"])


def admin() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import openstack

        file = str(lab().home / "clouds.yaml")
        config = openstack.config.OpenStackConfig(config_files=[file], load_envvars=False)
        return openstack.connection.Connection(config=config.get_one(cloud="lab-admin"))


@pytest.mark.filterwarnings("ignore:Support for InfluxDB")
def test_a_real_cloud_is_asked_and_secrets_stay_secret(rehearsal: Project, tmp_path: Path) -> None:
    shown = rehearsal.pulumi("preview", "--diff")
    for made in ("instance:Instance::reh-1", "volumeAttach:VolumeAttach::", "port:Port::virtual"):
        assert made in shown, made
    targets = [part for target in MADE for part in ("--target", target)]
    rehearsal.up(*targets)
    (port,) = admin().network.ports(name="reh-1")
    assert [pair["ip_address"] for pair in port.allowed_address_pairs] == [f"{lab().prefix}.180"]
    assert port.fixed_ips[0]["ip_address"] == f"{lab().prefix}.181"
    # the login and the server's host key: nowhere in the clear but where they are needed
    told = shown + rehearsal.pulumi("stack", "output", "--stack", STACK) + rehearsal.state()
    for secret in (password(), "OPENSSH PRIVATE KEY"):
        assert secret not in told
    assert '"ciphertext"' in rehearsal.state()
    assert (tmp_path / "known_hosts").read_text().startswith(f"{lab().prefix}.181 ssh-ed25519 ")
