"""The lab's configuration: what is written for which service, and that passwords survive it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from migrate.cloud import settings
from tests.lab import carrier, configuration, units
from tests.lab.rig import RIG
from tests.lab.settings import ALL, Lab
from tests.lab.stack import STACK

LAB = Lab()
OWNERS = [*ALL, "rabbit", "admin", "demo", "metadata", *(f"db {name}" for name in ALL)]


@pytest.mark.parametrize(
    "service", ["keystone", "glance", "placement", "neutron", "cinder", "heat"]
)
def test_database_url_carries_the_password(service: str) -> None:
    name = f"{service}/{'glance-api' if service == 'glance' else service}.conf"
    text = configuration.rendered(LAB, LAB.controller, f"controller/etc/{name}")
    (url,) = re.findall(r"(?m)^connection = (.*)$", text)
    found = urlsplit(url)
    assert (found.username, unquote(found.password or "")) == (
        service,
        LAB.password(f"db {service}"),
    )
    assert found.hostname == LAB.vip
    assert "%" not in url  # alembic's configuration would not take it


def test_broker_url_carries_the_password() -> None:
    text = configuration.rendered(LAB, "cmp1", "compute/etc/neutron/neutron.conf")
    (url,) = re.findall(r"(?m)^transport_url = (.*)$", text)
    assert unquote(urlsplit(url).password or "") == LAB.password("rabbit")
    assert "%" in url  # the broker's password needs quoting, as some real ones do


def test_no_two_owners_share_a_password() -> None:
    assert len({LAB.password(owner) for owner in OWNERS}) == len(OWNERS)


def test_a_key_that_is_written_twice_stays_twice() -> None:
    text = configuration.rendered(LAB, LAB.controller, "controller/etc/nova/nova.conf")
    assert text.count("\nalias = {") == 2


def test_the_rig_has_the_files_of_its_services_alone(tmp_path: Path) -> None:
    for name in ("keystone", "glance"):
        (tmp_path / "etc" / name).mkdir(parents=True)
    (tmp_path / "etc/default").mkdir()
    (tmp_path / "etc/keystone/keystone-uwsgi.ini").write_text("processes = 8\nthreads = 32\n")
    configuration.write_controller(RIG, tmp_path)
    folders = {path.name for path in (tmp_path / "etc").iterdir()}
    assert folders.isdisjoint({"nova", "neutron", "cinder", "heat", "placement", "apache2"})
    tamed = (tmp_path / "etc/keystone/keystone-uwsgi.ini").read_text()
    assert tamed == "processes = 2\nthreads = 4\n"
    proxy = (tmp_path / "etc/haproxy/haproxy.cfg").read_text()
    assert re.findall(r"(?m)^listen (\w+)$", proxy) == ["keystone", "glance"]


def test_services_name_the_virtual_ip_alone() -> None:
    for path in sorted((configuration.FILES / "controller/etc").rglob("*.conf")):
        template = str(path.relative_to(configuration.FILES))
        text = configuration.rendered(LAB, LAB.controller, template)
        for url in re.findall(
            r"(?m)^(?!novncproxy).* = \w+(?:\+\w+)?://(?:[^@\s]*@)?([\d.]+)", text
        ):
            assert url == LAB.vip, template


def test_every_service_has_units_and_a_schema() -> None:
    assert set(units.APIS) == set(ALL)
    assert set(units.schemas(ALL).values()) == set(ALL) - {"horizon"}


def test_a_network_host_has_files_that_others_have(tmp_path: Path) -> None:
    configuration.write_network_host(carrier.beside(LAB), carrier.NAME, tmp_path)
    written = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file()}
    names = ("dhcp_agent.ini", "l3_agent.ini", "metadata_agent.ini", "neutron.conf")
    assert written >= {f"etc/neutron/{one}" for one in names}
    assert "usr/local/sbin/provider-bridge" in written
    told = (tmp_path / "etc/neutron/metadata_agent.ini").read_text()
    assert f"nova_metadata_host = {LAB.vip}\n" in told


def test_the_stack_file_names_a_network_host_for_a_while() -> None:
    file = settings.stack_file(STACK)
    before = file.read_text()
    with carrier.named():
        (one,) = settings.load(STACK).source.network_hosts
        assert (one.name, str(one.address)) == (carrier.NAME, carrier.beside(LAB).addresses["net1"])
    assert file.read_text() == before
