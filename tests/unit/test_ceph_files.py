"""Ceph's configuration and the services' keys: which are carried, to whom, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.checks import QUICK, ceph
from migrate.cloud import Cloud, Context
from migrate.cloud.settings import parse
from migrate.configuration import service_options
from migrate.engine import markers
from migrate.errors import PreconditionError, UnreachableError
from migrate.onhost import files as onhost_files
from migrate.onhost import record, undo
from migrate.services import RECIPES, chosen
from migrate.storage.backends import supporting
from migrate.storage.rbd import ceph_conf, client, client_files, clients
from tests.unit.ceph_hosts import CEPH, CephHost
from tests.unit.fakes import STACK, FakeHost

CONF = "[global]\nfsid = f5\nmon host = 10.0.0.7\n"
GLANCE = "[DEFAULT]\nenabled_backends = r:rbd\n[r]\nrbd_store_user = glance\n"
CINDER = """
[DEFAULT]
enabled_backends = nfs1, r
[nfs1]
volume_driver = cinder.volume.drivers.nfs.NfsDriver
[backend_defaults]
rbd_user = cinder
[r]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
"""
KEY = "[client.{}]\n\tkey = AQsecret==\n"
SOURCE = {
    "/etc/glance/glance-api.conf": GLANCE,
    "/etc/cinder/cinder.conf": CINDER,
    "/etc/ceph/ceph.conf": CONF,
    "/etc/ceph/ceph.client.glance.keyring": KEY.format("glance"),
    "/etc/ceph/ceph.client.cinder.keyring": KEY.format("cinder"),
}


@pytest.mark.parametrize(
    ("text", "option", "value"),
    [
        ("[global]\nkeyring = /a\n", "keyring", "/a"),
        ("[client.glance]\nkeyring = /b\n[global]\nkeyring = /a\n", "keyring", "/b"),
        ("[client]\nkeyring=/c\n[global]\nkeyring = /a\n", "keyring", "/c"),
        ("[client.cinder]\nkeyring = /b\n", "keyring", ""),
        ("[global]\nmon host = 10.0.0.7 ; old one\n", "mon_host", "10.0.0.7"),
        ("[global]\nmon-host = 10.0.0.7\n", "mon_host", "10.0.0.7"),
        ("# keyring = /a\n; keyring = /b\n", "keyring", ""),
        ('[ client.glance ]\n  keyring = "/d"  # why\n', "keyring", "/d"),
    ],
)
def test_an_option_of_a_ceph_conf(text: str, option: str, value: str) -> None:
    assert ceph_conf.get(text, "client.glance", option) == value


def test_where_a_key_is_looked_for() -> None:
    usual = ceph_conf.keyrings(CONF, "client.glance", "ceph")
    assert usual[0] == "/etc/ceph/ceph.client.glance.keyring"
    assert usual[1] == "/etc/ceph/ceph.keyring"
    own = "[client]\nkeyring = /keys/$cluster-$id, /keys/${type}\n"
    assert ceph_conf.keyrings(own, "client.glance", "east") == ["/keys/east-glance", "/keys/client"]


class Source(FakeHost):
    """A source's controller with these files."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__("old")
        self.texts = texts

    def python(
        self,
        source: str,
        payload: Any = None,
        timeout: float = 60,
        interpreter: Sequence[str] = (),
    ) -> Any:
        function = source.splitlines()[0].lstrip("# ")
        patterns = payload["arguments"][0] if payload["arguments"] else []
        there = {
            path: text
            for path, text in self.texts.items()
            if any(Path(path).match(pattern) for pattern in patterns)
        }
        if function == "configured.read":
            return {"texts": there, "given": {}}
        assert function == "files.read"
        return there


class Target(FakeHost):
    """A target's controller whose Python has *modules*."""

    modules: tuple[str, ...] = ("rados", "rbd")

    def python(self, source: str, payload: Any = None, *_: Any, **__: Any) -> Any:
        assert source.startswith("# packages.folders")
        return {one: "/usr/lib" for one in payload["arguments"][0] if one in self.modules}


def context(home: Path, texts: dict[str, str], *, told: bool = True) -> Context:
    settings = parse({**STACK, "ceph": {"clients": told}}, "test", home)
    source = Cloud("source", "2025.1", (Source(texts),), (), settings.source.virtual_ips)
    target = Cloud("target", "2026.1", (Target("new"),), (), settings.source.virtual_ips)
    return Context("test", settings, source, target, home, RECIPES)


def test_a_key_is_for_its_service_alone(tmp_path: Path) -> None:
    found = {one.path: one for one in client_files.wanted(context(tmp_path, SOURCE), 0)}
    assert {path: (one.mode, one.owner) for path, one in found.items()} == {
        "/etc/ceph/ceph.conf": (0o644, "root:root"),
        "/etc/ceph/ceph.client.glance.keyring": (0o640, "root:glance"),
        "/etc/ceph/ceph.client.cinder.keyring": (0o640, "root:cinder"),
    }
    assert found["/etc/ceph/ceph.client.glance.keyring"].text == KEY.format("glance")


def test_who_uses_no_rbd_has_nothing_carried_and_is_asked_nothing(tmp_path: Path) -> None:
    nfs = CINDER.replace("nfs1, r", "nfs1")
    without = {"/etc/glance/glance-api.conf": "", "/etc/cinder/cinder.conf": nfs}
    found = context(tmp_path, without, told=False)
    assert client_files.wanted(found, 0) == []
    assert list(client_files.findings(found)) == []


def test_a_target_that_is_no_client_is_told_before_the_window_too() -> None:
    """The services' own back ends are, and what they need of the target may have changed."""
    assert ceph.run in {one.ask for one in QUICK}


@pytest.mark.parametrize(
    ("text", "addresses", "told"),
    [
        ("[global]\nfsid = f5\nmon host = 10.0.0.7\n", "new", True),
        ("[global]\nmon host = 10.0.0.7\n", "new", True),
        ("[global]\nfsid = e4\nmon host = 10.1.0.7\n", "new", False),  # another cluster
        ("[global]\nfsid = f5\nmon host = 10.0.0.7\n", "keep", False),
    ],
)
def test_a_file_that_is_not_told_of_new_monitors_is_told_before(
    tmp_path: Path, text: str, addresses: str, *, told: bool
) -> None:
    other = f"{GLANCE}rbd_store_ceph_conf = /etc/ceph/glance.conf\n"
    texts = {"/etc/glance/glance-api.conf": other, "/etc/ceph/glance.conf": text}
    found = context(tmp_path, {**SOURCE, **texts})
    ceph_ = {**CEPH, "clients": True, "addresses": addresses}
    settings = parse({**STACK, "ceph": ceph_}, "test", tmp_path)
    new = CephHost("new")
    new.answers["packages.folders"] = ["rados", "rbd"]
    target = replace(found.target, controllers=(new,))
    findings = client_files.findings(replace(found, settings=settings, target=target))
    assert [f"{one.where}: {one.message}" for one in findings] == [
        "old: glance reads /etc/ceph/glance.conf, and new monitors are written into "
        "/etc/ceph/ceph.conf alone"
    ] * told


SHARED = {**SOURCE, "/etc/cinder/cinder.conf": CINDER.replace("= cinder\n", "= glance\n")}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"/etc/ceph/ceph.client.glance.keyring": None}, "client.glance has no keyring at /etc"),
        ({"/etc/ceph/ceph.conf": None}, "names /etc/ceph/ceph.conf, which is not there"),
        ({"/etc/ceph/ceph.conf": "[client]\nkey = AQ==\n"}, "sets `key` for client"),
        ({"/etc/ceph/ceph.conf": "[client]\nkeyfile = /k\n"}, "sets `keyfile` for client"),
        ({"/etc/ceph/ceph.conf": "[client.rgw]\nkey = AQ==\n"}, "sets `key` for client.rgw"),
        (SHARED, "ceph.client.glance.keyring is read by two services"),
        (
            {"/etc/ceph/ceph.client.glance.keyring": KEY.format("glance") + KEY.format("admin")},
            "glance.keyring has the key of client.admin too",
        ),
    ],
)
def test_what_cannot_be_carried_is_refused(
    tmp_path: Path, change: dict[str, str | None], told: str
) -> None:
    texts = {path: text for path, text in {**SOURCE, **change}.items() if text is not None}
    found = context(tmp_path, texts)
    with pytest.raises(PreconditionError, match=told):
        client_files.wanted(found, 0)
    (finding,) = client_files.findings(found)
    assert told in finding.message
    assert "AQ" not in finding.message


def test_a_stack_that_does_not_say_so_and_a_target_without_the_modules(tmp_path: Path) -> None:
    assert list(client_files.findings(context(tmp_path, SOURCE))) == []
    found = context(tmp_path, SOURCE, told=False)
    found.target.controllers[0].modules = ("rados",)  # type: ignore[attr-defined]
    silent, absent = client_files.findings(found)
    assert "glance, cinder use Ceph's RBD" in silent.message
    assert "clients: true" in silent.remedy
    assert "has no rbd" in absent.message
    assert "python3-rbd" in absent.remedy


@pytest.mark.parametrize(
    ("project", "text", "told"),
    [
        ("glance", "[DEFAULT]\nenabled_backends = r:rbd\n", ["logs in as client.admin"]),
        ("glance", GLANCE, []),
        ("glance", "[glance_store]\nstores = rbd\ndefault_store = rbd\nrbd_store_user = g\n", []),
        ("cinder", CINDER, []),
        ("cinder", CINDER.replace("= cinder\n", "= admin\n"), ["logs in as client.admin"]),
        ("cinder", f"{CINDER}replication_device = backend_id:x\n", ["replicates to another"]),
    ],
)
def test_what_forbids_a_client(project: str, text: str, told: list[str]) -> None:
    (recipe,) = chosen([project])
    storage = recipe.storage
    assert storage
    found = [
        one
        for config in storage.backends(service_options.parsed({"f": text}))
        if clients.on_rbd(storage.keeps, config)
        for backend in [supporting(storage.keeps, config)]
        if backend
        for one in backend.findings(config)
    ]
    assert [word for one, word in zip(found, told, strict=True) if word not in one.message] == []
    assert all(one.remedy for one in found)


def test_what_counts_where_nothing_is_said() -> None:
    (recipe,) = chosen(["cinder"])
    assert recipe.storage
    *_, config = recipe.storage.backends(service_options.parsed({"f": CINDER}))
    found = client.of(config, clients.NAMES["volumes"])
    assert found == client.Client("/etc/ceph/ceph.conf", "cinder", "rbd", "ceph")


class Compute(FakeHost):
    """A compute host with this nova.conf, and with two ceph.conf, of one cluster."""

    text = ""

    def python(self, source: str, payload: Any = None, *_: Any, **__: Any) -> Any:
        if source.startswith("# files.read"):
            return dict.fromkeys(payload["arguments"][0], CONF)
        assert source.startswith("# hypervisor.settings")
        if self.dead:
            raise UnreachableError("away", self.name)
        return {"texts": {"/etc/nova/nova.conf": self.text}, "given": {}}


def test_nova_that_reads_another_ceph_conf_is_told_before(tmp_path: Path) -> None:
    hosts = [Compute("c1"), Compute("c2"), Compute("c3", dead=True)]
    for host in hosts:
        host.text = "[libvirt]\nimages_type = rbd\n"
    hosts[0].text += "images_rbd_ceph_conf = /etc/ceph/nova.conf\n"
    hosts[1].text += "images_rbd_ceph_conf = /etc/ceph/ceph.conf\n"
    found = context(tmp_path, {})
    source = Cloud("source", "2025.1", found.source.controllers, tuple(hosts), ())
    for addresses, told in (("new", ["c1: nova reads /etc/ceph/nova.conf"]), ("keep", [])):
        settings = parse({**STACK, "ceph": {**CEPH, "addresses": addresses}}, "test", tmp_path)
        findings = ceph.run(replace(found, settings=settings, source=source))
        said = [f"{one.where}: {one.message}" for one in findings if " reads " in one.message]
        assert [one.partition(",")[0] for one in said] == told


class Here(FakeHost):
    """A target's controller whose files are this machine's, below a folder of the test."""

    def python(self, source: str, payload: Any = None, *_: Any, **__: Any) -> Any:
        module, function = source.splitlines()[0].lstrip("# ").split(".")
        program: Any = {"files": onhost_files, "undo": undo}[module]
        return json.loads(json.dumps(getattr(program, function)(*payload["arguments"])))


def test_files_are_carried_and_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid():
        pytest.skip("only root gives files away")
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "notes"))
    monkeypatch.setattr(markers, "refuse_when_live", lambda _: None)
    conf, keyring, own = (tmp_path / one for one in ("ceph.conf", "glance.keyring", "own"))
    texts = {
        "/etc/glance/glance-api.conf": f"{GLANCE}rbd_store_ceph_conf = {conf}\n",
        str(conf): f"[client]\nkeyring = {keyring}\n",
        str(keyring): KEY.format("glance"),
    }
    found = context(tmp_path, texts)
    recipes = tuple(replace(one, user="root") for one in chosen(["glance"]))
    target = Cloud("target", "2026.1", (Here("new"),), (), ())
    found = replace(found, target=target, recipes=recipes)
    conf.write_text("what the package has put there")
    conf.chmod(0o600)
    own.write_text("nobody's business")
    assert not client_files.carried(found)
    for _ in range(2):
        client_files.carry(found)
        assert client_files.carried(found)
    assert keyring.read_text() == KEY.format("glance")
    assert keyring.stat().st_mode & 0o777 == 0o640
    texts[str(keyring)] = KEY.format("glance").replace(
        "secret", "another"
    )  # the source's has changed
    assert not client_files.carried(found)
    client_files.restore(found)
    assert not keyring.exists()
    assert conf.read_text() == "what the package has put there"
    assert conf.stat().st_mode & 0o777 == 0o600
    assert own.exists()
