"""A source database on a host of its own: whose role is whose, and what is told of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from migrate.checks import access, database_host, shape
from migrate.cloud import Context, addresses, connect
from migrate.cloud.host import Host
from migrate.cloud.settings import parse
from migrate.database import accounts, merged
from migrate.engine import markers
from migrate.engine.finding import Finding
from migrate.errors import PreconditionError, SettingsError, StepError
from migrate.onhost import logins, mariadb, systemd, writable
from migrate.takeover import fence, isolation
from migrate.takeover.gate import reopen_timer
from tests.unit import fakes
from tests.unit.fakes import FakeHost

DATABASE = {"name": "db", "address": "10.0.0.4"}


def stack(*databases: dict[str, str]) -> dict[str, Any]:
    return {**fakes.STACK, "source": {**fakes.STACK["source"], "databases": list(databases)}}


@pytest.fixture
def hosts(tmp_path: Path) -> tuple[Context, dict[str, FakeHost]]:
    context, hosts = fakes.context(tmp_path)
    hosts["db"] = FakeHost("db")
    source = replace(context.source, databases=(hosts["db"],))
    return replace(context, source=source), hosts


def names(those: tuple[Host, ...]) -> list[str]:
    return [host.name for host in those]


def test_the_stack_file_names_it(tmp_path: Path) -> None:
    settings = parse(stack(DATABASE), "test", tmp_path)
    context = connect("test", settings, tmp_path, ())
    assert context.source.database.name == "db"
    assert context.source.tools.name == "old"
    assert context.target.database.name == "new"
    assert context.named("db").address == "10.0.0.4"
    assert "db" in names(tuple(context.hosts))


@pytest.mark.parametrize(
    ("database", "told"),
    [
        ({"name": "db", "address": "10.0.0.2"}, "10.0.0.2 is used twice"),
        ({"name": "compute", "address": "10.0.0.4"}, "compute names two machines"),
        ({"name": "DB", "address": "10.0.0.4"}, "source.databases.0.name: 'DB' is not"),
        ({"name": "db", "address": "10.0.0.4", "port": "1"}, "databases.0.port: there is no such"),
    ],
)
def test_what_is_wrong_with_it_is_told(tmp_path: Path, database: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(stack(database), "test", tmp_path)
    assert told in str(caught.value)


def test_roles_stay_whose_they_were(hosts: tuple[Context, dict[str, FakeHost]]) -> None:
    source = hosts[0].source
    assert names(source.core) == ["old", "db"]
    assert names(source.of_services) == ["old", "compute"]
    for dead in (["db"], ["old"], ["old", "db"]):
        left = source.without(dead)
        assert (left.database.name, left.tools.name) == ("db", "old")
        assert sorted(names(left.dead)) == sorted(dead)
        assert sorted([*names(left.core), *dead]) == ["db", "old"]


def test_without_one_the_controller_has_it(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path)
    assert context.source.database is context.source.tools
    assert context.source.core == context.source.controllers
    assert context.source.without(["old"]).database.name == "old"


def test_one_that_is_shut_is_asked_nothing(hosts: tuple[Context, dict[str, FakeHost]]) -> None:
    shut = access.without(hosts[0], ["db"])
    assert isinstance(shut.source.database, access.Shut)


# --- what is done where


def test_the_fence_is_put_up_where_its_parts_run(
    hosts: tuple[Context, dict[str, FakeHost]], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, known = hosts
    monkeypatch.setattr(fence, "known_logins", lambda _: [])
    for answer in ("mariadb.writers", "mariadb.sessions", "mariadb.unfenced", "fence.unfenced"):
        monkeypatch.setitem(fakes.ANSWERS, answer, [])
    fence.fence_control(context)
    fence.fence_database(context)
    assert fence.control_is_fenced(context)
    assert "fence.fence" in known["old"].asked
    assert "fence.fence" not in known["db"].asked
    assert "mariadb.fence" in known["db"].asked
    assert "mariadb.writers" not in known["db"].asked
    monkeypatch.setitem(fakes.ANSWERS, "fencing.token", "t")
    assert markers.fencing(context) == "t"
    assert "fencing.token" not in known["db"].asked


def test_who_still_works_in_the_database_is_named(
    hosts: tuple[Context, dict[str, FakeHost]], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = hosts
    monkeypatch.setattr(fence, "known_logins", lambda _: [])
    monkeypatch.setitem(fakes.ANSWERS, "mariadb.sessions", ["nova has a session from ctl3:1"])
    with pytest.raises(StepError, match="db: nova has a session from ctl3:1"):
        fence.fence_control(context)


def test_the_databases_timer_is_never_the_later_one(
    hosts: tuple[Context, dict[str, FakeHost]], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = hosts
    order: list[str] = []
    places = [(context.source.database, ["s", "o", "f"])]

    def called(those: Any, function: str, *arguments: Any, **_: Any) -> list[Any]:
        asked = [*those]
        order.extend(f"{function.partition('.')[2]} {one.name}" for one in asked)
        return [None for _ in asked]

    def acted(those: Any, act: Callable[[Host], Any]) -> list[Any]:
        order.extend(f"disarm {one.name}" for one in those)
        return []

    monkeypatch.setattr(reopen_timer, "call_each", called)
    monkeypatch.setattr("migrate.cloud.hosts.gather", acted)
    monkeypatch.setattr("migrate.database.service_databases.places", lambda *_: places)
    reopen_timer.arm(context)
    reopen_timer.extend(context)
    reopen_timer.disarm(context)
    wanted = ["arm db", "arm old", "extend old", "extend db", "disarm old", "disarm db"]
    assert order == wanted


def test_a_server_that_no_file_names_could_not_be_waited_for(
    hosts: tuple[Context, dict[str, FakeHost]], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = hosts
    places = [(context.source.tools, ["s", "o", "f"])]
    monkeypatch.setattr("migrate.database.service_databases.places", lambda *_: places)
    with pytest.raises(PreconditionError, match="db: no file of a service names a database"):
        reopen_timer.arm(context)


@pytest.mark.parametrize("state", ["reopening", "reopened"])
def test_one_that_has_acted_forbids_going_live_and_is_made_good_after_it(
    hosts: tuple[Context, dict[str, FakeHost]], monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    context, known = hosts
    monkeypatch.setitem(fakes.ANSWERS, "reopen_timer.extend", state)
    monkeypatch.setitem(fakes.ANSWERS, "front.flipped", 0.0)
    with pytest.raises(PreconditionError, match="db: the source is no more kept closed"):
        reopen_timer.leave_a_moment(context)
    monkeypatch.setitem(fakes.ANSWERS, "front.flipped", 17.0)
    reopen_timer.leave_a_moment(context)
    answer = FakeHost.answer

    def acted(host: FakeHost, function: str, payload: Any) -> Any:
        answer(host, function, payload)
        if function == "reopen_timer.state":
            return {"state": "reopened" if host.name == "db" else "disarmed", "left": 0.0}
        return state if host.name == "db" else "armed"

    known["db"].asked.clear()
    monkeypatch.setattr(FakeHost, "answer", acted)
    reopen_timer.disarm(context)
    assert known["db"].asked[-3:] == ["mariadb.fence", "record.save", "reopen_timer.disarm"]
    assert reopen_timer.left(context) is None


def test_nothing_leaves_for_it(
    hosts: tuple[Context, dict[str, FakeHost]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeHost, "answer", lambda host, *_: {"old": ["a"], "db": ["b"]}[host.name])
    assert isolation.source_addresses(hosts[0]) == ["a", "b"]


def test_its_addresses_and_names_lead_to_the_targets_database(
    hosts: tuple[Context, dict[str, FakeHost]], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "old": ("ctl", ["10.0.0.2/24"], [["mysql.example", "10.0.0.4"], ["ctl", "10.0.0.2"]]),
        "db": ("db.example", ["10.0.0.4/24", "10.9.0.4/32"], [["db", "127.0.1.1"]]),
        "new": ("new.example", ["10.0.0.12/24"], []),
        "new2": ("new2", ["10.0.0.13/24"], []),
    }

    def answer(host: FakeHost, *_: Any) -> dict[str, Any]:
        return dict(zip(("name", "addresses", "aliases"), told[host.name], strict=True))

    monkeypatch.setattr(FakeHost, "answer", answer)
    context, known = hosts
    known["db"].address, known["new"].address = "10.0.0.4", "10.0.0.12"
    for index in (0, 1):
        replaced = addresses.of(context, index)
        for name in ("10.0.0.4", "10.9.0.4", "db", "db.example", "mysql.example"):
            url = f"mysql+pymysql://nova:10.0.0.4@{name}:3306/nova"
            there = "10.0.0.12" if name.startswith("10.") else "new.example"
            assert replaced.replaced(url) == f"mysql+pymysql://nova:10.0.0.4@{there}:3306/nova"
        assert replaced.lost == frozenset()


# --- what is told


def told(found: Any) -> list[str]:
    return [str(one) for one in cast(list[Finding], [*found])]


def test_a_database_may_be_there_and_nothing_else() -> None:
    rows: list[dict[str, Any]] = [
        {"local": ["10.0.0.2", 1], "remote": ["10.0.0.4", 3306], "unit": "nova-api.service"}
    ]
    own, databases = frozenset({"10.0.0.2", "10.0.0.4"}), frozenset({"10.0.0.4"})
    assert told(shape.elsewhere(rows, own, databases)) == []
    rows.append({**rows[0], "remote": ["10.0.0.4", 5672]})
    (line,) = told(shape.elsewhere(rows, own, databases))
    assert "nova-api use a broker at 10.0.0.4, where the stack file has a database" in line


def test_what_several_servers_cannot_have_is_told() -> None:
    sql = {"sql_mode": "STRICT"}
    nova = accounts.Account("'nova'@'%'", "CREATE USER nova", ("GRANT ALL ON `nova`.* TO nova",))
    one = merged.Part("db", ("keystone",), [nova], sql)
    assert told(database_host.several([one])) == []
    two = merged.Part("db2", ("nova",), [nova], sql)
    assert told(database_host.several([one, two])) == []  # it has the same rights on both
    (line,) = told(database_host.several([one, replace(two, settings={"sql_mode": ""})]))
    assert "sql_mode is 'STRICT' on db and '' on db2" in line
    (line,) = told(database_host.several([one, merged.Part("db3", (), [], sql)]))
    assert "db3: no database of the services is there" in line


@pytest.mark.parametrize(
    ("units", "words"),
    [
        (["mariadb.service", "ssh.service"], []),
        (["keepalived.service"], ["keepalived runs"]),
        (["pacemaker.service", "nova-conductor.service"], ["pacemaker", "nova-conductor runs"]),
    ],
)
def test_what_runs_there(units: list[str], words: list[str]) -> None:
    found = told(database_host.running(units))
    assert len(found) == len(words)
    assert all(word in line for word, line in zip(words, found, strict=True))


def test_what_listens_there() -> None:
    rows = [
        ("", 3306, "mariadb.service", "mariadbd"),
        ("", 22, "ssh.service", "sshd"),
        ("127.0.0.1", 25, "postfix.service", "smtpd"),
        ("10.0.0.4", 9104, "prometheus-mysqld-exporter.service", "prometheus-mysqld-exporter"),
        ("", 5672, "rabbitmq-server.service", "beam.smp"),
        ("", 6379, "redis-server.service", "redis-server"),
    ]
    keys = ("address", "port", "unit", "program")
    found = [*database_host.listening(dict(zip(keys, row, strict=True)) for row in rows)]
    assert [(str(one.severity), one.message.partition(" ")[0]) for one in found] == [
        ("error", "rabbitmq-server"),
        ("warning", "redis-server"),
    ]


# --- on the hosts


def test_only_an_address_that_moves_may_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = subprocess.CompletedProcess([], 1, "", "ERROR 2002 (HY000): Can't connect")
    monkeypatch.setattr(logins, "client", lambda *_: silent)
    monkeypatch.setattr(mariadb, "run", lambda *_: "")
    asked: list[list[Any]] = [["nova", {"user": "nova", "host": "127.0.0.4"}]]
    assert mariadb.writers(asked, ["127.0.0.4"]) == []
    assert mariadb.writers(asked, ["127.0.0.9"])
    monkeypatch.setattr(mariadb, "run", lambda *_: "1: host0 inet 127.0.0.4/32")
    assert mariadb.writers(asked, ["127.0.0.4"])


def test_sessions_are_waited_for_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [[["nova", "ctl:1"]], []]
    monkeypatch.setattr(systemd, "active", lambda _: ["mariadb.service"])
    monkeypatch.setattr(mariadb, "sql", lambda _: answers.pop(0))
    assert mariadb.sessions(["nova"], 5) == []
    monkeypatch.setattr(mariadb, "sql", lambda _: [["nova", "ctl:1"]])
    assert mariadb.sessions(["nova"], 0) == ["nova has a session from ctl:1"]
    assert mariadb.sessions([], 0) == []


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    first, second = tmp_path / "nova.conf", tmp_path / "own.conf"
    first.write_text("[api]\nconnection = mysql://a:b@c/d\n[database]\nconnection=$elsewhere\n")
    second.write_text(
        "# [database]\n[database]\n#connection = mysql://x:y@z/w\n"
        "connection = mysql+pymysql://nova:p%40:'q@10.0.0.4:3307/nova?charset=utf8\n"
    )
    return [str(first), str(second), str(tmp_path / "none")]


def test_the_url_is_read_as_the_service_does(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def client(login: dict[str, str], _: str) -> Any:
        seen.append(login)
        return subprocess.CompletedProcess([], 0, "1\n" if len(seen) < 3 else "0\n", "")

    monkeypatch.setattr(logins, "client", client)
    monkeypatch.setattr(writable, "PAUSE", 0)
    places = [["database", "connection", files[0]], ["database", "connection", *files]]
    place = writable.known(places)
    assert place == places[1]
    assert seen == [
        {
            "user": "nova",
            "password": "p@:'q",
            "host": "10.0.0.4",
            "port": "3307",
            "database": "nova",
        }
    ]
    assert writable.wait(place, 0) == "the database is read-only"
    assert writable.wait(place, 5) == ""


def test_who_cannot_ask_is_told_before_anything_is_closed(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = subprocess.CompletedProcess([], 1, "", "ERROR 1045")
    monkeypatch.setattr(logins, "client", lambda *_: refused)
    with pytest.raises(RuntimeError, match="by no URL of a service"):
        writable.known([["database", "connection", *files]])
    assert writable.wait(["database", "connection", *files], 0) == "the database does not answer"
