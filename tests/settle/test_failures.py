"""What goes wrong while a compute host of the lab comes over: named, nothing lost, and gone on.

Each test breaks one thing, sees what is said and how the host stands, mends it, and gives the same
command again. In a lab that stands after `python -m tests.lab.demo over`, by hand:

    python -c "from tests.settle import test_failures as t; t.by_hand()"          all of them
    python -c "from tests.settle import test_failures as t; t.by_hand('cut')"     one
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest
from openstack.exceptions import ConflictException

from infra import nspawn
from migrate.cloud import wait
from migrate.computes.service import REASON
from tests.full.test_pass import migrate, succeeds
from tests.lab import cloud, identity, load
from tests.lab.content.servers import BOOTED, wait_for_ping
from tests.lab.settings import lab as this_lab
from tests.settle import migrations
from tests.settle.hosts import (
    BACK,
    SETTLE,
    begun,
    decided,
    each_test,
    host,
    lost,
    old,
    row,
    wait_until_old,
)
from tests.settle.test_drain import booted, until_on_its_way
from tests.settle.test_in_place import mortal

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("settle-failures")]
BOTH = {"cmp1", "cmp2"}
BROKEN = (
    "/run/systemd/system/nova-compute.service.d",
    "/run/systemd/system/nova-compute.service.d/broken.conf",
)
IDENTITY = "/var/lib/nova/compute_id"


@pytest.fixture(scope="module", autouse=True)
def _movable(over: None) -> None:
    migrations.make(this_lab())


def fails(code: int, *words: str) -> None:
    """The same command ends with *code*, and says each of *words*."""
    ended = migrate(*SETTLE)
    told = " ".join((ended.stdout + ended.stderr).split())
    assert ended.returncode == code, told
    assert not [one for one in words if one not in told], told


def goes_on() -> None:
    """What was broken is mended: the same command brings the host over; then it goes back."""
    succeeds(*SETTLE)
    assert old() == {"cmp2"}
    assert row("cmp1").status == "enabled"
    goes_back()


def goes_back() -> None:
    succeeds(*BACK)
    wait_until_old(BOTH)
    assert row("cmp1").status == "enabled"


def untouched() -> None:
    assert old() == BOTH
    assert row("cmp1").status == "enabled"


def running_on(name: str) -> list[str]:
    """Ids of servers."""
    every = identity.connect(this_lab()).compute.servers(all_projects=True)
    return [one.id for one in every if (one.compute_host, one.status) == (name, "ACTIVE")]


def boot_again(server: str) -> None:
    """As an operator does whose host has died, until it runs: nova starts no server by itself.

    Once is not always enough: what nova notes while its host comes back may undo the first boot.
    """
    nova = identity.connect(this_lab()).compute
    told = list[str]()

    def runs() -> bool:
        found = nova.get_server(server)
        now = f"{found.status} {found.task_state} {(found.fault or {}).get('message', '')}"
        if now not in told[-1:]:
            told.append(now)
        if found.task_state:
            return False
        if found.status == "ACTIVE" and "booted" in told:
            return True
        with suppress(ConflictException):  # nova has just seen that it is off, and notes that
            nova.reboot_server(server, "HARD")
            told.append("booted")
        return False

    try:
        wait.until(runs, BOOTED, f"{server} does not run again", 2)
    finally:
        print(f"{server}: {'; '.join(told)}")


def clear_away(server: str) -> None:
    """As an operator does: what a migration that its host's death cut off has left where it led.

    How much that is hangs on how far it was: nothing, a second binding of its port, a folder.
    """
    neutron = identity.connect(this_lab(), "neutron", "service").network
    for port in neutron.ports(device_id=server):
        where = f"/ports/{port.id}/bindings"
        for one in neutron.get(where).json()["bindings"]:
            if one["status"] == "INACTIVE":
                print(f"neutron kept a binding for {one['host']}")
                assert neutron.delete(f"{where}/{one['host']}").status_code == 204
    host("cmp2").shell(f"rm -rf /var/lib/nova/instances/{server}")


def test_without_its_identity_nothing_is_begun() -> None:
    """The release's nova-compute refuses to start without it."""
    here = host("cmp1")
    here.shell(f"mv {IDENTITY} {IDENTITY}.away")
    try:
        fails(3, "cmp1", IDENTITY)
        untouched()
    finally:
        here.shell(f"mv {IDENTITY}.away {IDENTITY}")


def test_an_environment_that_cannot_be_brought() -> None:
    """A file system with no room for it: the host is as it was, and open."""
    here = host("cmp1")
    here.shell("mkdir -p /opt/openstack && mount -t tmpfs -o size=50m tmpfs /opt/openstack")
    try:
        fails(3, "cmp1", "/opt/openstack")
        untouched()
    finally:
        here.shell("umount /opt/openstack")


def test_a_new_program_that_does_not_come_up_and_then_does() -> None:
    here, began = host("cmp1"), time.time()
    here.shell(
        f"mkdir -p {BROKEN[0]}; printf '[Service]\\nExecStartPre=/bin/false\\n' >{BROKEN[1]}"
    )
    try:
        fails(4, "cmp1", "nova-compute")
        assert row("cmp1").disabled_reason == REASON
    finally:
        here.shell(f"rm {BROKEN[1]}; systemctl daemon-reload")
    assert lost(began) == {}
    goes_on()


def test_the_network_to_the_new_controller_is_cut_between_two_steps(tmp_path: Path) -> None:
    for _ in range(20):  # killed at each boundary: until its exchange is about to begin
        assert mortal(tmp_path, *SETTLE).returncode == -9
        if "cmp1.renew begun" in (tmp_path / "died").read_text():
            break
    here, lab = host("cmp1"), this_lab()
    cut = [f"blackhole {one}" for one in (lab.addresses[lab.target], lab.vip)]
    here.shell("".join(f"ip route add {one};" for one in cut))
    try:
        fails(4, "cmp1")
        assert row("cmp1").disabled_reason == REASON
    finally:
        here.shell("".join(f"ip route del {one};" for one in cut))
    goes_on()


def test_a_live_migration_that_takes_too_long() -> None:
    """Its time is over before it is: aborted, alive where it is, and the host as it was."""
    with booted("live") as server:
        with decided(timeoutSeconds=10):
            fails(4, "cmp1", "after 10 s")
        wait.until(lambda: server.now.status == "ACTIVE", 120, "it is still on its way")
        wait_for_ping("live", server.address)
        untouched()


def test_a_host_that_dies_while_a_server_leaves_it() -> None:
    """It is named; once it was booted, and its servers were, the same command goes on."""
    machine = cloud.compute(this_lab(), "cmp1")
    with booted("live") as server:
        ran = running_on("cmp1")
        assert server.id in ran
        child = begun()
        until_on_its_way(server, child)
        nspawn.stop(machine, seconds=0)
        said = " ".join(child.communicate(timeout=1500)[0].split())
        assert child.returncode == 4, said
        assert "cmp1" in said
        nspawn.start(machine)
        nspawn.wait_for_ssh(machine)
        wait.until(lambda: row("cmp1").state == "up", 300, "nova does not hear cmp1")
        assert server.now.compute_host == "cmp1"  # it is known still
        migrations.make(this_lab())  # the share has to be there before who uses it
        for one in ran:
            boot_again(one)
        clear_away(server.id)
        for address in (server.address, *load.addresses(this_lab())):
            wait_for_ping(f"at {address}", address)
        goes_on()
        assert (server.now.compute_host, server.now.status) == ("cmp1", "ACTIVE")


def by_hand(*words: str) -> None:
    """The tests whose names have one of *words*, all by default, in a lab that stands."""
    migrations.make(this_lab())
    each_test(globals(), words)
