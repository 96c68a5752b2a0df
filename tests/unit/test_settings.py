"""The stack file: every problem at once, in one line, before anything is touched."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from migrate.cloud.settings import contradictions, home, load
from migrate.errors import SettingsError

GOOD: dict[str, Any] = {
    "sidestep:provider": "existing",
    "sidestep:source": {
        "release": "2025.1",
        "controllers": [{"name": "ctl-old", "address": "192.0.2.11"}],
        "computes": [{"name": "cmp1", "address": "192.0.2.21"}],
        "virtualIps": [{"address": "192.0.2.10", "interface": "eth0"}],
    },
    "sidestep:target": {
        "release": "2026.1",
        "controllers": [{"name": "ctl-new", "address": "192.0.2.12"}],
    },
    "sidestep:ssh": {"user": "operator", "key": "keys/id", "knownHosts": "keys/known_hosts"},
    "sidestep:cloud": {"name": "prod"},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "stacks").mkdir()
    return tmp_path


def write(project: Path, config: dict[str, Any]) -> None:
    (project / "stacks" / "Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))


def test_a_good_file_is_read_and_paths_are_the_project_s(project: Path) -> None:
    write(project, GOOD)
    settings = load("prod", project)
    assert settings.source.controllers[0].name == "ctl-old"
    assert settings.ssh.known_hosts == project / "keys/known_hosts"
    assert settings.window.limit_seconds == 600
    assert settings.shared_storage == "refuse"


def test_an_unknown_stack_names_those_there_are(project: Path) -> None:
    write(project, GOOD)
    with pytest.raises(SettingsError, match=r"unknown stack 'prdo'; there are: prod"):
        load("prdo", project)


def test_every_problem_is_told_at_once(project: Path) -> None:
    broken = {**GOOD, "sidestep:provider": "cloud", "sidestep:windw": {}}
    broken["sidestep:sharedStorage"] = "ignore"
    broken["sidestep:source"] = {**GOOD["sidestep:source"], "release": "epoxy", "virtualIps": []}
    broken["sidestep:ssh"] = {"usr": "root"}
    write(project, broken)
    with pytest.raises(SettingsError) as caught:
        load("prod", project)
    told = str(caught.value)
    for part in (
        "provider",
        "source.release",
        "source.virtualIps",
        "ssh.usr",
        "windw",
        "sharedStorage",
    ):
        assert f"sidestep:{part}" in told
    assert "6 problem(s)" in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("name", "address", "told"),
    [
        ("ctl-old", "192.0.2.12", "ctl-old names two machines"),
        ("ctl-new", "192.0.2.10", "192.0.2.10 is used twice"),
        ("ctl-new", "192.0.2.21", "192.0.2.21 is used twice"),
    ],
)
def test_contradictions_are_refused(project: Path, name: str, address: str, told: str) -> None:
    target = {"release": "2026.1", "controllers": [{"name": name, "address": address}]}
    write(project, {**GOOD, "sidestep:target": target})
    with pytest.raises(SettingsError, match=told):
        load("prod", project)


def test_contradictions_are_told_with_what_is_malformed(project: Path) -> None:
    target = {"release": "soon", "controllers": [{"name": "ctl-old", "address": "192.0.2.10"}]}
    named = ["keystone", "glnace", "keystone"]
    write(project, {**GOOD, "sidestep:target": target, "sidestep:services": named})
    with pytest.raises(SettingsError) as caught:
        load("prod", project)
    told = str(caught.value)
    assert "has 5 problem(s)" in told
    for part in (
        "sidestep:target.release",
        "ctl-old names two machines",
        "192.0.2.10 is used twice",
        "names keystone twice",
        "'glnace' is not known; there are: keystone, glance, placement",
    ):
        assert part in told


CEPH: dict[str, Any] = {
    "hosts": [{"name": "mon", "address": "192.0.2.31"}, {"name": "osd", "address": "192.0.2.41"}],
    "monitors": ["mon", "ctl-old"],
    "osdHosts": ["osd", "cmp1"],
    "past": ["osd"],
}


def test_hosts_of_ceph_are_named_once_and_new_monitors_come_to_all_controllers(
    project: Path,
) -> None:
    write(project, {**GOOD, "sidestep:ceph": CEPH})
    settings = load("prod", project)
    assert settings.ceph.joining(settings.target) == ("ctl-new",)
    assert [one.name for one in settings.ceph.hosts] == ["mon", "osd"]
    write(project, {**GOOD, "sidestep:ceph": {"clients": True}})
    settings = load("prod", project)
    assert settings.ceph.joining(settings.target) == ()


def test_names_that_ceph_lists_and_nobody_has_are_all_told(project: Path) -> None:
    ceph = {**CEPH, "monitors": ["mno", "mon", "mon"], "joins": ["ctl-old"], "past": ["cmp2"]}
    ceph["osdHosts"] = ["ctl-old", "osd"]
    ceph["gateways"] = ["mon", "nobody"]
    ceph["hosts"] = [*CEPH["hosts"], {"name": "osd2", "address": "192.0.2.21"}]
    write(project, {**GOOD, "sidestep:ceph": ceph})
    with pytest.raises(SettingsError) as caught:
        load("prod", project)
    for part in (
        "has 8 problem(s)",
        "192.0.2.21 is used twice",
        "ceph.monitors names mon twice",
        "ceph.monitors: mno is no controller or compute of the source and not in ceph.hosts",
        "ceph.joins: ctl-old is no controller of the target",
        "ceph.osdHosts: ctl-old is neither in source.computes nor in ceph.hosts",
        "ceph.past: cmp2 is not in ceph.osdHosts",
        "ceph.gateways: nobody is no controller or compute of the source and not in ceph.hosts",
        "ceph.gateways: each comes to a machine of its own in ceph.joins: name fewer",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("monitors", "told"),
    [
        ("mon", r"1 problem\(s\): sidestep:ceph.monitors: write a list, \[mon\]"),
        (None, r"1 problem\(s\): sidestep:ceph.monitors: write a list"),
        ([1], r"1 problem\(s\): sidestep:ceph.monitors.0: write a word"),
    ],
)
def test_monitors_that_are_no_list_of_names_are_not_called_missing_too(
    project: Path, monitors: object, told: str
) -> None:
    write(project, {**GOOD, "sidestep:ceph": {**CEPH, "monitors": monitors}})
    with pytest.raises(SettingsError, match=told):
        load("prod", project)


def test_a_gateway_that_is_named_twice_is_one_problem(project: Path) -> None:
    write(project, {**GOOD, "sidestep:ceph": {**CEPH, "gateways": ["mon", "mon"]}})
    with pytest.raises(SettingsError, match=r"1 problem.*ceph.gateways names mon twice"):
        load("prod", project)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("0.0.0.0", "that is no machine's address"),  # would lead to this one
        ("255.255.255.255", "that is no machine's address"),
        ("224.0.0.1", "that is no machine's address"),
        (3221225985, 'write it in quotes, "3221225985"'),
        ("fe80::1", "not a valid IPv4 address"),
    ],
)
def test_an_address_that_no_machine_has(project: Path, address: object, told: str) -> None:
    hosts = [{"name": "net1", "address": address}]
    source = {**GOOD["sidestep:source"], "networkHosts": hosts}
    write(project, {**GOOD, "sidestep:source": source})
    with pytest.raises(SettingsError, match="1 problem") as caught:
        load("prod", project)
    assert f"source.networkHosts.0.address: {told}" in str(caught.value).replace("Input is ", "")


def test_as_many_hosts_as_a_large_cloud_has_are_compared_at_once(project: Path) -> None:
    """Each with all others would take minutes, before any command's first word."""
    each = [{"name": f"c{n}", "address": f"10.{n >> 8}.{n & 255}.1"} for n in range(20_000)]
    source = {**GOOD["sidestep:source"], "computes": [*each, each[7]]}
    values = {key.removeprefix("sidestep:"): one for key, one in GOOD.items()}
    began = time.monotonic()
    assert contradictions({**values, "source": source}) == [
        "c7 names two machines",
        "10.0.7.1 is used twice",
    ]
    assert time.monotonic() - began < 5


def test_daemons_of_a_cluster_whose_monitors_are_not_named_are_not_moved(project: Path) -> None:
    write(project, {**GOOD, "sidestep:ceph": {**CEPH, "gateways": ["mon"], "monitors": []}})
    with pytest.raises(SettingsError, match=r"3 problem.*ceph.hosts says nothing without ceph.mon"):
        load("prod", project)


@pytest.mark.parametrize(
    ("text", "told"),
    [("config: [", "is not YAML"), ("a: b", "no `config:` mapping"), ("", "no `config:` mapping")],
)
def test_what_is_not_a_stack_file_is_told(project: Path, text: str, told: str) -> None:
    (project / "stacks" / "Pulumi.prod.yaml").write_text(text)
    with pytest.raises(SettingsError, match=told):
        load("prod", project)


def test_papers_are_private(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home("prod", project) == project / ".migrate" / "prod"
    assert home("prod", project).stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("MIGRATE_HOME", str(project / "elsewhere"))
    assert home("prod", project) == project / "elsewhere" / "prod"


def test_a_settle_policy_is_read_and_has_defaults(project: Path) -> None:
    write(project, GOOD)
    settle = load("prod", project).settle
    assert (settle.otherwise, settle.home, settle.rules) == (None, False, ())
    rules: list[dict[str, Any]] = [
        {"tag": "x", "do": "ask"},
        {"metadata": "tier=db", "zone": "z", "do": "stopStart", "home": True},
    ]
    limits = {"concurrency": {"perHost": 3}, "stopAfter": 2, "pauseSeconds": 60}
    write(project, {**GOOD, "sidestep:settle": {"rules": rules, **limits}})
    settle = load("prod", project).settle
    assert [(rule.do, rule.home) for rule in settle.rules] == [("ask", None), ("stopStart", True)]
    assert (settle.concurrency.per_host, settle.concurrency.in_all) == (3, 10)
    assert (settle.stop_after, settle.pause_seconds, settle.batch) == (2, 60, 4)


def test_every_problem_of_a_settle_policy_is_told_at_once(project: Path) -> None:
    rules = [{"do": "ask"}, {"tag": "x", "do": "move"}, {"metadata": "tier", "do": "leave"}]
    wrong = {"rules": rules, "otherwise": "hope", "batch": 0, "concurency": {}}
    write(project, {**GOOD, "sidestep:settle": wrong})
    with pytest.raises(SettingsError) as caught:
        load("prod", project)
    told = str(caught.value)
    assert "settle.rules.0: name a tag, metadata, a flavor, a project or a zone" in told
    for part in ("rules.1.do", "rules.2.metadata", "otherwise", "batch", "concurency"):
        assert f"sidestep:settle.{part}" in told
    assert "6 problem(s)" in told
    assert "\n" not in told
