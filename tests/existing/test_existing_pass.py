"""One whole pass on machines that stand already: over by the commands, back by `pulumi destroy`.

The source has keystone and glance, the target is Debian as it came from the rack. Afterwards both
are what they were. The order of the tests is the order of the night.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from migrate.cloud.host import Host
from migrate.onhost import call
from tests.infra.engine import STACK, Project
from tests.lab import cloud, identity, traces
from tests.lab.rig import Rig, stack, using
from tests.lab.rig import rig as this_rig

pytestmark = [pytest.mark.rig, pytest.mark.in_set("existing"), pytest.mark.in_order]

# what an administrator would find: packages, accounts, files, kernel settings, listeners, units
LOOK = r"""
dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' | sort
getent passwd | sort; getent group | sort
find /etc /opt /home /root /srv /usr/local /usr/sbin /var/cache/apt/archives /var/lib /var/log \
  -xdev \
  \( -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/systemd -o -path /var/log/apt \
     -o -path /etc/ssl/certs \) -prune -o ! -name '*-' ! -name ld.so.cache \
  ! -path '/var/log/*.log' -printf '%p %y %m %u:%g\n' | sort
cat /proc/sys/net/ipv4/ip_nonlocal_bind /proc/sys/net/ipv4/conf/all/arp_{ignore,announce}
ip -br -4 address; nft list tables 2>/dev/null || true
ss -Hltn | awk '{print $4}' | sort
systemctl list-unit-files --no-legend --state=enabled,disabled,masked | sort
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Two machines and a project, and how both machines were before anybody came."""

    source: Host
    target: Host
    project: Project
    traces: dict[str, Any]
    look: list[str]
    boots: list[str]


def boots(*hosts: Host) -> list[str]:
    """When each machine was started: a reboot shows."""
    return [host.read("/proc/1/stat").split()[21] for host in hosts]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The source as new, and a target with ssh and nothing else."""
    with using(tmp_path_factory.mktemp("papers"), bare=True) as made:
        yield made


@pytest.fixture(scope="module")
def site(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Site:
    source, target = rig.context.source.controllers[0], rig.context.target.controllers[0]
    target.run("apt-get", "-y", "-q", "update", timeout=120)
    target.run("apt-get", "-y", "-q", "install", "socat", timeout=120)  # the operator's own
    config = {name.removeprefix("sidestep:"): one for name, one in stack(this_rig()).items()}
    return Site(
        source,
        target,
        Project(tmp_path_factory.mktemp("existing") / "project", config),
        traces.look([source]),
        target.shell(LOOK).splitlines(),
        boots(source, target),
    )


def holder(site: Site) -> list[str]:
    """Who carries the virtual IP for everybody to see."""
    address = this_rig().vip
    return [
        host.name
        for host in (site.source, site.target)
        if call(host, "virtual_ip.addresses", [address])
    ]


def images() -> list[str]:
    """What a user of the cloud sees through the virtual IP."""
    return sorted(one.name for one in identity.connect(this_rig(), "demo", "demo").image.images())


def test_up_installs_what_is_missing_once(site: Site) -> None:
    site.project.up()
    assert site.project.changes() == {}
    assert site.target.succeeds(
        "/opt/openstack/2026.1/bin/keystone-manage", "--version", timeout=300
    )


def test_over(site: Site) -> None:
    before = images()
    assert "ready:" in site.project.migrate("check")
    site.project.migrate("follow", "--execute")
    assert holder(site) == [site.source.name]
    assert "The target serves." in site.project.migrate("cutover", "--execute", "--confirm", STACK)
    assert holder(site) == [site.target.name]
    assert images() == before


def test_the_target_serves_all_that_was_there(site: Site) -> None:
    assert "0 differ" in site.project.migrate("verify")
    assert "migrate rollback" in site.project.migrate("status")
    assert site.target.succeeds("systemctl", "is-active", "-q", "keystone", "glance-api")
    assert not site.source.succeeds("systemctl", "is-active", "-q", "keystone")


def test_the_cloud_that_serves_is_not_destroyed_by_mistake(site: Site) -> None:
    said = site.project.refused("destroy", "--yes", "--skip-preview")
    assert f"MIGRATE_GO_BACK={STACK} pulumi destroy" in said
    assert holder(site) == [site.target.name]


def test_destroy_goes_back_and_leaves_both_machines_as_they_were(site: Site) -> None:
    site.project.go_back()
    assert holder(site) == [site.source.name]
    assert cloud.silent_apis(this_rig()) == []
    assert images() == ["Näme with 'quotes'", "large", "queued", "small"]
    assert traces.differences(site.traces, traces.look([site.source])) == []
    look = site.target.shell(LOOK).splitlines()
    assert sorted(set(look) ^ set(site.look)) == []
    assert look == site.look
    assert site.target.succeeds("socat", "-V")
    assert boots(site.source, site.target) == site.boots
    assert site.project.urns() == []
