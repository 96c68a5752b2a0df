"""What is written on a compute host whose units start another release, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.computes.installers import in_place
from migrate.engine.finding import Finding
from migrate.errors import PreconditionError, StepError
from migrate.onhost import exchange, systemd
from tests.unit import fakes

ROOTWRAP = "[DEFAULT]\nfilters_path=/etc/neutron/rootwrap.d\nexec_dirs=/sbin,/usr/sbin\n"
VENV = "/opt/openstack/2026.1"
NOVA = {
    "program": "/usr/bin/nova-compute",
    "user": "nova",
    "arguments": ["--config-file=/etc/nova/nova.conf", "--log-file=/var/log/nova/c.log"],
}
AGENT = {
    "program": "/usr/bin/neutron-openvswitch-agent",
    "user": "neutron",
    "arguments": ["--config-file", "/etc/neutron/neutron.conf", "--log-file=/var/log/a.log"],
}


class Compute(fakes.FakeHost):
    """A compute host; what it is sent to write it runs with from then on."""

    def __init__(self, running: dict[str, Any], *, comes_up: bool = True) -> None:
        super().__init__("compute")
        self.running, self.comes_up = running, comes_up
        self.files: dict[str, list[Any]] = {}
        self.later: dict[str, list[str]] = {}
        self.gone: list[str] = []
        self.texts: dict[str, str] = {}  # its own files
        self.open: list[list[Any]] = []  # what answers, and speaks no TLS
        self.resting: list[str] = []

    def read(self, path: str) -> str:
        assert path == f"{VENV}/etc/neutron/rootwrap.conf"
        return ROOTWRAP

    def answer(self, function: str, payload: Any) -> Any:
        assert isinstance(payload, dict)
        given = payload["arguments"]
        if function == "exchange.running":
            return {name: one for name, one in self.running.items() if name in given[0]}
        simple: dict[str, Any] = {
            "configured.read": {"texts": self.texts, "given": {}},
            "exchange.overriding": self.later,
            "exchange.resting": self.resting,
            "knock.tls": [False],
        }
        if function in simple:
            return simple[function]
        if function == "reach.ports":
            return ["open" if list(one) in self.open else "refused" for one in given[0]]
        if function == "files.existing":
            return [path for path in given[0] if path not in self.gone]
        assert function == "exchange.forward"
        _, rows, found, _ = given
        self.files = {row[0]: row[1:] for row in rows}
        if not self.comes_up:
            return [f"{next(iter(found))} is failed"]
        for name in found:
            program, *arguments = self.command(name).split()
            self.running[name] = {**self.running[name], "program": program, "arguments": arguments}
        return []

    def command(self, name: str) -> str:
        text = str(self.files[f"/etc/systemd/system/{name}.service.d/sidestep.conf"][0])
        return next(
            line.removeprefix("ExecStart=")
            for line in text.splitlines()
            if line.startswith("ExecStart=/")
        )


@pytest.fixture
def context(tmp_path: Path) -> Context:
    found, hosts = fakes.context(tmp_path)
    hosts["old"].address = "10.0.0.2"
    return found


def test_units_start_the_release_with_the_arguments_that_they_run_with(context: Context) -> None:
    host = Compute({"nova-compute": NOVA, "neutron-openvswitch-agent": AGENT})
    in_place.renew(context, host)
    assert host.command("nova-compute") == (
        f"{VENV}/bin/nova-compute --config-file=/etc/nova/nova.conf "
        "--log-file=/var/log/nova/c.log --config-file /etc/nova/sidestep.conf"
    )
    assert host.command("neutron-openvswitch-agent").endswith(
        "--config-file /etc/neutron/neutron.conf --log-file=/var/log/a.log "
        "--config-file /etc/neutron/sidestep.conf"
    )
    assert in_place.renewed(context, host)


def test_settings_are_in_files_of_ours_for_their_user_only(context: Context) -> None:
    host = Compute({"nova-compute": NOVA, "neutron-openvswitch-agent": AGENT})
    in_place.renew(context, host)
    text, mode, owner = host.files["/etc/nova/sidestep.conf"]
    assert (mode, owner) == (0o640, "root:nova")
    assert "[upgrade_levels]\n" in text
    assert "compute = auto\n" in text
    assert (
        f"helper_command = sudo {VENV}/bin/privsep-helper --config-file=/etc/nova/nova.conf "
        "--config-file /etc/nova/sidestep.conf\n" in text
    )
    assert "minimize_polling = false\n" in host.files["/etc/neutron/sidestep.conf"][0]


def test_rights_of_root_are_those_of_the_release_s_own_programs(context: Context) -> None:
    host = Compute({"nova-compute": NOVA, "neutron-openvswitch-agent": AGENT})
    in_place.renew(context, host)
    rights, mode, owner = host.files["/etc/sudoers.d/sidestep"]
    assert (mode, owner) == (0o440, "root:root")
    own = "/etc/neutron/sidestep-rootwrap.conf"
    assert rights.splitlines() == [
        f"nova ALL = (root) NOPASSWD: {VENV}/bin/privsep-helper *",
        f"neutron ALL = (root) NOPASSWD: {VENV}/bin/neutron-rootwrap {own} *",
        f"neutron ALL = (root) NOPASSWD: {VENV}/bin/neutron-rootwrap-daemon {own}",
    ]
    assert host.files[own][0] == (
        f"[DEFAULT]\nfilters_path={VENV}/etc/neutron/rootwrap.d\n"
        f"exec_dirs={VENV}/bin,/sbin,/usr/sbin\n"
    )


def test_what_names_an_old_controller_is_said_again_and_no_file_of_the_host_changes(
    context: Context,
) -> None:
    host = Compute({"nova-compute": NOVA, "neutron-openvswitch-agent": AGENT})
    host.texts = {
        "/etc/nova/nova.conf": "[DEFAULT]\ntransport_url = rabbit://nova:x@10.0.0.2:5672/\n",
        "/etc/neutron/neutron.conf": "[cache]\nmemcache_servers = 10.0.0.2:11211\n",
    }
    with pytest.raises(PreconditionError, match=r"10\.0\.0\.9 does not answer on port 5672"):
        in_place.renew(context, host)
    assert not host.files
    host.open = [["10.0.0.9", 5672], ["10.0.0.9", 11211]]
    for _ in range(2):  # again, when ours is among what it reads
        in_place.renew(context, host)
        nova, agent = (host.files[f"/etc/{one}/sidestep.conf"] for one in ("nova", "neutron"))
        assert "transport_url = rabbit://nova:x@10.0.0.9:5672/\n" in nova[0]
        assert "memcache_servers = 10.0.0.9:11211\n" in agent[0]
        assert "memcache" not in nova[0]
        assert "rabbit" not in agent[0]
        host.texts["/etc/nova/sidestep.conf"] = nova[0]
    assert not {"/etc/nova/nova.conf", "/etc/neutron/neutron.conf"} & host.files.keys()


def test_again_writes_the_same(context: Context) -> None:
    host = Compute({"nova-compute": NOVA, "neutron-openvswitch-agent": AGENT})
    in_place.renew(context, host)
    first = host.files
    in_place.renew(context, host)
    assert host.files == first


def test_only_what_runs_there_is_exchanged(context: Context) -> None:
    host = Compute({"nova-compute": NOVA})
    in_place.renew(context, host)
    assert not [path for path in host.files if "neutron" in path]


@pytest.mark.parametrize(
    ("running", "said"),
    [
        ({}, "nothing of OpenStack runs there"),
        ({"nova-compute": {**NOVA, "program": ""}}, "only a program of the system's packages"),
        ({"nova-compute": {**NOVA, "program": "/opt/kolla/bin/nova-compute"}}, "only a program of"),
        (
            {"nova-compute": {**NOVA, "arguments": ["--config-file=/etc/my nova.conf"]}},
            "arguments that are not understood",
        ),
        ({"nova-compute": {**NOVA, "arguments": []}}, "nova-compute names no file of options"),
        (
            {"nova-compute": {**NOVA, "arguments": ["--config-dir=/etc/nova/conf.d", "--debug"]}},
            "nova-compute names no file of options",
        ),
        ({"nova-compute": NOVA, "neutron-ovn-metadata-agent": AGENT}, "not renewed in place"),
    ],
)
def test_what_is_not_understood_is_refused(
    context: Context, running: dict[str, Any], said: str
) -> None:
    host = Compute(running)
    with pytest.raises(PreconditionError, match=said):
        in_place.renew(context, host)
    assert not host.files


def test_a_unit_that_has_not_started_yet_is_not_left_behind(context: Context) -> None:
    """After a boot of the host: it would run the old release later, and nobody look for it."""
    host = Compute({"nova-compute": NOVA})
    host.resting = ["neutron-openvswitch-agent"]
    (found,) = in_place.strange(context, host)
    assert "neutron-openvswitch-agent is enabled there and does not run" in found.message
    with pytest.raises(PreconditionError, match="does not run"):
        in_place.renew(context, host)
    assert not host.files


def test_all_that_is_not_understood_is_told_together(context: Context) -> None:
    odd = {**NOVA, "program": "/opt/x/nova-compute", "arguments": ["--config-file", "a b"]}
    host = Compute({"nova-compute": odd, "neutron-ovn-metadata-agent": AGENT})
    host.later = {"nova-compute": ["/etc/systemd/system/nova-compute.service.d/zz.conf"]}
    found: list[Finding] = in_place.strange(context, host)
    assert [one.where for one in found] == ["compute"] * 4
    told = "; ".join(one.message for one in found)
    for words in ("not renewed in place", "runs as /opt/x", "'a b'", "zz.conf is read after"):
        assert words in told
    assert in_place.strange(context, Compute({"nova-compute": NOVA})) == []


def test_a_drop_in_that_would_undo_ours_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {
        "a.conf": "[Service]\nExecStart=\nExecStart=/usr/bin/x\n",
        "zz.conf": "[Service]\n  Environment = PATH=/b\n",
        "zzz.conf": "[Service]\nLimitNOFILE=9\nEnvironment=HTTPS_PROXY=http://p\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    paths = " ".join(str(tmp_path / name) for name in texts)
    monkeypatch.setattr(systemd, "run", lambda *_: f"{paths}\n")
    found = exchange.overriding(["nova-compute"], in_place.DROP_IN_NAME)
    assert found == {"nova-compute": [str(tmp_path / "zz.conf")]}


def test_a_host_without_its_identity_is_refused_before_anything_is_done(context: Context) -> None:
    host = Compute({"nova-compute": NOVA})
    host.gone = ["/var/lib/nova/compute_id"]
    (found,) = in_place.strange(context, host)
    assert "/var/lib/nova/compute_id is not there" in found.message
    assert "openstack hypervisor show compute" in found.remedy
    with pytest.raises(PreconditionError, match="compute_id"):
        in_place.renew(context, host)
    assert host.files == {}


def test_a_unit_that_does_not_come_up_is_told(context: Context) -> None:
    host = Compute({"nova-compute": NOVA}, comes_up=False)
    with pytest.raises(StepError, match="compute: nova-compute is failed"):
        in_place.renew(context, host)


@pytest.mark.parametrize(
    ("words", "program", "arguments"),
    [
        (["/usr/bin/python3", "/usr/bin/a-b", "--x"], "/usr/bin/a-b", ["--x"]),
        (["/opt/o/bin/python", "/opt/o/bin/a-b"], "/opt/o/bin/a-b", []),
        (["a-b (/usr/bin/python3 /usr/bin/a-b --x --y=z)"], "/usr/bin/a-b", ["--x", "--y=z"]),
        (["a-b: master process [/opt/o/bin/a-b --x --y=z]"], "/opt/o/bin/a-b", ["--x", "--y=z"]),
        (["/usr/bin/python3", "/opt/kolla/start", "a-b"], "a-b", []),
        (["/bin/sh", "-c", "exec a-b"], "", ["/bin/sh", "-c", "exec a-b"]),
    ],
)
def test_a_command_line_is_read(words: list[str], program: str, arguments: list[str]) -> None:
    assert exchange.command(words, "a-b") == {"program": program, "arguments": arguments}
