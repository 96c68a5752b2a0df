"""What is told of the services' accounts, and of servers of two series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from migrate.checks import accounts, database
from migrate.checks.account_facts import PUBLIC, Account, Role
from migrate.checks.accounts import Need
from migrate.engine.finding import Severity

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("accounts.yaml").read_text())


def account(told: dict[str, Any]) -> Account:
    host = told["host"]
    login = told.get("login", f"IDENTIFIED BY PASSWORD '{told.get('password', 'hash')}'")
    grants = told.get("grants", [f"GRANT ALL PRIVILEGES ON `nova`.* TO `nova`@`{host}`"])
    roles = tuple(Role(name, tuple(held)) for name, held in told.get("roles", {}).items())
    create = f"CREATE USER `nova`@`{host}` {login}"
    return Account("nova", host, create, tuple(grants), roles)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_case(case: dict[str, Any]) -> None:
    needs = [
        Need(
            project="nova",
            user=one.get("user", "nova"),
            now=case.get("now", "nova@%"),
            then=tuple(case.get("then", ["10.0.0.10"])),
        )
        for one in case.get("needs", [{}])
    ]
    found = accounts.judge(
        needs,
        [account(one) for one in case["accounts"]],
        Role(PUBLIC, tuple(case.get("public", ()))),
        frozenset(case.get("plugins", ["mysql_native_password"])),
    )
    told = [str(one) for one in found]
    assert len(told) == len(case["told"]), told
    for words, line in zip(case["told"], told, strict=True):
        assert all(word in line for word in words), line
    assert all(one.severity is Severity.ERROR and one.remedy for one in found)
    assert not any("hash" in one or "*AB" in one for one in told)


@pytest.mark.parametrize(
    ("grant", "remedy"),
    [
        ("GRANT USAGE ON *.* TO `nova`@`%`", ""),
        ("GRANT ALL PRIVILEGES ON `nova\\_cell0`.* TO `nova`@`%`", ""),
        ("GRANT ALL PRIVILEGES ON `other`.* TO `nova`@`%`", ""),
        ("GRANT SELECT ON `nova`.`instances` TO `nova`@`%`", ""),
        (
            "GRANT SELECT (`id`), INSERT ON `other`.`t` TO `nova`@`%`",
            "REVOKE SELECT (`id`), INSERT",
        ),
        (
            "GRANT EXECUTE ON PROCEDURE `other`.`p` TO `nova`@`%`",
            "REVOKE EXECUTE ON PROCEDURE `other`.`p`",
        ),
    ],
)
def test_rights_on_what_is_not_moved(grant: str, remedy: str) -> None:
    told = [*accounts.reaching(account({"host": "%", "grants": [grant]}), frozenset({"nova"}))]
    assert bool(told) is bool(remedy)
    assert not told or remedy in told[0].remedy


@pytest.mark.parametrize(
    ("here", "there", "words"),
    [
        ((11, 8), (11, 8), ()),
        ((10, 11), (11, 8), ()),
        ((10, 11), (11, 4), ("10.11 on the source", "Upgrade the source's MariaDB to 11.4")),
        ((11, 4), (11, 8), ("11.4 on the source", "Upgrade the source's MariaDB to 11.8")),
        ((10, 6), (11, 8), ("10.6 on the source",)),
        ((12, 1), (11, 8), ("12.1 on the source", "Install MariaDB 12.1 on the target")),
    ],
)
def test_two_series(here: tuple[int, int], there: tuple[int, int], words: tuple[str, ...]) -> None:
    told = " ".join(str(one) for one in database.series(here, there))
    assert bool(told) is bool(words)
    assert all(word in told for word in words)
