"""Live migration is tried by servers of ours: how often, what comes of it, and what is left."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from migrate.cloud import Context, login
from migrate.cloud.values import Values
from migrate.computes import draining
from migrate.computes.estimates import Way
from migrate.computes.plan import SettlePlan
from migrate.computes.probing import combinations, note, telling
from migrate.computes.probing.facts import How, Platform, Record, Seen, Shape, Tried, Trip
from migrate.computes.probing.readiness import cpu, permits, unready
from migrate.engine.cancellation import Cancellation
from migrate.engine.finding import Severity
from migrate.errors import StepError
from migrate.onhost import hypervisor
from migrate.storage.volumes import policy
from migrate.verify import boot, model, probe
from tests.unit import booting
from tests.unit.network import Killed
from tests.unit.test_settle import host, planned, server

OLD = Platform("2025.1", "10.0.2", "11.3.0", "Intel")
NEW = OLD._replace(release="2026.1")
PC, Q35 = Shape("pc-i440fx-10.0", "bios", "local file"), Shape("pc-q35-10.0", "efi", "volume rbd")


def seen(name: str, platform: Platform = OLD, *shapes: Shape, zone: str = "z", **more: str) -> Seen:
    running = {f"{name}-{number}": shape for number, shape in enumerate(shapes)}
    return Seen(name, zone, "closed" not in more, platform, running, more.get("unready", ""))


def of(*hosts: Seen, chosen: Collection[str] = ()) -> set[Trip]:
    return set(combinations.of(hosts, chosen or {one.host for one in hosts}))


@given(
    makes=some.integers(1, 4),
    shapes=some.integers(0, 3),
    each=some.integers(2, 12),
    zones=some.integers(1, 3),
)
def test_as_many_are_tried_as_there_are_combinations_and_not_hosts(
    makes: int, shapes: int, each: int, zones: int
) -> None:
    platforms = [OLD._replace(qemu=f"{number}.0") for number in range(makes)]
    used = [PC._replace(machine=f"pc-{number}") for number in range(shapes)]
    hosts = [
        seen(f"{zone}-{platform.qemu}-{number}", platform, *used, zone=f"z{zone}")
        for zone in range(zones)
        for platform in platforms
        for number in range(each)
    ]
    assert len(of(*hosts)) == makes * (makes + 1) // 2 * shapes


def test_what_no_two_hosts_show_is_not_tried() -> None:
    alone = seen("a", OLD, PC)
    assert of(alone) == set()
    assert of(alone, seen("b")) == {Trip(OLD, OLD, PC)}
    assert of(alone, seen("b", zone="elsewhere")) == set()
    assert of(alone, seen("b", unready="no key")) == set()
    assert of(alone, seen("b", closed="")) == set()
    # neither is renewed by this run
    assert of(alone, seen("b"), seen("c", NEW), chosen=["c"]) == {Trip(OLD, NEW, PC)}


def test_before_the_first_is_renewed_only_what_there_is_and_then_what_it_is_to_the_others() -> None:
    hosts = [seen("a", OLD, PC), seen("b"), seen("c")]
    record = {Trip(OLD, OLD, PC): Tried(How.WORKS)}
    assert set(combinations.untried(hosts, "abc", {})) == {Trip(OLD, OLD, PC)}
    assert not combinations.untried(hosts, "abc", record)
    canary = [replace(hosts[0], platform=NEW), *hosts[1:]]
    assert set(combinations.untried(canary, "abc", record)) == {Trip(OLD, NEW, PC)}
    expected = {Trip(one, other, PC) for one, other in ((OLD, OLD), (OLD, NEW), (NEW, NEW))}
    assert combinations.expected(hosts, ["a", "bc"], "2026.1") == expected


def test_a_host_is_refused_where_its_servers_can_go_nowhere() -> None:
    a, b, c = seen("a", OLD, PC), seen("b"), seen("c", NEW)
    record: dict[Trip, Tried] = {Trip(OLD, OLD, PC): Tried(How.FAILS, "no key")}

    def stuck(servers: Collection[str] = ("a-0",)) -> Collection[Shape]:
        return combinations.no_way([a, b, c], a, servers, record)

    assert not stuck()  # what was not tried forbids nothing
    record[Trip(OLD, NEW, PC)] = Tried(How.UNPROVEN, "no room")
    assert not stuck()
    record[Trip(OLD, NEW, PC)] = Tried(How.FAILS, "too old")
    assert combinations.no_way([a, b, c], a, ["a-0"], record) == {PC: "no key; too old"}
    assert not stuck(["another"])
    record[Trip(OLD, NEW, PC)] = Tried(How.WORKS)
    assert not stuck()


def test_with_a_volume_it_is_judged_by_what_came_of_the_same_without() -> None:
    """Where none could be made for it."""
    both = PC._replace(disks="local file, volume rbd")
    a, b = seen("a", OLD, both, Q35), seen("b")
    assert of(a, b) == {Trip(OLD, OLD, one) for one in (PC, both, Q35)}
    record = {Trip(OLD, OLD, one): Tried(How.UNPROVEN) for one in (both, Q35)}
    assert not combinations.no_way([a, b], a, ["a-0", "a-1"], record)
    record[Trip(OLD, OLD, PC)] = Tried(How.FAILS, "no key")
    assert combinations.no_way([a, b], a, ["a-0", "a-1"], record) == {both: "no key"}


def test_what_works_one_way_only_is_said_as_no_way_back() -> None:
    there = Trip(OLD, NEW, PC)
    one_way: Record = {there: Tried(How.WORKS), there.back: Tried(How.FAILS, "older QEMU")}
    (line,) = telling.lines(one_way)
    assert line.startswith(f"no way back by live migration: {there} works")
    neither: Record = {there: Tried(How.FAILS, "no key"), there.back: Tried(How.FAILS, "no key")}
    (line,) = telling.lines(neither)
    assert line.startswith("works no way")
    assert telling.lines({there: Tried(How.WORKS), there.back: Tried(How.WORKS)}) == []


class Lab:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cloud = booting.Cloud()
        self.context: Context = booting.context(folder, self.cloud, monkeypatch)
        probe.begin(self.context, ["c1"])

    def tried(self) -> dict[tuple[str, str], str]:
        """Whether what was asked of it works, by release."""
        assert not probe.all_tried(self.context)
        probe.try_all(self.context)
        assert probe.all_tried(self.context)
        assert self.cloud.left == []
        found = note.read(self.context).items()
        return {(one.source.release, one.to.release): str(came.how) for one, came in found}

    def renew(self, name: str) -> None:
        self.cloud.renewed.add(name)
        self.context.extras.clear()
        probe.begin(self.context, ["c1"])


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


def test_a_server_of_ours_goes_and_comes_back_and_is_deleted(lab: Lab) -> None:
    assert lab.tried() == {("2025.1", "2025.1"): "works"}
    assert sum(one.startswith("os-migrateLive") for one in lab.cloud.events) == 2
    assert lab.cloud.where == {"web": "c1"}
    done = len(lab.cloud.events)
    probe.try_all(lab.context)
    assert len(lab.cloud.events) == done


@pytest.mark.parametrize(
    ("walls", "there", "back"),
    [
        ((), "works", "works"),
        ([("c1", "c2"), ("c1", "c3")], "works", "fails"),
        ([("c2", "c1"), ("c3", "c1")], "fails", "works"),
        ([("c1", "c2"), ("c1", "c3"), ("c2", "c1"), ("c3", "c1")], "fails", "fails"),
    ],
)
def test_each_direction_is_tried_also_where_the_other_fails(
    lab: Lab, walls: Collection[tuple[str, str]], there: str, back: str
) -> None:
    lab.tried()
    lab.renew("c1")
    lab.cloud.walls = set(walls)
    came = lab.tried()
    assert (came["2025.1", "2026.1"], came["2026.1", "2025.1"]) == (there, back)


@pytest.mark.parametrize("what", ["full", "broken"])
def test_what_cannot_be_tried_is_unproven_and_tried_by_the_next_run(lab: Lab, what: str) -> None:
    setattr(lab.cloud, what, {"c1", "c2", "c3"})
    assert lab.tried() == {("2025.1", "2025.1"): "unproven"}
    setattr(lab.cloud, what, set())
    probe.begin(lab.context, ["c1"])
    assert lab.tried() == {("2025.1", "2025.1"): "works"}


def test_a_shape_that_no_new_server_gets_is_unproven_and_what_it_got_is_noted(lab: Lab) -> None:
    lab.cloud.shapes["web"] = {**lab.cloud.shape, "machine": "pc-i440fx-2.1"}
    lab.tried()
    came = {one.shape.machine: tried.how for one, tried in note.read(lab.context).items()}
    assert came == {"pc-i440fx-2.1": "unproven", "pc-q35-10.0": "works"}


BOTH = ["local file", "volume rbd"]


@pytest.fixture
def stored(lab: Lab) -> Lab:
    """The server that runs there has volumes of two types beside its own disk."""
    lab.cloud.shapes["web"] = {**lab.cloud.shape, "disks": BOTH}
    for id_, type_ in (("v1", "gold"), ("v2", "gold"), ("v3", "silver")):
        lab.cloud.add_volume(id_, "web", type_)
    return lab


def by_disks(lab: Lab) -> dict[str, str]:
    return {one.shape.disks: str(came.how) for one, came in note.read(lab.context).items()}


def test_a_server_goes_with_new_volumes_of_the_types_in_use_and_none_is_left(lab: Lab) -> None:
    lab.cloud.shapes["web"] = {**lab.cloud.shape, "disks": BOTH}
    lab.cloud.add_volume("v1", "web")
    lab.tried()
    assert by_disks(lab) == {"local file": "works", "local file, volume rbd": "works"}
    assert set(lab.cloud.volumes) == {"v1"}


def test_one_of_each_type_is_made(stored: Lab) -> None:
    probe.try_all(stored.context)
    assert stored.cloud.events.count("POST volumes") == 2
    assert stored.cloud.events.count("POST os-volume_attachments") == 2
    assert set(stored.cloud.volumes) == {"v1", "v2", "v3"}


def test_no_volume_is_made_where_it_could_not_be_deleted(
    stored: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "protected", lambda *_: False)
    stored.tried()
    assert by_disks(stored) == {"local file": "works", "local file, volume rbd": "unproven"}
    assert "POST volumes" not in stored.cloud.events


@pytest.fixture
def rooted(stored: Lab) -> Lab:
    """The server that runs there boots from the second of these, and has no other disk."""
    stored.cloud.boots("web", "v2")
    return stored


def whys(lab: Lab) -> str:
    (told,) = {one.why for one in note.read(lab.context).values()}
    return told


def test_one_that_boots_from_a_volume_goes_as_one_made_of_the_same_image(rooted: Lab) -> None:
    (made,) = [
        one
        for one in model.candidates(login.api(rooted.context), "c1", from_volume=True)
        if one.root == "v2"
    ]
    assert (made.image, made.size) == ("i", 3)
    rooted.tried()
    assert by_disks(rooted) == {"volume rbd": "works"}
    assert rooted.cloud.events.count("POST volumes") == 2  # gold to boot from, and silver
    assert rooted.cloud.events.count("POST os-volume_attachments") == 1
    assert set(rooted.cloud.volumes) == {"v1", "v2", "v3"}


@pytest.mark.parametrize(
    ("image", "size"),
    [
        ({"virtual_size": None}, 40),  # as large as the user's
        ({"virtual_size": None, "disk_format": "raw", "size": 2**30 + 1}, 2),
        ({"virtual_size": 5}, 1),
        ({"min_disk": 7}, 7),
    ],
)
def test_the_volume_is_as_large_as_the_image_needs(
    rooted: Lab, image: dict[str, Any], size: int
) -> None:
    rooted.cloud.image |= image
    found = model.candidates(login.api(rooted.context), "c1", from_volume=True)
    assert [one.size for one in found] == [size]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (lambda cloud: setattr(cloud, "refused", 413), "VolumeLimitExceeded"),
        (lambda cloud: setattr(cloud, "becomes", "error"), "went into error"),
        (lambda cloud: cloud.image.update(visibility="private"), "of users' own images"),
        (
            lambda cloud: cloud.image.update(status="deactivated"),
            "which image, that is still there",
        ),
        (lambda cloud: cloud.volumes["v2"].pop("volume_image_metadata"), "boot one so by hand"),
        (lambda cloud: cloud.broken.update({"c1", "c2", "c3"}), "went into ERROR"),
    ],
)
def test_what_cannot_boot_from_a_volume_is_unproven_and_nothing_of_it_is_left(
    rooted: Lab, broken: Callable[[booting.Cloud], object], why: str
) -> None:
    broken(rooted.cloud)
    rooted.tried()
    assert by_disks(rooted) == {"volume rbd": "unproven"}
    assert why in whys(rooted)
    assert set(rooted.cloud.volumes) == {"v1", "v2", "v3"}


def test_a_volume_that_an_image_is_still_copied_into_is_deleted_once_it_has_it(
    rooted: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cinder refuses it before; a copy takes longer than a deletion."""
    monkeypatch.setattr(boot, "GONE_SECONDS", 1.0)
    monkeypatch.setattr(boot, "PAUSE", 0.2)
    rooted.cloud.looks_at_copies = 10
    api = login.api(rooted.context)
    (like,) = model.candidates(api, "c1", from_volume=True)
    mine = {"name": boot.VOLUME, "metadata": {boot.NAME: boot.MARK}, "imageRef": like.image}
    api.send("POST", "volume", "/volumes", {"volume": mine})
    assert boot.sweep(rooted.context, api) == []
    assert set(rooted.cloud.volumes) == {"v1", "v2", "v3"}


def test_a_volume_that_cannot_be_deleted_is_named_and_holds_nothing_up(stored: Lab) -> None:
    ours = {"name": boot.VOLUME, "metadata": {boot.NAME: boot.MARK}, "status": "available"}
    tenant = {"os-vol-tenant-attr:tenant_id": "ours", "at": ""}
    stored.cloud.volumes["old"] = {"id": "old", **ours, **tenant}
    stored.cloud.stuck = {"old"}
    probe.try_all(stored.context)
    assert set(by_disks(stored).values()) == {"works"}
    (told,) = stored.context.extras[probe.LEFT]
    assert told.startswith("volumes old (sidestep-verify-volume) was made by us and is not gone")


def test_a_user_s_volume_of_such_a_name_stays(stored: Lab) -> None:
    stored.cloud.volumes["v1"] |= {"name": boot.VOLUME, "os-vol-tenant-attr:tenant_id": "p"}
    stored.cloud.volumes["v1"]["metadata"] = {boot.NAME: boot.MARK}
    probe.try_all(stored.context)
    assert set(stored.cloud.volumes) == {"v1", "v2", "v3"}


@pytest.mark.parametrize("disks", [["local file"], BOTH, ["volume rbd"]])
def test_killed_at_each_call_nothing_of_ours_is_left_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disks: list[str]
) -> None:
    for call in range(100):
        (home := tmp_path / str(call)).mkdir()
        lab = Lab(home, monkeypatch)
        lab.cloud.shapes["web"] = {**lab.cloud.shape, "disks": disks}
        lab.cloud.add_volume("v1", "web")
        if disks == ["volume rbd"]:
            lab.cloud.boots("web", "v1")
        lab.cloud.dies_at = call
        try:
            probe.try_all(lab.context)
        except Killed:
            lab.cloud.dies_at = None
            assert not (lab.cloud.left and probe.all_tried(lab.context))
            probe.try_all(lab.context)
            assert lab.cloud.left == []
            assert set(lab.cloud.volumes) == {"v1"}
            assert by_disks(lab) == {", ".join(one): "works" for one in (disks, disks[:1])}
        else:
            break
    assert call > 8 * len(disks)


def test_one_that_nova_prepares_to_move_is_deleted_once_it_has_landed(lab: Lab) -> None:
    """No migration is listed yet, and what is begun on the other host would be left there."""
    lab.cloud.add("ours", "c1", **{boot.NAME: boot.MARK})
    ours = lab.cloud.servers["ours"]
    ours |= {"name": f"{boot.NAME}-c1", "tenant_id": "ours"}
    lab.cloud._begin(ours, "MIGRATING", lambda: lab.cloud._rest(ours, status="ACTIVE", host="c2"))
    lab.cloud.ends["ours"] = (8, lab.cloud.ends["ours"][1])
    assert boot.sweep(lab.context, login.api(lab.context)) == []
    assert (ours["status"], lab.cloud.left) == ("ACTIVE", [])


def test_a_user_s_server_of_such_a_name_stays(lab: Lab) -> None:
    lab.cloud.add("mine", "c2")
    lab.cloud.servers["mine"]["name"] = f"{boot.NAME}-c2"
    lab.tried()
    assert lab.cloud.where == {"web": "c1", "mine": "c2"}


def test_what_only_looks_like_ours_stays_and_is_named_and_holds_nothing_up(lab: Lab) -> None:
    """A user may copy name and mark; what stands in our project cannot be theirs."""
    copied = {"name": f"{boot.NAME}-c2", "description": boot.MARK, "project_id": "p"}
    lab.cloud.made["security_groupX"] = {"id": "security_groupX", **copied}
    lab.cloud.add("mine", "c2", **{boot.NAME: boot.MARK})
    lab.cloud.servers["mine"]["name"] = f"{boot.NAME}-c2"
    assert probe.all_tried(lab.context) is False
    probe.try_all(lab.context)
    assert probe.all_tried(lab.context)
    assert set(lab.cloud.left) == {"mine", "security_groupX"}
    server, group = lab.context.extras[probe.LEFT]
    assert server.startswith("servers mine (sidestep-verify-c2) of project p ")
    assert group.startswith("security-groups security_groupX (sidestep-verify-c2) of project p ")


def test_what_of_ours_cannot_be_deleted_is_named_and_holds_nothing_up(lab: Lab) -> None:
    """As a server on a host that has died since."""
    ours = {"name": f"{boot.NAME}-c2", "description": boot.MARK, "project_id": "ours"}
    lab.cloud.made["portX"] = {"id": "portX", **ours}
    lab.cloud.stuck = {"portX"}
    probe.try_all(lab.context)
    assert [str(one.how) for one in note.read(lab.context).values()] == ["works"]
    (told,) = lab.context.extras[probe.LEFT]
    assert "portX (sidestep-verify-c2) was made by us and is not gone" in told


def test_no_server_is_made_of_a_user_s_own_image(lab: Lab) -> None:
    lab.cloud.image = {"status": "active", "visibility": "private", "owner": "p"}
    assert lab.tried() == {("2025.1", "2025.1"): "unproven"}
    assert "POST servers" not in lab.cloud.events
    (told,) = {one.why for one in note.read(lab.context).values()}
    assert "of users' own images (i)" in told
    lab.cloud.image["owner"] = "ours"
    probe.begin(lab.context, ["c1"])
    assert lab.tried() == {("2025.1", "2025.1"): "works"}


def test_where_the_operator_stops_nothing_is_noted(lab: Lab) -> None:
    stop = Cancellation()
    draining.share(lab.context, stop)
    stop.request("the operator")
    with pytest.raises(StepError, match="operator"):
        probe.try_all(lab.context)
    assert note.read(lab.context) == {}
    assert lab.cloud.left == []


LIBVIRT = "[libvirt]\n"
SSH = f"{LIBVIRT}live_migration_uri = qemu+ssh://nova@%s/system?keyfile=/k\n"


@pytest.mark.parametrize(
    ("text", "ports", "keys", "why"),
    [
        ("", [22], {}, "nothing listens on its port 16509"),
        ("", [16509], {}, ""),
        (f"{LIBVIRT}live_migration_scheme = tls\n", [16509], {}, "by tls there, .*16514"),
        (f"{LIBVIRT}live_migration_scheme = tls\n", [16514], {}, ""),
        (f"{LIBVIRT}live_migration_scheme = ssh\n", [], {}, ""),
        (f"{LIBVIRT}live_migration_uri = qemu+tcp://%s:17000/system\n", [16509], {}, "17000"),
        (f"{LIBVIRT}live_migration_uri = qemu+tcp://%s/system\n", [16509], {}, ""),
        (SSH, [], {"/k": True}, ""),
        (SSH, [], {"/k": False}, "names /k, which is not there"),
    ],
)
def test_a_host_to_which_nova_cannot_migrate_is_known_by_its_files_and_ports(
    text: str, ports: list[int], keys: dict[str, bool], why: str
) -> None:
    told = unready(Values({"/etc/nova/nova.conf": text}), ports, keys)
    assert bool(told) == bool(why)
    assert not why or re.search(why, told)


def test_what_a_host_permits_for_servers_that_write_much_is_told() -> None:
    assert permits(Values({"/n": f"{LIBVIRT}live_migration_permit_post_copy = True\n"})) == (
        "post-copy",
    )
    hosts = [replace(seen("a"), permits=("post-copy",)), seen("b")]
    (one,) = telling.permitted(hosts, plan(otherwise="liveMigrate").hosts)
    assert one.message == "live migrations off a may use post-copy"
    (one,) = telling.permitted([seen("a")], plan(otherwise="liveMigrate").hosts)
    assert "may use neither auto-converge nor post-copy" in one.message
    assert list(telling.permitted(hosts, plan().hosts)) == []


def test_what_servers_see_of_a_cpu_decides_and_not_more() -> None:
    own = {"arch": "x86_64", "vendor": "Intel", "model": "Skylake", "features": ["vmx"]}
    other = {**own, "features": ["vmx", "avx"]}

    def see(text: str, of: Mapping[str, object]) -> str:
        return cpu(Values({"/etc/nova/nova.conf": LIBVIRT + text}), of)

    assert see("", own) != see("", other)
    assert see("", own) != see("cpu_mode = host-passthrough\n", own)
    for text in (
        "cpu_mode = none\n",
        "virt_type = qemu\n",
        "cpu_mode = custom\ncpu_models = Nehalem\n",
    ):
        assert see(text, own) == see(text, other)


ID = "6f1c2d3e-0000-4000-8000-00000000000{}"
DOMAIN = """<domain type='kvm'><metadata><uuid>none</uuid></metadata><uuid>{id}</uuid>
<os {os}><type arch='x86_64' machine='pc-q35-10.0'>hvm</type>{loader}</os>
<devices><disk type='file' device='disk'><source file='/x'/></disk>
<disk type='network' device='disk'><source protocol='rbd' name='v'/><serial>1</serial></disk>
<disk type='file' device='cdrom'/></devices></domain>"""


@pytest.mark.parametrize(
    ("os", "loader", "firmware"),
    [
        ("", "", "bios"),
        ("firmware='efi'", "", "efi"),
        ("", "<loader>/x.fd</loader>", "efi"),
        ("firmware='efi'", "<loader secure='no'>/x.fd</loader>", "efi"),
        ("firmware='efi'", "<loader secure='yes'>/x.fd</loader>", "efi with secure boot"),
    ],
)
def test_a_server_s_shape_is_read_of_its_domain(os: str, loader: str, firmware: str) -> None:
    told = {"machine": "pc-q35-10.0", "firmware": firmware, "disks": ["local file", "volume rbd"]}
    domains = [DOMAIN.format(id=one, os=os, loader=loader) for one in "ab"]
    assert hypervisor.shapes("\n\n".join(domains)) == {"a": told, "b": told}


def test_a_disk_of_nova_s_on_rbd_is_a_kind_of_its_own(lab: Lab) -> None:
    """By its images_type: no file of the host's, and no volume."""
    text = """<domain><uuid>a</uuid><devices><disk type='network' device='disk'>
    <source protocol='rbd' name='vms/a_disk'/></disk></devices></domain>"""
    lab.cloud.shape = {**lab.cloud.shape, "disks": hypervisor.shapes(text)["a"]["disks"]}
    lab.tried()
    assert by_disks(lab) == {"local rbd": "works"}
    assert "POST volumes" not in lab.cloud.events


def test_libvirt_is_asked_once_for_all_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has ended costs the others nothing, and what only looks like a server is no command."""
    virsh = tmp_path / "virsh"
    domain = DOMAIN.format(id=ID.format(1), os="", loader="")
    script = f'echo "$@" >> {tmp_path}/asked; cat <<EOF\n{domain}\nEOF\nexit 1'
    virsh.write_text(f"#!/bin/sh\n{script}\n")
    virsh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert hypervisor._servers(["x; destroy web"]) == {}
    assert not (tmp_path / "asked").exists()
    found = hypervisor._servers([ID.format(1), "web; destroy web", ID.format(2)])
    assert list(found) == [ID.format(1)]
    (asked,) = (tmp_path / "asked").read_text().splitlines()
    assert asked.endswith(f"dumpxml {ID.format(1)}; dumpxml {ID.format(2)}")


def test_versions_and_cpu_are_read_as_libvirt_tells_them() -> None:
    told = (
        "Compiled against library: libvirt 11.3.0\nUsing library: libvirt 11.3.0\n"
        "Using API: QEMU 11.3.0\nRunning hypervisor: QEMU 10.0.2\nRunning against daemon: 11.3.1\n"
    )
    assert hypervisor.versions(told) == {"qemu": "10.0.2", "libvirt": "11.3.1"}
    no_qemu = "Cannot extract running QEMU hypervisor version\nRunning against daemon: 11.3.1\n"
    assert hypervisor.versions(no_qemu) == {"qemu": "", "libvirt": "11.3.1"}
    text = (
        "<capabilities><host><cpu><arch>x86_64</arch><model>Skylake</model><vendor>Intel</vendor>"
        "<feature name='vmx'/><feature name='avx'/></cpu></host></capabilities>"
    )
    found = {"arch": "x86_64", "model": "Skylake", "vendor": "Intel", "features": ["avx", "vmx"]}
    assert hypervisor.cpu(text) == found


def plan(**decided: Any) -> SettlePlan:
    hosts = [host("a", used=1), host("b")]
    return planned(hosts, [server("web", "a")], "a", way=Way.IN_PLACE, **decided)


@pytest.mark.parametrize(
    ("unready_", "decided", "severities"),
    [
        ((), {"otherwise": "liveMigrate"}, {}),
        ("ab", {}, {"a": ["info"]}),
        ("a", {"otherwise": "liveMigrate"}, {"a": ["info"]}),
        ("a", {"otherwise": "liveMigrate", "home": True}, {"a": ["warning"]}),
        ("b", {"otherwise": "liveMigrate"}, {"a": ["error"], "b": ["warning"]}),
    ],
)
def test_the_plan_names_hosts_that_take_no_server(
    unready_: Collection[str], decided: dict[str, object], severities: dict[str, list[str]]
) -> None:
    hosts = [seen(name, unready="no key" if name in unready_ else "") for name in "ab"]
    told: dict[str, list[Severity]] = {}
    for one in telling.findings(hosts, plan(**decided).hosts):
        told.setdefault(one.where, []).append(one.severity)
    assert told == severities


def test_what_has_failed_is_tried_once_more_by_the_next_run(lab: Lab) -> None:
    ways = {(one, other) for one in ("c1", "c2", "c3") for other in ("c1", "c2", "c3")}
    lab.cloud.walls = set(ways)
    assert lab.tried() == {("2025.1", "2025.1"): "fails"}
    assert note.lasting(lab.context) == {}  # so the plan of the next run reckons with it
    probe.begin(lab.context, ["c1"])
    lab.cloud.full = {"c1", "c2", "c3"}
    assert lab.tried() == {("2025.1", "2025.1"): "fails"}  # no failure to try hides it
    lab.cloud.walls, lab.cloud.full = set(), set()
    probe.begin(lab.context, ["c1"])
    assert lab.tried() == {("2025.1", "2025.1"): "works"}
    probe.begin(lab.context, ["c1"])
    assert probe.all_tried(lab.context)
