"""The tables of a controller: services, packages, accounts, and the lock that decides."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from infra.controller import EVERY, PARTS, Place, differing, packages, services, venv
from infra.controller.daemons import CACHE, DATABASE
from infra.resources import parts
from migrate.errors import SettingsError
from migrate.services import units

PLACE = Place(release="2026.1", address="10.0.0.12", virtual_ips=("10.0.0.10",))


def text_of(path: str) -> str:
    (found,) = (file.text for file in services.files(PLACE) if file.path == path)
    return found


def uwsgi(name: str) -> str:
    return text_of(f"/etc/sidestep/uwsgi/{name}.ini")


def unit(name: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text_of(f"/etc/systemd/system/{name}.service"))
    return parser


def test_no_two_services_share_a_port_and_all_listen_on_the_own_address() -> None:
    apis = [one for one in units() if one.port]
    assert len({one.port for one in apis}) == len(apis) == 10
    for one in apis:
        assert f"http-socket = 10.0.0.12:{one.port}\n" in uwsgi(one.name)


def test_glance_takes_chunked_uploads_and_neutron_finds_both_its_files() -> None:
    assert "http-auto-chunked = true" in uwsgi("glance-api")
    files = "/etc/neutron/neutron.conf;/etc/neutron/plugins/ml2/ml2_conf.ini"
    assert f"env = OS_NEUTRON_CONFIG_FILES={files}\n" in uwsgi("neutron-api")


def test_horizon_is_mounted_below_its_webroot_and_has_no_module() -> None:
    made = uwsgi("horizon")
    assert "mount = /horizon=openstack_dashboard.wsgi:application\n" in made
    assert "static-map = /horizon/static=/var/lib/horizon/static\n" in made
    assert "\nmodule" not in made


def test_agents_leave_tenants_processes_alone_when_they_stop() -> None:
    for name in ("neutron-l3-agent", "neutron-dhcp-agent"):
        assert unit(name)["Service"]["KillMode"] == "process"
    assert unit("nova-api")["Service"]["KillMode"] == "mixed"


def test_programs_run_as_their_service_and_uwsgi_gives_root_up_itself() -> None:
    assert unit("nova-conductor")["Service"]["User"] == "nova"
    assert unit("nova-api")["Service"]["User"] == "root"
    assert "uid = nova\n" in uwsgi("nova-api")
    command = unit("cinder-volume")["Service"]["ExecStart"]
    assert command.startswith("/opt/openstack/2026.1/bin/cinder-volume --config-file ")


def test_every_locked_distribution_is_as_upstream_constrains_it() -> None:
    constraints = dict(
        re.findall(r"^([A-Za-z0-9._-]+)===([^\s;]+)$", venv.pins("2026.1", "constraints.txt"), re.M)
    )
    allowed = {re.sub(r"[-_.]+", "-", name).lower(): v for name, v in constraints.items()}
    locked = venv.locked("2026.1")
    assert len(locked) > 200
    assert {n: v for n, v in locked.items() if allowed.get(n, v) != v} == {}


def test_the_services_are_locked_at_the_versions_asked_for_and_all_by_hash() -> None:
    asked = re.findall(r"^(\S+)==(\S+)$", venv.pins("2026.1", "requirements.in"), re.M)
    assert len(asked) == 8
    assert {venv.locked("2026.1")[name.lower()] for name, _ in asked} == {v for _, v in asked}
    entries = re.split(r"^(?=[A-Za-z0-9])", venv.pins("2026.1", "lock.txt"), flags=re.M)[1:]
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_an_unknown_release_names_those_there_are() -> None:
    with pytest.raises(SettingsError, match=r"no pins for release 2031\.1; .* 2026\.1"):
        PARTS["release"].wanted(Place(release="2031.1", address="10.0.0.12"))


def test_the_database_logs_in_a_domain_of_its_own_and_memcached_is_not_for_everybody() -> None:
    (file,) = DATABASE.make_files(PLACE)
    assert "gtid_domain_id = 20261\n" in file.text
    assert f"server_id = {10 * 2**24 + 12}\n" in file.text
    (cache,) = CACHE.make_files(PLACE)
    assert " -l 127.0.0.1,10.0.0.12,10.0.0.10\n" in cache.text


def test_a_client_of_ceph_is_made_for_a_stack_that_asks_and_its_modules_belong_to_it() -> None:
    assert "ceph" not in PARTS
    wanted = EVERY["ceph"].wanted(PLACE)
    assert set(wanted["packages"]) == {"ceph-common", "python3-rados", "python3-rbd"}
    assert wanted["modules"] == ["rados", "rbd"]
    assert not set(wanted["packages"]) & set(packages.names())
    assert differing(wanted, {**wanted, "modules": ["rados"]}) == ["modules"]


def test_packages_of_a_monitor_go_before_those_of_the_client_that_they_need() -> None:
    found = parts.wanted(client=True, monitor=True)
    assert list(found)[-2:] == [parts.Ceph, parts.CephDaemons]
    assert found[parts.CephDaemons] == (parts.Ceph,)
    alone = parts.wanted(client=False, monitor=True)
    assert parts.Ceph not in alone
    assert alone[parts.CephDaemons] == (parts.Packages,)
    assert parts.wanted(client=False, monitor=False) == parts.NEEDS
    assert "ceph-base" in EVERY["ceph-daemons"].wanted(PLACE)["packages"]


def test_data_of_a_ceph_in_containers_stays_where_our_client_goes(tmp_path: Path) -> None:
    monitor = tmp_path / "ceph" / "f5" / "mon"
    monitor.mkdir(parents=True)
    text = packages.ERASE.replace("/etc/iproute2", str(tmp_path / "none"))
    text = text.replace("/var/lib/ceph", str(tmp_path / "ceph"))
    ours = [one.replace("/var/lib", str(tmp_path)) for one in packages.FOLDERS["ceph-common"]]
    erase = ["sh", "-c", text, "sh", "", "", *(one for one in ours if str(tmp_path) in one)]
    subprocess.run(erase, check=True)
    assert monitor.is_dir()
    shutil.rmtree(tmp_path / "ceph" / "f5")
    subprocess.run(erase, check=True)
    assert not (tmp_path / "ceph").exists()


def test_what_is_not_as_wanted_is_named() -> None:
    wanted = PARTS["packages"].wanted(PLACE)
    found = {"packages": {n: v for n, v in wanted["packages"].items() if n != "keepalived"}}
    assert differing(wanted, found) == ["packages"]
    assert differing(wanted, wanted) == []
    assert "net-tools" in packages.names()
