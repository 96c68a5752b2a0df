"""The old monitors leave for good beneath the cloud; hosts with OSDs and all else follow; finish.

Every server is told of the new monitors before. There is no way back from it: who comes next has
the lab built anew.
"""

from __future__ import annotations

from typing import Any

import pytest

from migrate.cloud import Context, wait
from migrate.phases.session import context_of
from migrate.storage.ceph import facts
from tests.ceph.clean import wait_until_clean
from tests.ceph.unharmed import unharmed
from tests.infra.engine import STACK, Project
from tests.lab import cloud, content
from tests.lab.ceph import cluster, gateway
from tests.lab.content import servers
from tests.lab.settings import CephLab
from tests.on_ceph.test_source import reboot, tenant
from tests.settle import bridge, migrations

pytestmark = [pytest.mark.lab, pytest.mark.in_set("lab-ceph-commit"), pytest.mark.in_order]
LONGEST_GAP = 30.0  # seconds; clients look for another monitor, OSDs stop and start
MOVED = 300
AGENT_DOWN_SECONDS = 240.0  # neutron hears an agent that was stopped for a minute and more
OLD, NEW = 16, 18


@pytest.fixture(scope="module")
def before(lab: CephLab) -> tuple[dict[str, str], dict[str, str]]:
    """What is in each image, and in each object of the tenant."""
    return cluster.checksums(lab), gateway.checksums(tenant(lab))


@pytest.fixture(scope="module")
def over(lab: CephLab, before: object, whole_project: Project) -> Project:
    """The target serves; both sides' monitors are in the quorum."""
    cloud.spoil(lab)
    whole_project.up()
    whole_project.migrate("follow", "--execute")
    whole_project.migrate("cutover", "--execute", "--confirm", STACK)
    whole_project.migrate("verify")
    return whole_project


@pytest.fixture(scope="module")
def context(over: Project) -> Context:
    return context_of(STACK, over.root)


def now(lab: CephLab, context: Context) -> facts.Cluster:
    """The cluster by the new monitor's word."""
    return facts.read(context.named(lab.target))


def plain(said: str) -> str:
    """Without the ends of lines."""
    return " ".join(said.split())


def move(admin: Any, id_: str) -> None:
    """Let the server go to another host as it runs: its volumes' monitors are asked anew."""
    left = admin.compute.get_server(id_).compute_host
    admin.compute.live_migrate_server(id_, block_migration="auto")

    def there() -> bool:
        found = admin.compute.get_server(id_)
        return found.compute_host != left and found.status == "ACTIVE" and found.task_state is None

    wait.until(there, MOVED, f"server {id_} does not leave {left}")


def test_servers_are_told_of_the_new_monitors(lab: CephLab, over: Project, admin: Any) -> None:
    migrations.make(lab)
    with unharmed(lab, LONGEST_GAP):
        for name, told in content.told(lab)["servers"].items():
            if admin.compute.get_server(told["id"]).attached_volumes:
                move(admin, told["id"])
            reboot(lab, admin, name)
    assert "ready:" in over.migrate("settle", "--ceph")


def test_the_old_monitors_leave_by_name(
    lab: CephLab, over: Project, context: Context, before: tuple[dict[str, str], dict[str, str]]
) -> None:
    asked = ("settle", "--ceph", "--execute")
    with unharmed(lab, LONGEST_GAP):
        assert f"--past {lab.monitor}" in plain(over.migrate(*asked, ends=5))
        over.migrate(*asked, "--past", lab.monitor)
    found = now(lab, context)
    assert found.quorum == {lab.target}
    assert (found.manager, found.require_osd_release) == (lab.target, "pacific")
    alone = gateway.client(lab, lab.target, gateway.login(lab, lab.target))
    assert gateway.checksums(alone) == before[1]
    said = over.refused("destroy", "--yes", "--skip-preview", go_back=STACK)
    assert "removed by name" in plain(said)


def test_servers_start_by_the_new_monitors_alone(lab: CephLab, over: Project, admin: Any) -> None:
    with unharmed(lab, LONGEST_GAP):
        for name in content.told(lab)["servers"]:
            reboot(lab, admin, name)


def test_hosts_with_osds_come_over_one_by_one(
    lab: CephLab, over: Project, context: Context, before: tuple[dict[str, str], dict[str, str]]
) -> None:
    done = set()
    for name in lab.osd_hosts:
        with unharmed(lab, LONGEST_GAP):
            said = over.migrate("settle", "--ceph", "--host", name, "--past", name, "--execute")
        assert "bytes were written meanwhile" in said
        print(said)
        done.add(name)
        osds = now(lab, context).osds
        assert {one.host for one in osds if one.version[0] == NEW} == done
        assert {one.host for one in osds if one.version[0] == OLD} == {*lab.osd_hosts} - done
        wait_until_clean(context.named(lab.target))
    sums = cluster.checksums(lab)
    assert {name: sums.get(name) for name in before[0]} == before[0]


def test_compute_hosts_and_agents_come_over(lab: CephLab, over: Project) -> None:
    *others, last = lab.computes
    bridge.make(lab)
    settle = ("settle", "--execute", "--canary", "0", "--host")
    with unharmed(lab, LONGEST_GAP):
        for name in others:
            over.migrate(*settle, name)
        over.migrate(*settle, last, "--past", last)
        over.migrate("settle", "--agents", "--execute")
    for name, told in content.told(lab)["servers"].items():
        servers.wait_for_ping(name, told["fixed"])


def forbids(project: Project) -> str:
    """What is said of why it cannot be finished yet; nothing where it can."""
    status, said = project.ended("finish")
    return said if status else ""


def test_it_is_finished_and_the_cluster_is_of_the_new_release_alone(
    lab: CephLab, over: Project, context: Context, before: tuple[dict[str, str], dict[str, str]]
) -> None:
    over.migrate("accept", "--execute")
    assert wait.while_any(lambda: forbids(over), AGENT_DOWN_SECONDS, pause=5) == ""
    with unharmed(lab, LONGEST_GAP):
        print(over.migrate("finish", "--execute", "--past", "finish.mark"))
    found = now(lab, context)
    assert found.require_osd_release == "reef"
    assert {one.version[0] for one in found.osds} == {NEW}
    wait_until_clean(context.named(lab.target))
    sums = cluster.checksums(lab)
    assert {name: sums.get(name) for name in before[0]} == before[0]
    alone = gateway.client(lab, lab.target, gateway.login(lab, lab.target))
    assert gateway.checksums(alone) == before[1]
    for name, told in content.told(lab)["servers"].items():
        servers.wait_for_ping(name, told["fixed"])
