"""Databases on several servers: where each is, and what no one server can have of all."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import holders, merged, servers
from migrate.database.accounts import Account
from migrate.database.replication import domains
from migrate.errors import PreconditionError, StepError
from tests.unit.fakes import FakeHost
from tests.unit.test_replication import SOURCE

SQL = {"sql_mode": "STRICT"}
USAGE = "GRANT USAGE ON *.* TO `nova`@`%`"


def account(*grants: str, login: str = "*AB") -> Account:
    return Account("'nova'@'%'", f"CREATE USER IDENTIFIED BY PASSWORD '{login}'", (USAGE, *grants))


def on(thing: str, what: str = "ALL PRIVILEGES") -> str:
    return f"GRANT {what} ON {thing} TO `nova`@`%`"


def part(server: str, names: tuple[str, ...], *held: Account) -> merged.Part:
    return merged.Part(server, names, held, SQL)


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two hosts with databases, beside a controller with one more."""
    held = {"db": {"keystone", "nova_api", "left"}, "db2": {"nova", "left"}, "old": {"glance"}}
    hosts = {name: cast(Host, FakeHost(name)) for name in held}
    monkeypatch.setattr(holders, "_holds", lambda host, name: name in held[host.name])
    monkeypatch.setattr(
        servers,
        "known_logins",
        lambda _: [
            SimpleNamespace(name=name, user=name.partition("_")[0])
            for name in ("keystone", "glance", "nova_api", "nova")
        ],
    )
    source = SimpleNamespace(
        database=hosts["db"], databases=(hosts["db"], hosts["db2"]), tools=hosts["old"]
    )
    return SimpleNamespace(source=source, extras={})


def test_each_database_is_where_a_server_has_it(context: Context) -> None:
    found = servers.of(context)
    assert [(one.host.name, one.connection, one.names, one.users) for one in found] == [
        ("db", "", ("keystone", "nova_api"), ("keystone", "nova")),
        ("db2", "source2", ("nova",), ("nova",)),
        ("old", "source3", ("glance",), ("glance",)),
    ]
    assert found[0].own({"nova.instances": 1, "nova_api.cells": 2}) == {"nova_api.cells": 2}
    assert servers.named(context, found[1], "stopped") == "db2: stopped"
    assert servers.named(context, found[1], "") == ""


def test_one_name_on_two_servers_is_no_one_servers(context: Context) -> None:
    with pytest.raises(PreconditionError, match="left is on the servers of db and db2"):
        holders.holding(context.source, "left")


def test_one_that_nobody_has_is_asked_of_the_first(context: Context) -> None:
    assert holders.holding(context.source, "nowhere").name == "db"


def test_where_one_host_has_all_nobody_is_asked() -> None:
    alone = cast(Host, SimpleNamespace(name="old"))
    cloud: Any = SimpleNamespace(database=alone, databases=(), tools=alone)
    assert holders.holding(cloud, "nova") is alone


def test_an_account_gets_its_rights_of_each() -> None:
    one = part("db", ("nova_api",), account(on("`nova_api`.*")))
    two = part("db2", ("nova",), account(on("`nova`.*")))
    assert merged.clashes([one, two]) == []
    (made,) = merged.accounts([one, two])
    assert made.grants == (USAGE, on("`nova_api`.*"), on("`nova`.*"))


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (account(login="*CD"), "logs in otherwise on db than on db2"),
        (account(on("`nova_api`.*", "SELECT")), "rights on `nova_api`.* on db2"),
        (account(on("`nova\\_%`.*")), "rights on `nova\\_%`.* on db2 that it does not have on db"),
        (account(on("`nova_api`.`cells`", "SELECT (a, b)")), "rights on `nova_api`.`cells` on db2"),
        (Account("'x'@'%'", "CREATE", (on("`nova_api`.*"),)), "account 'x'@'%' has rights"),
        (replace(account(), grants=(on("*.*", "PROCESS"),)), "rights on *.* on db2"),
        (Account("'x'@'%'", "CREATE", (on("*.*", "SELECT"),)), "rights on *.* on db2"),
    ],
)
def test_what_an_account_would_gain_or_lose_is_told(other: Account, told: str) -> None:
    one = part("db", ("nova_api",), account(on("`nova_api`.*")))
    found = merged.clashes([one, part("db2", ("nova",), other)])
    assert any(told in text for text, _ in found)
    assert all(remedy for _, remedy in found)
    with pytest.raises(PreconditionError):
        merged.accounts([one, part("db2", ("nova",), other)])


def test_rights_on_what_neither_has_and_those_of_both_are_no_clash() -> None:
    same = account(on("`nova\\_%`.*"), on("`elsewhere`.*"))
    assert merged.clashes([part("db", ("nova_api",), same), part("db2", ("nova",), same)]) == []
    alone = Account("'x'@'%'", "CREATE", (USAGE, on("`glance`.*")))
    assert merged.clashes([part("db", ("nova",), same), part("db2", ("glance",), alone)]) == []


def printed(server: str, name: str, *, login: str = "a", mode: str = "STRICT") -> dict[str, Any]:
    kinds = ("views", "triggers", "routines", "events")
    return {
        "server": server,
        "version": "11.8",
        "settings": {"sql_mode": mode},
        "databases": {name: "utf8mb3 utf8mb3_general_ci"},
        "tables": {f"{name}.t": {"rows": 1}},
        **{kind: {} for kind in kinds},
        "accounts": {"'nova'@'%'": {"login": login, "grants": [USAGE, on(f"`{name}`.*")]}},
    }


def test_the_fingerprints_of_several_are_one() -> None:
    alone = printed("uid1 /a/", "nova_api")
    assert merged.fingerprints([alone]) == alone
    whole = merged.fingerprints([alone, printed("uid2 /a/", "nova")])
    assert set(whole["tables"]) == {"nova.t", "nova_api.t"}
    assert whole["accounts"]["'nova'@'%'"]["grants"] == sorted(
        [USAGE, on("`nova`.*"), on("`nova_api`.*")]
    )
    assert whole["server"].split(merged.LINES) == ["uid1 /a/", "uid2 /a/"]
    assert set(alone["tables"]) == {"nova_api.t"}


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"login": "b"}, "does not log in the same"), ({"mode": ""}, "servers differ: sql_mode")],
)
def test_fingerprints_that_no_one_server_has_are_refused(
    changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(StepError, match=told):
        merged.fingerprints([printed("1", "nova_api"), printed("2", "nova", **changed)])


def test_servers_that_log_in_one_domain_are_not_followed_together() -> None:
    other = replace(SOURCE, server_id=12, gtid_domain_id=1, gtid_binlog_pos="1-12-3")
    assert domains.apart({"db": SOURCE, "db2": other}) == []
    was = replace(other, gtid_binlog_pos="0-12-3,1-12-9")
    (told,) = domains.apart({"db": SOURCE, "db2": was})
    assert told.message == "db and db2 both log in the GTID domain 0"
    assert told.forbids
    assert "SET GLOBAL gtid_domain_id = 1`" in told.remedy  # it has one of its own by now
    assert "DELETE_DOMAIN_ID = (0)" in told.remedy
    (told,) = domains.apart({"db": SOURCE, "db2": SOURCE})
    assert "SET GLOBAL gtid_domain_id = 1`" in told.remedy
