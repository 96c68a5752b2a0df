"""Which databases, brokers and caches configuration files name."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from migrate.cloud import named_servers
from migrate.onhost import peers

CONF = """
# transport_url = rabbit://nobody@10.9.9.9/
[DEFAULT]
transport_url = rabbit://nova:a%2Fb@10.0.0.10:5672,nova:a%2Fb@10.0.0.13/
[database]
connection = mysql+pymysql://nova:p();=&,w@10.0.0.10/nova?charset=utf8
slave_connection = mysql://nova@[fd00::10]:3307/nova
[keystone_authtoken]
memcached_servers = 10.0.0.11:11211,
    cache2
[cache]
backend_argument = url:10.0.0.14
memcache_servers = inet6:[fd00::1]:11212
[other]
auth_url = http://10.0.0.10:5000
name = value
"""
DJANGO = """
CACHES = {'default': {
    'BACKEND': 'django.core.cache.backends.memcached.PyMemcacheCache',
    'LOCATION': ['10.0.0.10:11211', '10.0.0.15:11211'],
}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nova").mkdir()
    (tmp_path / "nova/nova.conf").write_text(CONF)
    (tmp_path / "nova/local_settings.py").write_text(DJANGO)
    (tmp_path / "nova/nova.conf.dpkg-old").write_text("connection = mysql://10.9.9.9/nova\n")
    return tmp_path


def read(folders: list[Path]) -> list[named_servers.NamedServer]:
    told = peers.read([str(folder) for folder in folders])
    return named_servers.read(told["texts"], {"my_ip": "10.0.0.12"})


def test_every_server_is_named_with_file_line_and_option(folder: Path) -> None:
    found = {(e.where.rpartition("/")[2], e.kind, e.address, e.port) for e in read([folder])}
    assert found == {
        ("nova.conf:4 transport_url", "broker", "10.0.0.10", 5672),
        ("nova.conf:4 transport_url", "broker", "10.0.0.13", 5672),
        ("nova.conf:6 connection", "database", "10.0.0.10", 3306),
        ("nova.conf:7 slave_connection", "database", "fd00::10", 3307),
        ("nova.conf:9 memcached_servers", "cache", "10.0.0.11", 11211),
        ("nova.conf:10 memcached_servers", "cache", "cache2", 11211),
        ("nova.conf:12 backend_argument", "cache", "10.0.0.14", 11211),
        ("nova.conf:13 memcache_servers", "cache", "fd00::1", 11212),
        ("local_settings.py:4 LOCATION", "cache", "10.0.0.10", 11211),
        ("local_settings.py:4 LOCATION", "cache", "10.0.0.15", 11211),
    }


def test_a_changed_file_needs_another_proof(folder: Path) -> None:
    before = peers.read([str(folder)])["digest"]
    (folder / "nova/nova.conf").write_text(CONF.replace("10.0.0.13", "10.0.0.19"))
    assert peers.read([str(folder)])["digest"] != before


def test_a_server_of_this_host_that_is_no_database_does_not_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].sendall(b"hello"), daemon=True)
        thread.start()
        own, answer = peers.ask("database", *server.getsockname())
    with open(f"/proc/{os.getpid()}/comm") as stream:  # noqa: PTH123
        here = stream.read().strip()
    assert not own
    assert answer == f"{here} of this host, which is no database server"


def test_nobody_is_told_as_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    own, answer = peers.ask("broker", *address)
    assert (own, answer.split(":")[0]) == (False, "nobody")


def test_a_server_is_what_the_service_sees(folder: Path) -> None:
    """References, sections in capitals, folders beside the file, and what hosts work out."""
    text = "[DATABASE]\nconnection = mysql://nova:pa$$w@$my_ip/nova?ssl_ca=/x\n"
    (folder / "nova/nova.conf").write_text("[DEFAULT]\nport = 3307\n" + text)
    (folder / "nova/nova.conf.d").mkdir()
    more = "[api_database]\nconnection = mysql://nova@db.example:${DEFAULT.port}/a\n"
    more += "[x]\nconnection = mysql://nova@db.example:$port/a\n"
    (folder / "nova/nova.conf.d/a.conf").write_text(more)
    (folder / "nova/local_settings.py").unlink()
    assert [(e.address, e.port) for e in read([folder])] == [
        ("10.0.0.12", 3306),
        ("db.example", 0),  # as oslo.config: it knows no group by the name DEFAULT
        ("db.example", 3307),
    ]


@pytest.mark.parametrize("password", ["a,b", "a,b,c", "x:1,y"])
def test_a_password_with_a_comma_is_never_shown(password: str) -> None:
    found = list(named_servers.in_value("transport_url", f"rabbit://nova:{password}@10.0.0.10/,z"))
    assert [port for _, _, port in found].count(0) == password.count(",")
    assert {address for _, address, _ in found} == {"?", "10.0.0.10"}


def test_coordination_and_caches_of_other_kinds_are_named() -> None:
    """As kolla, TripleO and OSUOSL's cookbook write them."""
    text = """[coordination]
backend_url = redis://admin:N8c@10.0.1.13:26379?sentinel=kolla&socket_timeout=60
[a]
backend_url = redis://:chDW@192.0.2.7:6379/
[b]
backend_url = redis://:oslocks@mq1.testing.osuosl.org:26379?sentinel=oslocks&sentinel_fallback=mq2
[c]
backend_url = etcd3+http://[fd00::1]?api_version=v3
backend_url = file:///var/lib/cinder/coordination
"""
    found = named_servers.others({"/etc/cinder/cinder.conf": text}, {})
    assert [(one.kind, one.address, one.port) for one in found] == [
        ("redis", "10.0.1.13", 26379),
        ("redis", "192.0.2.7", 6379),
        ("redis", "mq1.testing.osuosl.org", 26379),
        ("redis", "mq2", 26379),
        ("etcd3+http", "fd00::1", 2379),
    ]
    assert not any("N8c" in str(one) or "chDW" in str(one) for one in found)


def test_every_sentinel_is_named_and_a_reference_that_nothing_fills() -> None:
    """tooz names more sentinels in its query, oslo.cache by options; a default is not guessed."""
    text = """[coordination]
backend_url = redis://:pw@h1:26379?sentinel=kolla&sentinel_fallback=h2:26379&sentinel_fallback=%5Bfd00::1%5D:1
[cache]
redis_sentinels = h3:26379, [fd00::2]:26379
redis_server = h4
memcache_servers = $nobody:11211
[database]
connection = ${else.connection}?charset=utf8
slave_connection = $scheme://n:secret@h/n
[other]
transport_url = $transport
backend_url = $coordination
"""
    texts = {"/etc/cinder/cinder.conf": text}
    found = [*named_servers.others(texts, {}), *named_servers.read(texts, {})]
    assert [(one.kind, one.address, one.port) for one in found] == [
        *(("redis", "h1", 26379), ("redis", "h2", 26379), ("redis", "fd00::1", 1)),
        *(("redis", "h3", 26379), ("redis", "fd00::2", 26379), ("redis", "h4", 6379)),
        ("redis", "$coordination", 0),
        ("cache", "$nobody", 11211),
        *(("database", "${else.connection}", 0), ("database", "$scheme", 0)),
        ("broker", "$transport", 0),
    ]
    assert "secret" not in str(found)


def test_a_default_of_the_release_is_a_server_too() -> None:
    text = "[cache]\nmemcache_servers = $where:11211\n[x]\nconnection = mysql://n:x@${x.host}/n\n"
    texts = {"/etc/nova/nova.conf": text, "/etc/heat/heat.conf": text}
    known = {"/etc/nova": lambda: {"where": "h1", "x.host": "h2"}}
    found = [
        (one.where.partition(":")[0], one.address) for one in named_servers.read(texts, {}, known)
    ]
    assert found == [
        *(("/etc/heat/heat.conf", "$where"), ("/etc/heat/heat.conf", "${x.host}")),
        *(("/etc/nova/nova.conf", "h1"), ("/etc/nova/nova.conf", "h2")),
    ]


def test_settings_of_horizon_in_one_line() -> None:
    """As we write them; what is off names nobody."""
    text = """from openstack_dashboard.settings import H
CACHES = {'default': {'BACKEND': 'x.Memcache', 'LOCATION': ['h1:11211', 'h2']}}
OPENSTACK_PROFILER = {'enabled': False, 'notifier_connection_string': 'redis://h3'}
H['cache'] = 'redis://:pw@h4/1'
DATABASES = {'default': {'LOCATION': 'h5:11211;h6:11211'}}
"""
    texts = {"/etc/horizon/local_settings.py": text}
    found = [*named_servers.others(texts, {}), *named_servers.read(texts, {})]
    assert [one.address for one in found] == ["h4", "h1", "h2", "h5", "h6"]


def test_what_installers_write() -> None:
    """openstack-ansible-os_gnocchi's sentinels; scripts whose `$CONTROLLER` stayed as it is."""
    text = """[coordination]
backend_url = redis://172.29.236.11:26379?sentinel=master01&sentinel_fallback=172.29.236.12:26379
[keystone_authtoken]
memcached_servers = ${CONTROLLER_IP}:11211
[database]
connection = mysql+pymysql://glance:x@$HOST_NAME:3306/glance
"""
    texts = {"/etc/glance/glance-api.conf": text}
    found = [*named_servers.others(texts, {}), *named_servers.read(texts, {})]
    assert [one.address for one in found] == [
        *("172.29.236.11", "172.29.236.12"),
        *("${CONTROLLER_IP}", "$HOST_NAME"),
    ]
