"""However a URL is written: the fence tries its account, the broker gets it, isolation asks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from migrate import checks
from migrate.checks import logins, started
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.cloud.values import Values
from migrate.configuration import broker, servers
from migrate.database import defaults
from migrate.database.service_databases import known, service_databases
from migrate.engine.finding import Severity
from migrate.errors import PreconditionError
from migrate.services.base import Cells
from migrate.takeover import fence, isolation
from tests.checked import check_of

pytestmark = [pytest.mark.rig, pytest.mark.in_set("checks")]

MAIN = "/etc/keystone/keystone.conf"
FOLDER = "/etc/keystone/keystone.conf.d"
# a cell of its own, with an account of its own that read_only does not hold
CELL = """
CREATE DATABASE fence_cell; CREATE TABLE fence_cell.t (a INT);
CREATE USER cell@'%' IDENTIFIED BY 'c$ll'; GRANT ALL ON fence_cell.* TO cell@'%';
GRANT READ_ONLY ADMIN ON *.* TO cell@'%';
CREATE TABLE {keystone}.cell_mappings (name TEXT, database_connection TEXT, transport_url TEXT);
INSERT INTO {keystone}.cell_mappings VALUES
  ('cell1', 'mysql+pymysql://cell:c$ll@{address}/fence_cell', '');
"""
UNCELL = """
DROP TABLE {keystone}.cell_mappings; DROP USER cell@'%'; DROP DATABASE fence_cell;
"""


@pytest.fixture
def url(context: Context, source: Host) -> str:
    """The URL of keystone's database, by the source's own address, as SQLAlchemy is to see it."""
    found = next(
        one
        for one in service_databases(context.source, context.recipes)
        if one.project == "keystone"
    )
    head, _, tail = found.url.rpartition("@")
    return f"{head}@{source.address}/{tail.partition('/')[2]}"


@contextmanager
def written(host: Host, main: str, more: str) -> Iterator[None]:
    """Keystone's files with other lines about its database; nobody starts anew meanwhile."""
    before = host.read(MAIN)
    others = [line for line in before.splitlines() if "connection" not in line.partition("=")[0]]
    host.shell('cp -a "$1" "$1.kept"; mkdir -p "$2"', MAIN, FOLDER)
    try:
        host.write(MAIN, "\n".join(others) + f"\n{main}\n", owner="keystone:keystone")
        host.write(f"{FOLDER}/50-fence.conf", more, owner="keystone:keystone")
        yield
    finally:
        host.shell(
            'mv "$1.kept" "$1"; rm "$2/50-fence.conf"; rmdir --ignore-fail-on-non-empty "$2"',
            *(MAIN, FOLDER),
        )


@contextmanager
def read_only(host: Host) -> Iterator[None]:
    host.run("mariadb", "-e", "SET GLOBAL read_only = 1")
    try:
        yield
    finally:
        host.run("mariadb", "-e", "SET GLOBAL read_only = 0")


def anew(context: Context) -> Context:
    """Nothing remembered of the files as they were."""
    return replace(context, extras={})


@pytest.mark.parametrize("way", ["capitals", "folder", "own address"])
def test_a_url_in_any_place_is_proven(context: Context, source: Host, url: str, way: str) -> None:
    line = "connection = " + url.replace("$", "$$")
    main, more = {
        "capitals": (f"[DATABASE]\n{line}", ""),
        "folder": ("", f"[database]\n{line}\n"),
        "own address": (f"[database]\n{line.replace(source.address, '$my_ip')}", ""),
    }[way]
    with written(source, main, more):
        (found,) = [one for one in fence.writers(anew(context)) if "keystone" in one]
        assert "was not refused by read_only" in found
        with read_only(source):
            assert fence.writers(anew(context)) == []


@pytest.mark.parametrize(
    ("main", "told"),
    [("", "keystone's database is unknown"), ("connection = mysql://k:$nothing@h/k", "$nothing")],
)
def test_a_url_that_is_not_understood_is_no_proof(
    context: Context, source: Host, main: str, told: str
) -> None:
    with written(source, f"[database]\n{main}", ""), read_only(source):
        (found,) = checks.run(anew(context), (check_of(logins),))
        assert (found.severity, told in found.message) == (Severity.ERROR, True)
        with pytest.raises(PreconditionError, match="keystone"):
            fence.writers(anew(context))


@pytest.mark.parametrize(
    ("reference", "seen"),
    [("${identity.driver}", "sql"), ("${oslo_messaging_rabbit.rabbit_retry_interval}", "")],
)
def test_an_option_that_only_its_release_sets(
    context: Context, source: Host, target: Host, url: str, reference: str, seen: str
) -> None:
    """Keystone's own default is known on both sides; a library's may be another in the service."""
    line = f"connection = {url.replace('$', '$$')}?driver={reference}"
    keystone = next(one for one in context.recipes if one.project == "keystone")
    with written(source, f"[database]\n{line}", ""):
        if not seen:
            with pytest.raises(PreconditionError, match="refers to"):
                service_databases(context.source, context.recipes)
            return
        found = [
            one.url
            for one in service_databases(context.source, context.recipes)
            if one.project == "keystone"
        ]
        texts = {MAIN: source.read(MAIN)}
    assert found == [f"{url}?driver={seen}"]
    there = defaults.of(target, keystone, context.installation.tools)
    assert Values(texts, {}, there).get("database", "connection") == found[0]


def test_the_account_of_a_cell_is_tried(context: Context, source: Host) -> None:
    name = next(one.name for one in known(anew(context)) if one.project == "keystone")
    words = {"keystone": name, "address": source.address}
    keystone, *others = context.recipes
    celled = replace(keystone, cells=Cells(database="keystone", table="cell_mappings"))
    source.run("mariadb", stdin=CELL.format(**words))
    try:
        with read_only(source):
            (found,) = fence.writers(replace(anew(context), recipes=(celled, *others)))
            assert "keystone in fence_cell: cell was not refused by read_only" in found
    finally:
        source.run("mariadb", stdin=UNCELL.format(**words))


def test_a_dollar_reaches_the_broker_of_the_target(
    context: Context, source: Host, target: Host
) -> None:
    more = "[oslo_messaging_notifications]\ntransport_url = rabbit://dollar:pa$$w0rd@$my_ip/\n"
    with written(source, f"[database]\n{line_of(source)}", more):
        assert list(broker.findings(anew(context))) == []
        try:
            broker.make(anew(context))
            told = target.run("rabbitmqctl", "authenticate_user", "dollar", stdin="pa$w0rd\n")
            assert "Success" in told
        finally:
            broker.remove(anew(context))


@pytest.mark.parametrize("url", ["amqp1://o:p@h/", "rabbit://o:a,b@h/", "rabbit://o:$q@h/"])
def test_a_broker_that_is_not_understood_is_told_before(
    context: Context, source: Host, url: str
) -> None:
    more = f"[oslo_messaging_notifications]\ntransport_url = {url}\n"
    with written(source, f"[database]\n{line_of(source)}", more):
        (found,) = broker.findings(anew(context))
        assert f"{FOLDER}/50-fence.conf:2" in found.message
        assert "a,b" not in found.message


def test_servers_that_the_target_would_not_find_are_told(context: Context) -> None:
    (vip,) = (str(one.address) for one in context.target.virtual_ips)
    text = f"""[coordination]
backend_url = redis://:pw@{vip}:6379
[cache]
memcache_servers = nobody.invalid:11211,192.0.2.7:11211,localhost:11211,{vip}:11211
[x]
backend_url = etcd3+http://192.0.2.8:2379
connection = mysql://k:x@{vip}/k
"""
    found = servers.findings(context, 0, {"/etc/cinder/cinder.conf": text})
    assert [one.message for one in found] == [
        "memcache_servers names nobody.invalid, which the target cannot resolve",
        "memcache_servers names a cache at 192.0.2.7, which is neither the target nor its "
        "virtual IP",
        "backend_url names a redis server that the target does not have",
    ]
    assert all(one.severity is Severity.ERROR and one.where.count(":") == 2 for one in found)


def test_a_cells_broker_is_asked_whatever_its_database_is_called(
    context: Context, source: Host, target: Host
) -> None:
    text = f"[api_database]\n[database]\nconnection = mysql://k:x@{target.address}/renamed_api\n"
    keystone = next(one for one in context.recipes if one.project == "keystone")
    celled = replace(keystone, cells=Cells(database="keystone", table="cell_mappings"))
    cell = f"('c1', 'none:///', 'rabbit://o:p@{source.address}:5672/')"
    target.run(
        "mariadb",
        stdin="CREATE DATABASE renamed_api; CREATE TABLE renamed_api.cell_mappings "
        "(name TEXT, database_connection TEXT, transport_url TEXT); "
        f"INSERT INTO renamed_api.cell_mappings VALUES {cell};",
    )
    try:
        target.run("mkdir", "-p", "/etc/keystone")
        target.write(MAIN, text)
        peers = isolation.peers(replace(anew(context), recipes=(celled,)))
        (asked,) = [one for one in peers if "renamed_api.cell_mappings of cell c1" in one.where]
        assert (asked.kind, asked.address, asked.own) == ("broker", source.address, False)
    finally:
        target.run("rm", "-f", MAIN)
        target.run("mariadb", stdin="DROP DATABASE renamed_api;")


def line_of(source: Host) -> str:
    """The lines about keystone's database as they stand."""
    lines = source.read(MAIN).splitlines()
    return next(one for one in lines if one.partition("=")[0].strip() == "connection")


def test_how_programs_were_started_is_compared(context: Context, source: Host) -> None:
    """A program of keystone with a file and an environment of its own, beside those that serve."""
    assert check_of(started).run(context) == []
    other = "/run/fence-other.conf"
    unit = (
        *("systemd-run", "--quiet", "--unit=fence-other", "--uid=keystone"),
        *("--setenv=OS_DATABASE__CONNECTION=secret", "/usr/bin/python3", "/run/fence-sleep"),
        *(f"--config-file={MAIN}", f"--config-file={other}"),
    )
    source.write("/run/fence-sleep", "import time\ntime.sleep(600)\n", mode=0o755)
    source.write(other, "[database]\nconnection = mysql://k:secret@h/k\n", mode=0o644)
    try:
        source.run(*unit)
        found = [one.message for one in check_of(started).run(context)]
        assert [message.partition(" (")[0].partition(", ")[0] for message in found] == [
            "fence-sleep takes options from its environment",
            f"fence-sleep was started with {other}",
            "fence-sleep was started so that it sees another [database] connection than "
            f"{MAIN} and its folder say",
        ]
        assert "secret" not in str(found)
    finally:
        source.shell("systemctl stop fence-other; rm -f /run/fence-other.conf /run/fence-sleep")
