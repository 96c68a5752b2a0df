"""Users moved, resized, made and connected servers on the target, and the cloud goes back.

No disk is open twice, what is on disks is what it was, each server that the source knows runs where
the source has it, and what is stopped or lost is named before and after.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from migrate.cloud import wait
from migrate.cloud.settings import home
from migrate.onhost import call
from migrate.phases.session import context_of
from tests.full.test_pass import STACK, losses
from tests.lab import cloud, content, demo, identity
from tests.lab.content.servers import BOOTED, wait_for_ping
from tests.lab.settings import lab as this_lab
from tests.settle import disks, migrations
from tests.settle.conftest import clear
from tests.settle.hosts import host
from tests.settle.test_drain import MICROVERSION, Booted, answering, ask, remove
from tests.settle.test_drain import cloud as admin
from tests.settle.test_failures import boot_again

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("homecoming")]
VIRSH = ("virsh", "-c", "qemu:///system")
NEW, VOLUME, FLAVOR = "made on the target", "since", "t.grown"
HOME, AWAY = "cmp1", "cmp2"
MIB = 96  # of memory, as the source's flavor has it


@dataclass(frozen=True, slots=True)
class Known:
    """Servers that the source has on cmp1, and what is on disks before anybody moves."""

    moves: Booted  # is live-migrated
    grows: Booted  # is resized, and its user confirms it
    tries: Booted  # is resized, and nobody confirms it
    content: dict[str, str]  # digests of their own disks by server
    volumes: dict[str, str]  # by file

    @property
    def servers(self) -> tuple[Booted, ...]:
        return self.moves, self.grows, self.tries


@dataclass(frozen=True, slots=True)
class Since:
    """A server of the target alone, with its port, and a volume attached to `inside`."""

    server: str
    port: str
    volume: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """How the source is again, before anything of ours is removed."""

    code: int
    runs: dict[str, dict[str, Any]]  # as `running`
    nova: dict[str, str]  # hosts by server
    neutron: dict[str, list[str]]  # hosts of its ports by server
    plugged: dict[str, list[str]]  # by host
    attached: str
    held: disks.Holders
    content: dict[str, str]
    volumes: dict[str, str]
    memory: dict[str, int]  # MiB after a hard reboot by the source
    watch: disks.Watch


@pytest.fixture(scope="module", autouse=True)
def over() -> Iterator[Known]:
    """The cloud on the target, with servers that the source has known before."""
    lab = this_lab()
    demo.remove_cut_off(lab)
    try:
        demo.stand_up(lab)
        known = make()
        demo.over(lab)
        migrations.make(lab)
        yield known
    finally:
        if not os.environ.get("SIDESTEP_KEEP_LAB"):
            clear()


def make() -> Known:
    nova = admin().compute
    flavor = nova.create_flavor(name=FLAVOR, ram=2 * MIB, vcpus=1, disk=2)
    nova.create_flavor_extra_specs(flavor, {"hw_rng:allowed": "True"})
    asked = [ask(name, HOME, "tiny") for name in ("moves", "grows", "tries")]
    moves, grows, tries = servers = [answering(one) for one in asked]
    for one in asked:
        nova.stop_server(one)
    for number, one in enumerate(asked):
        nova.wait_for_server(nova.get_server(one), status="SHUTOFF", wait=BOOTED)
        disks.write(host(HOME), one, 0x61 + number)
        nova.start_server(one)
    for server in servers:
        nova.wait_for_server(nova.get_server(server.id), wait=BOOTED)
        wait_for_ping(server.id, server.address)
    disks.mark(attached())
    before = {one: disks.digest(host(HOME), one) for one in asked}
    assert len(set(before.values())) == len(asked)
    return Known(moves, grows, tries, before, disks.volumes())


def attached() -> str:
    """Id of the volume that `on-lan` has."""
    return str(admin().block_storage.find_volume("attached", ignore_missing=False).id)


def running() -> dict[str, dict[str, Any]]:
    """By compute host, what runs there: `{"cmp1": {"6f…": {"volumes": [...], ...}}}`."""
    hosts = context_of(STACK).source.computes
    return {host.name: call(host, "domains.running")["domains"] for host in hosts}


def places(runs: dict[str, dict[str, Any]], server: str) -> list[str]:
    return [host for host, servers in runs.items() if server in servers]


def whys(found: dict[str, Any]) -> dict[str, str]:
    """By id, why going back stops servers; the load's own come and go."""
    named = [one for one in found["servers"] if not one["name"].startswith("load-")]
    return {one["id"]: one["why"] for one in named}


def act(server: Booted, body: dict[str, Any]) -> None:
    where = f"/servers/{server.id}/action"
    asked = admin().compute.post(where, json=body, microversion=MICROVERSION)
    assert asked.status_code in (202, 204), asked.text


def rests(server: Booted, status: str) -> None:
    """Return once *server* is at rest on the other host with that *status*."""
    nova = admin().compute

    def there() -> bool:
        now = nova.get_server(server.id)
        assert now.status != "ERROR", now.fault
        return (now.compute_host, now.status, now.task_state) == (AWAY, status, None)

    wait.until(there, BOOTED, f"{server.id} is not {status} on {AWAY}", 2)


def grow(server: Booted) -> None:
    act(server, {"resize": {"flavorRef": admin().compute.find_flavor(FLAVOR).id}})
    rests(server, "VERIFY_RESIZE")


@pytest.fixture(scope="module")
def user(over: Known) -> Any:
    return identity.connect(this_lab(), "demo", "demo")


@pytest.fixture(scope="module")
def inside() -> str:
    return str(content.told(this_lab())["servers"]["inside"]["id"])


@pytest.fixture(scope="module")
def since(over: Known, user: Any, inside: str) -> Since:
    """All that users do on the target."""
    act(over.moves, {"os-migrateLive": {"host": AWAY, "block_migration": "auto"}})
    rests(over.moves, "ACTIVE")
    grow(over.grows)
    act(over.grows, {"confirmResize": None})
    rests(over.grows, "ACTIVE")
    grow(over.tries)
    image, flavor = user.image.find_image("tiny"), user.compute.find_flavor("t.tiny")
    server = user.compute.create_server(
        name=NEW,
        image_id=image.id,
        flavor_id=flavor.id,
        networks=[{"uuid": user.network.find_network("inner").id}],
    )
    volume = user.block_storage.create_volume(name=VOLUME, size=1)
    user.block_storage.wait_for_status(volume, "available", ["error"], interval=1, wait=240)
    user.compute.create_volume_attachment(inside, volume_id=volume.id)
    user.block_storage.wait_for_status(volume, "in-use", ["error"], interval=1, wait=240)
    user.compute.wait_for_server(server, wait=400)
    (port,) = user.network.ports(device_id=server.id)
    return Since(server.id, port.id, volume.id)


def test_they_are_named_before_anything_is_done(over: Known, since: Since, inside: str) -> None:
    found = losses()
    told = whys(found)
    print(json.dumps(found["servers"], indent=1))
    moved = dict.fromkeys([one.id for one in over.servers], "moved")
    assert told == {since.server: "new", inside: "attached", **moved}
    lost = {one["id"]: one["what"].partition(":")[0] for one in found["data"]}
    assert [lost[one.id] for one in over.servers] == ["moved", "resized", "resized"]
    assert lost[since.server] == "made since"
    runs = running()
    assert [places(runs, one.id) for one in over.servers] == [[AWAY]] * 3
    assert len(places(runs, since.server)) == 1
    held = disks.holders()
    assert [len(held[disks.of_volume(one)]) for one in (attached(), since.volume)] == [1, 1]
    assert disks.twice(held) == {}


@pytest.fixture(scope="module")
def back(over: Known, since: Since) -> Back:
    """The way back, and how the source is then; what we made is removed before its own proof."""
    found: dict[str, Any] = {}
    with disks.watching() as watch:
        code = demo.back(this_lab(), lambda: found.update(look(over, since)))
    return Back(code=code, watch=watch, **found)


def look(over: Known, since: Since) -> dict[str, Any]:
    assert cloud.is_healthy(this_lab(), cloud.HEARD_SECONDS)
    nova, neutron = admin().compute, admin().network
    known = [one.id for one in over.servers]
    known += [one["id"] for one in content.told(this_lab())["servers"].values()]
    hosts = context_of(STACK).source.computes
    ports = {one: list(neutron.ports(device_id=one)) for one in (*known, since.server)}
    found: dict[str, Any] = {
        "runs": running(),
        "nova": {one: nova.get_server(one).compute_host for one in known},
        "neutron": {one: [port.binding_host_id for port in of] for one, of in ports.items()},
        "plugged": {
            host.name: host.run("ovs-vsctl", "list-ports", "br-int").split() for host in hosts
        },
        "attached": attached(),
        "held": disks.holders(),
        "volumes": disks.volumes(),
    }
    print(json.dumps({key: found[key] for key in ("runs", "nova", "neutron")}, indent=1))
    for one in over.servers:
        boot_again(one.id)  # by the source, from what lies at home
        wait_for_ping(one.id, one.address)
    found["content"] = {one.id: disks.digest(host(HOME), one.id) for one in over.servers}
    found["memory"] = {one.id: memory(one.id) for one in over.servers}
    for one in over.servers:
        remove(one.id)
    nova.delete_flavor(nova.find_flavor(FLAVOR))
    forget(since.server)
    migrations.remove(this_lab())
    return found


def memory(server: str) -> int:
    told = dict(
        line.split(":", maxsplit=1)
        for line in host(HOME).run(*VIRSH, "dominfo", server).splitlines()
        if ":" in line
    )
    return int(told["Max memory"].split()[0]) // 1024


def forget(server: str) -> None:
    """What stays of it on its host is as told: off, with its disk; the lab has it as before."""
    for one in context_of(STACK).source.computes:
        known = one.run(*VIRSH, "list", "--all", "--uuid").split()
        if server in known:
            assert one.run(*VIRSH, "domstate", server).strip() == "shut off"
            one.run(*VIRSH, "undefine", "--nvram", server)


def test_the_source_is_as_it_was(back: Back) -> None:
    assert back.code == 0


def test_each_runs_once_where_the_source_has_it_and_the_new_one_nowhere(
    over: Known, since: Since, back: Back
) -> None:
    assert {one.id: back.nova[one.id] for one in over.servers} == dict.fromkeys(
        (one.id for one in over.servers), HOME
    )
    for server, at in back.nova.items():
        assert places(back.runs, server) == [at], server
        assert back.neutron[server] == [at], server
    assert places(back.runs, since.server) == []


def test_what_was_attached_is_detached_and_what_was_made_is_unplugged(
    since: Since, back: Back, inside: str
) -> None:
    (at,) = places(back.runs, inside)
    assert back.runs[at][inside]["volumes"] == []
    assert back.neutron[since.server] == []
    assert not [one for one, ports in back.plugged.items() if f"tap{since.port[:11]}" in ports]
    assert disks.of_volume(since.volume) not in back.held


def test_no_disk_was_open_twice(back: Back) -> None:
    print(f"{back.watch.looks} looks on the way back")
    assert back.watch.looks > 20
    assert back.watch.twice == {}
    assert len(back.held[disks.of_volume(back.attached)]) == 1
    assert disks.twice(back.held) == {}


def test_what_is_on_disks_is_what_it_was(over: Known, back: Back) -> None:
    assert back.content == over.content
    assert {one: back.volumes.get(one) for one in over.volumes} == over.volumes


def test_the_source_gives_one_that_was_resized_its_own_size_again(back: Back) -> None:
    assert set(back.memory.values()) == {MIB}


def test_what_was_stopped_or_lost_is_kept_by_name(
    over: Known, since: Since, back: Back, inside: str
) -> None:
    *_, last = sorted(home(STACK).glob("losses-*.json"))
    found = json.loads(last.read_text())
    assert whys(found) == {since.server: "new", inside: "attached"}
    lost = {one["id"]: one["what"].partition(":")[0] for one in found["data"]}
    assert lost[over.grows.id] == "resized"
    assert lost[since.server] == "made since"
    assert not {over.moves.id, over.tries.id} & lost.keys()
