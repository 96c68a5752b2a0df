"""A cluster as `ceph` tells it, and what of it forbids a monitor of another release."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from migrate.engine.finding import Finding, Severity
from migrate.errors import PreconditionError, StepError
from migrate.storage.ceph import conf, facts, findings, monitor, releases
from tests.unit import fakes

SAID = yaml.safe_load(Path(__file__).with_name("ceph.yaml").read_text())
REEF = "ceph version 18.2.7 (6b0e988052ec84cf2d4a54ff9bbbc5e720b621ad) reef (stable)"
Change = Callable[[dict[str, Any]], object]


def cluster(change: Change = lambda said: None) -> facts.Cluster:
    said = deepcopy(SAID)
    change(said)
    return facts.parsed(said)


def found(change: Change, release: int = 18) -> list[Finding]:
    return list(findings.before(cluster(change), release))


def test_a_healthy_cluster_is_read_whole() -> None:
    read = cluster()
    assert read.monitors == (facts.Monitor("mon1", {"v2": "10.0.0.1:3300", "v1": "10.0.0.1:6789"}),)
    assert read.versions == {kind: {(16, 2, 15): n} for kind, n in SAID_VERSIONS.items()}
    assert read.hosts == {"osd1", "osd2"}
    assert read.unclean == {}
    assert [(pool.name, pool.size, pool.domain) for pool in read.pools] == [
        ("images", 2, "host"),
        ("volumes", 3, "host"),
    ]
    assert found(lambda said: None) == []


SAID_VERSIONS = {"mon": 1, "mgr": 1, "osd": 2}


def pool(**changed: object) -> Change:
    return lambda said: said["osds"]["pools"][0].update(changed)


def complaint(code: str, **more: object) -> Change:
    one = {"severity": "HEALTH_WARN", "summary": {"message": "said so"}, **more}
    return lambda said: said["health"]["checks"].update({code: one})


def other_osd(text: str) -> Change:
    return lambda said: said["versions"]["osd"].update({text: 1})


WRONG: dict[str, tuple[Change, str]] = {
    "erasure": (pool(type=3), "erasure-coded: images"),
    "one copy": (pool(size=1), "pool images has one copy"),
    "stops": (pool(min_size=2), "images stops when one of its 2 copies is away"),
    "one host": (pool(crush_rule=1), "may lie on one host: its rule chooses by osd"),
    "health": (complaint("MON_CLOCK_SKEW"), "MON_CLOCK_SKEW: said so"),
    "full": (complaint("OSD_NEARFULL"), "OSD_NEARFULL: said so (nearfull at 85%"),
    "flag": (lambda said: said["osds"]["flags_set"].append("noout"), "flags are set: noout"),
    "flag of a host": (
        lambda said: said["osds"].update(crush_node_flags={"osd1": ["noout"]}),
        "flags are set for osd1: noout",
    ),
    "groups": (
        lambda said: said["status"]["pgmap"]["pgs_by_state"].append(
            {"state_name": "active+undersized+degraded", "count": 3}
        ),
        "not active and clean: 3 active+undersized+degraded",
    ),
    "down and out": (lambda said: said["osds"]["osds"][1].update(up=0), "OSDs are down: osd.1"),
    "filesystem": (lambda said: said["filesystems"].append({"name": "home"}), "CephFS"),
    "metadata server": (
        lambda said: said["versions"].update(mds={REEF: 1}),
        "there is CephFS, or a metadata server",
    ),
    "cephadm": (lambda said: said["managers"]["modules"].append("cephadm"), "cephadm's"),
    "container": (
        lambda said: said["metadata"][0].update(container_image="quay.io/ceph/ceph:v16"),
        "run in containers",
    ),
    "filestore": (
        lambda said: said["metadata"][1].update(osd_objectstore="filestore"),
        "do not keep their data in BlueStore: osd.1",
    ),
    "monitor away": (
        lambda said: said["quorum"].update(quorum_names=[]),
        "not in the quorum: mon1",
    ),
    "old protocol": (
        lambda said: said["quorum"]["monmap"]["mons"][0]["public_addrs"]["addrvec"].pop(0),
        "monitor mon1 has no address of v2",
    ),
    "IPv6": (
        lambda said: said["quorum"]["monmap"]["mons"][0]["public_addrs"].update(
            addrvec=[
                {"type": "v2", "addr": "[fd00::1]:3300", "nonce": 0},
                {"type": "v1", "addr": "[fd00::1]:6789", "nonce": 0},
            ]
        ),
        "monitors are at IPv6 addresses: mon1",
    ),
    "no manager": (lambda said: said["managers"].update(active_name=""), "no manager"),
    "mixed": (other_osd(REEF), "of several versions: 16.2.15, 18.2.7"),
    "half upgraded": (
        lambda said: said["osds"].update(require_osd_release="octopus"),
        "requires only octopus",
    ),
    "old map": (
        lambda said: said["quorum"]["monmap"].update(min_mon_release=15),
        "their map is of 15",
    ),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_error_with_a_remedy(change: Change, words: str) -> None:
    (one,) = found(change)
    assert one.severity is Severity.ERROR
    assert words in one.message
    assert one.remedy


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (pool(pg_autoscale_mode="on"), "by themselves: images"),
        (
            lambda said: said["versions"].update({"rbd-mirror": {REEF: 1}, "rgw": {REEF: 1}}),
            "of their release: rbd-mirror",
        ),
        (complaint("POOL_NO_REDUNDANCY", muted=True), "POOL_NO_REDUNDANCY is muted"),
    ],
)
def test_what_should_be_known_forbids_nothing(change: Change, words: str) -> None:
    (one,) = found(change)
    assert one.severity is Severity.WARNING
    assert words in one.message


def test_a_flag_is_told_once_though_the_cluster_complains_of_it_too() -> None:
    def change(said: dict[str, Any]) -> None:
        complaint("OSDMAP_FLAGS")(said)
        said["osds"]["flags_set"].append("norebalance")

    assert len(found(change)) == 1


@pytest.mark.parametrize(
    ("old", "new", "may"),
    [(16, 18, True), (17, 18, True), (18, 18, True), (15, 18, False), (18, 16, False), (19, 21, 0)],
)
def test_hops_are_two_releases_at_most(old: int, new: int, may: bool) -> None:
    assert releases.may_follow(old, new) == may


def test_a_hop_too_far_is_refused() -> None:
    (one,) = found(lambda said: None, release=19)
    assert "Ceph 16.2.15 cannot be joined by 19 (squid)" in one.message


def test_an_answer_of_another_kind_is_no_cluster_without_findings() -> None:
    with pytest.raises(StepError, match=r"KeyError\('quorum_names'\)"):
        cluster(lambda said: said["quorum"].pop("quorum_names"))


def test_an_osd_that_never_ran_has_told_nothing() -> None:
    read = cluster(lambda said: said["metadata"].__setitem__(1, {"id": 1}))
    assert read.osds[1].version == (0,)
    assert list(findings.before(read, 18)) == []


CONF = """\
# the cluster
[global]
fsid = 6f7b0d0a
mon_initial_members = mon1
mon_host = {hosts}
public_network = 10.0.0.0/24, 10.1.0.0/24  # both
osd pool default size = 2
[osd]
osd memory target = 900
"""


@pytest.mark.parametrize(
    ("hosts", "then"),
    [
        ("10.0.0.1", "10.0.0.1,10.0.0.9"),
        ("[v2:10.0.0.1:3300,v1:10.0.0.1:6789]", "[v2:10.0.0.1:3300,v1:10.0.0.1:6789],10.0.0.9"),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1, 10.0.0.2,10.0.0.9"),
    ],
)
def test_a_new_monitor_has_the_old_ones_file_and_one_address_more(hosts: str, then: str) -> None:
    made = conf.for_monitor(CONF.format(hosts=hosts), "new", "10.0.0.9")
    assert conf.value(made, "mon_host") == then
    assert conf.value(made, "mon_initial_members") == ""
    assert conf.value(made, "osd_pool_default_size") == "2"
    own = "[mon.new]\npublic addr = 10.0.0.9\n[mgr.new]\npublic addr = 10.0.0.9\n"
    assert made.endswith(f"[osd]\nosd memory target = 900\n{own}")


def test_an_address_that_is_known_is_not_told_twice() -> None:
    text = CONF.format(hosts="10.0.0.1 10.0.0.9")
    assert conf.value(conf.for_monitor(text, "new", "10.0.0.9"), "mon_host") == "10.0.0.1 10.0.0.9"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CONF.replace("mon_host", "#"), "names no `mon host`"),
        (CONF + "[mon.new]\nhost = other\n", r"section \[mon.new\] already"),
        (CONF + "[mgr.new]\nhost = other\n", r"section \[mgr.new\] already"),
        (CONF.replace("10.0.0.0/24", "10.2.0.0/24"), "10.0.0.9 is in no `public network`"),
        (CONF + "log file = \\\n  /dev/null\n", "go on in the next"),
    ],
)
def test_a_file_that_is_not_understood_is_refused(text: str, words: str) -> None:
    with pytest.raises(PreconditionError, match=words):
        conf.for_monitor(text.replace("{hosts}", "10.0.0.1"), "new", "10.0.0.9")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("[client.rgw.a]\nrgw keystone admin password = x\n", "rgw_keystone_admin_password"),
        ("[client.rgw.a]\nrgw-keystone-admin-token = x\n", "rgw_keystone_admin_token"),
        ("[client.glance]\nkey = x\n", "key"),
        ("[client.rgw.a]\nrgw ldap secret = /etc/bindpass\n", ""),
        ("[client.glance]\nkeyring = /etc/ceph/key\n", ""),
    ],
)
def test_a_secret_is_not_carried_to_where_everybody_may_read_it(said: str, told: str) -> None:
    text = CONF.format(hosts="10.0.0.1") + said
    if not told:
        conf.for_monitor(text, "new", "10.0.0.9")
        return
    with pytest.raises(PreconditionError, match=f"tells `{told}` under .*ceph config set client"):
        conf.for_monitor(text, "new", "10.0.0.9")


def silent(*names: str) -> dict[str, Any]:
    """What a monitor says that has no quorum, with monitors of *names* in its map."""
    mons = [{**SAID["quorum"]["monmap"]["mons"][0], "name": name} for name in names]
    said = {"id": "old", "state": "probing", "quorum": []}
    return {**said, "map": {"mons": mons, "min_mon_release": 16}}


def test_without_a_quorum_nobody_leaves_a_map_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fakes.ANSWERS, "monitor.standing", silent("old", "old2", "new"))
    monkeypatch.setattr(monitor, "ELECTION_SECONDS", 0)
    old, new = fakes.FakeHost("old"), fakes.FakeHost("new")
    with pytest.raises(StepError, match="the map has old2 too: start those monitors"):
        monitor.leave(old, new)
    questions = {"monitor.standing", "record.load", "retired.noted"}
    assert {*old.asked, *new.asked} == questions


def test_nobody_joins_without_a_quorum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fakes.ANSWERS, "monitor.standing", silent("old"))
    new = fakes.FakeHost("new")
    with pytest.raises(PreconditionError, match="no quorum"):
        monitor.join(fakes.FakeHost("old"), new)
    assert new.asked == []


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"monitor.lacks": "there is no ceph-mon"}, "there is no ceph-mon"),
        ({"ceph.release": 19}, "is of release 19, and the quorum of 16"),
        ({"monitor.standing": "new"}, "a monitor of that name is in the map"),
    ],
)
def test_a_machine_that_cannot_be_a_monitor_is_refused(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], words: str
) -> None:
    names = ("old", *([answers.pop("monitor.standing")] if "monitor.standing" in answers else []))
    usual = {"monitor.lacks": "", "ceph.release": 18, "monitor.noted": False}
    there = {"monitor.standing": {**silent(*names), "quorum": ["old"]}}
    for function, answer in (usual | there | answers).items():
        monkeypatch.setitem(fakes.ANSWERS, function, answer)
    with pytest.raises(PreconditionError, match=words):
        monitor.join(fakes.FakeHost("old"), fakes.FakeHost("new"))
