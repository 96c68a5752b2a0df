"""The program with a real engine on a real machine: drift, repair, and a cloud that serves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import nspawn
from infra.nspawn import Bridge, Machine, layers
from migrate.cloud.host import Host, SshHost
from tests.infra.engine import REPOSITORY, STACK, Project

pytestmark = pytest.mark.integration

VENV = "/opt/openstack/2026.1"
BRIDGE = Bridge(name="br-sdtest", address="10.79.0.1/24")
DAEMONS = ("mariadb", "rabbitmq-server", "memcached", "haproxy")
GO_BACK = f"MIGRATE_GO_BACK={STACK} pulumi destroy"


class Site:
    """An old controller that holds the virtual IP, and a stack that has made the new one."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.old_machine = Machine(
            name="t-old", address="10.79.0.11", bridge=BRIDGE, home=home, layers=(layers.bare(),)
        )
        self.new_machine = Machine(
            name="t-new", address="10.79.0.12", bridge=BRIDGE, home=home, layers=()
        )
        self.config: dict[str, Any] = {
            "provider": "lab",
            "source": {
                "release": "2025.1",
                "controllers": [{"name": "t-old", "address": "10.79.0.11"}],
                "virtualIps": [{"address": "10.79.0.10", "interface": "host0", "prefix": 24}],
            },
            "target": {
                "release": "2026.1",
                "controllers": [{"name": "t-new", "address": "10.79.0.12"}],
            },
            "ssh": {
                "user": "operator",
                "key": str(nspawn.key(home)),
                "knownHosts": str(nspawn.known_hosts(home)),
            },
            "cloud": {"name": "nobody"},
            "machine": {
                "home": str(home),
                "bridge": {"name": BRIDGE.name, "address": BRIDGE.address},
            },
        }
        self.project = Project(home / "project", self.config)

    def host(self, machine: Machine) -> SshHost:
        return SshHost(
            machine.name,
            machine.address,
            user="operator",
            key=nspawn.key(self.home),
            known_hosts=nspawn.known_hosts(self.home),
        )

    @property
    def old(self) -> Host:
        return self.host(self.old_machine)

    @property
    def new(self) -> Host:
        return self.host(self.new_machine)

    def stand(self) -> dict[str, str]:
        """What must stay when Pulumi refuses: boots, addresses, the very processes, the state."""
        show = ("systemctl", "show", "-p", "Id,MainPID,ActiveEnterTimestampMonotonic", *DAEMONS)
        return {
            "old addresses": self.old.run("ip", "-br", "-4", "address"),
            "new addresses": self.new.run("ip", "-br", "-4", "address"),
            "boots": self.old.read("/proc/1/stat").split()[21]
            + self.new.read("/proc/1/stat").split()[21],
            "daemons": self.new.run(*show),
            "resources": "\n".join(self.project.urns()),
        }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Both machines, the new one by `pulumi up`."""
    home = tmp_path_factory.mktemp("site")
    nspawn.bridge.create(BRIDGE)
    made = Site(home)
    try:
        nspawn.create(made.old_machine)
        nspawn.start(made.old_machine)
        nspawn.wait_for_ssh(made.old_machine)
        made.old.run("ip", "address", "add", "10.79.0.10/24", "dev", "host0")
        made.project.up()
        yield made
    finally:
        for name in nspawn.left_in(home):
            nspawn.remove(home, name)
        nspawn.bridge.delete(BRIDGE)


@pytest.fixture
def serving(site: Site) -> Iterator[Site]:
    """The same after a cutover: the old controller says that writes were released."""
    mark = {"stage": "released", "stack": STACK, "source": "x", "fence": "x", "at": 1.0}
    site.old.run("install", "-d", "-m", "700", "/var/lib/migrate")
    site.old.write("/var/lib/migrate/marker.json", json.dumps([mark]), mode=0o600)
    entry, code = site.project.entry.read_text(), site.project.code
    yield site
    site.project.entry.write_text(entry)
    site.project.code = code
    site.project.write(site.config)
    site.old.run("rm", "-rf", "/var/lib/migrate")


def test_a_second_up_changes_nothing_and_the_outputs_are_what_is_promised(site: Site) -> None:
    assert site.project.changes() == {}
    outputs = json.loads(site.project.pulumi("stack", "output", "--json", "--stack", STACK))
    identity = site.new.read("/etc/machine-id").strip()
    assert outputs == {
        "provider": "lab",
        "release": "2026.1",
        "environment": VENV,
        "targetControllers": [{"name": "t-new", "address": "10.79.0.12", "identity": identity}],
        "virtualIps": ["10.79.0.10"],
    }


def test_the_target_is_installed_and_empty_and_no_service_is_started(site: Site) -> None:
    new = site.new
    assert new.succeeds(f"{VENV}/bin/nova-manage", "--version", timeout=300)
    running = new.run("systemctl", "list-units", "--type=service", "--state=running", "--plain")
    for service in ("keystone", "nova-", "neutron-", "cinder-", "heat-", "glance-", "horizon"):
        assert f"\n{service}" not in running
    shown = new.run("mariadb", "-N", stdin="SHOW DATABASES; SELECT @@gtid_domain_id, @@log_bin;")
    assert set(shown.split()) == {
        *("information_schema", "mysql", "performance_schema", "sys", "20261", "1"),
    }
    assert new.run("rabbitmqctl", "-q", "list_queues").split() in ([], ["name", "messages"])


@pytest.mark.in_set("engine")
def test_what_has_drifted_is_named_and_mended(site: Site) -> None:
    new = site.new
    new.run("systemctl", "stop", "memcached")
    new.run("dpkg", "--remove", "keepalived", timeout=120)
    new.run("rm", "/etc/systemd/system/nova-api.service")
    new.shell("echo '# by hand' >> /etc/mysql/mariadb.conf.d/70-sidestep.cnf")
    new.shell(f"rm -r {VENV}/lib/python3.13/site-packages/pymemcache-*.dist-info")
    shown = site.project.pulumi("preview", "--refresh", "--diff")
    for told in ("running: false => true", '+ keepalived : "installed"', "nova-api.service"):
        assert told in " ".join(shown.split()), shown
    assert "pymemcache==" in shown
    assert site.project.changes() == {
        f"t-new-{part}": "update" for part in ("cache", "packages", "units", "database", "release")
    }
    site.project.up("--refresh")
    assert site.project.changes() == {}
    assert new.succeeds("systemctl", "is-active", "memcached")
    assert not new.succeeds("systemctl", "is-active", "keepalived")


@pytest.mark.in_set("engine")
def test_a_cutover_is_refused_for_drift_before_anything_changes(site: Site) -> None:
    """By a preview of the engine itself; nothing else is asked of a source that is none."""
    site.new.run("systemctl", "stop", "memcached")
    before = site.stand()
    try:
        said = site.project.migrate("cutover", "--execute", "--confirm", STACK, ends=3)
        assert "a preview shows changes (" in said
        assert "update t-new-cache" in said
        assert "run `pulumi up` first" in said
        assert site.stand() == before
        assert not site.old.exists("/var/lib/migrate/lock.json")
    finally:
        site.new.run("systemctl", "start", "memcached")
    assert site.project.changes() == {}


@pytest.mark.in_set("engine")
def test_a_changed_input_changes_only_what_depends_on_it(site: Site) -> None:
    more = {"address": "10.79.0.9", "interface": "host0", "prefix": 24}
    source = site.config["source"]
    ips = [*source["virtualIps"], more]
    site.project.write({**site.config, "source": {**source, "virtualIps": ips}})
    try:
        assert site.project.changes() == dict.fromkeys(
            ("gate", "takeover", "t-new-cache"), "update"
        )
    finally:
        site.project.write(site.config)


def test_destroy_refuses_and_prints_the_line_that_goes_back(serving: Site) -> None:
    before = serving.stand()
    said = serving.project.refused("destroy", "--yes", "--skip-preview")
    assert GO_BACK in said
    assert serving.stand() == before


@pytest.mark.in_set("engine")
def test_naming_another_stack_does_not_go_back(serving: Site) -> None:
    before = serving.stand()
    said = serving.project.refused("destroy", "--yes", "--skip-preview", go_back="lab")
    assert GO_BACK in said
    assert serving.stand() == before


@pytest.mark.in_set("engine")
def test_a_renamed_controller_is_refused(serving: Site) -> None:
    before = serving.stand()
    renamed = [{"name": "t-two", "address": "10.79.0.12"}]
    target = {**serving.config["target"], "controllers": renamed}
    serving.project.write({**serving.config, "target": target})
    said = serving.project.refused("up", "--yes", "--skip-preview")
    assert "controllers would change" in said
    assert GO_BACK in said
    assert serving.stand() == before


@pytest.mark.in_set("engine")
@pytest.mark.parametrize("end", ["::takeover", "::t-new-container", "::t-new-release", "::gate"])
def test_a_replacement_by_hand_is_refused(serving: Site, end: str) -> None:
    before = serving.stand()
    urn = serving.project.urn(end)
    said = serving.project.refused("up", "--yes", "--skip-preview", "--replace", urn)
    assert GO_BACK in said
    assert serving.stand() == before


@pytest.mark.in_set("engine")
def test_a_new_release_pin_is_refused(serving: Site, tmp_path: Path) -> None:
    before = serving.stand()
    shutil.copytree(REPOSITORY / "migrate", tmp_path / "migrate")
    shutil.copytree(REPOSITORY / "infra", tmp_path / "infra")
    lock = tmp_path / "infra/controller/pins/2026.1/lock.txt"
    lock.write_text(lock.read_text().replace("nova==33.0.2", "nova==33.0.3"))
    serving.project.code = tmp_path
    said = serving.project.refused("up", "--yes", "--skip-preview")
    assert "lock would change" in said
    assert GO_BACK in said
    assert serving.stand() == before


@pytest.mark.in_set("engine")
def test_removed_lines_are_refused(serving: Site) -> None:
    before = serving.stand()
    serving.project.entry.write_text("# nothing is declared here any more\n")
    said = serving.project.refused("up", "--yes", "--skip-preview")
    assert GO_BACK in said
    assert serving.stand() == before


@pytest.mark.in_set("engine")
def test_on_a_cloud_that_serves_only_a_stopped_daemon_is_started(serving: Site) -> None:
    serving.new.run("systemctl", "stop", "memcached")
    serving.new.shell("echo '# by hand' >> /etc/mysql/mariadb.conf.d/70-sidestep.cnf")
    pid = serving.new.run("systemctl", "show", "-P", "MainPID", "mariadb")
    said = serving.project.refused("up", "--yes", "--skip-preview", "--refresh")
    assert "cannot change database of t-new" in said
    assert GO_BACK in said
    assert serving.new.run("systemctl", "show", "-P", "MainPID", "mariadb") == pid
    serving.new.shell("sed -i '/by hand/d' /etc/mysql/mariadb.conf.d/70-sidestep.cnf")
    serving.project.up("--refresh")
    assert serving.new.succeeds("systemctl", "is-active", "memcached")
    assert serving.new.run("systemctl", "show", "-P", "MainPID", "mariadb") == pid


@pytest.mark.in_set("engine")
def test_a_deleted_machine_is_seen_and_made_again(site: Site) -> None:
    nspawn.delete(site.new_machine)
    seen = site.project.changes()
    assert seen["t-new-container"] == "create"
    assert seen["t-new-database"] == "update"
    site.project.up("--refresh")
    assert site.project.changes() == {}


@pytest.mark.in_set("engine")
def test_a_dead_machine_does_not_make_destroy_hang(site: Site) -> None:
    nspawn.stop(site.new_machine, seconds=0)
    site.project.forget_takeover()  # the way back needs a whole source: tests/existing
    site.project.pulumi("destroy", "--yes", "--skip-preview", timeout=400)
    assert nspawn.left_in(site.home) == ["t-old"]
    assert site.project.urns() == []
