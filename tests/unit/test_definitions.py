"""What is told of tables, objects, revisions and service tokens of a source."""

from __future__ import annotations

from typing import Any

import pytest

from migrate.checks import definitions, revisions, tokens
from migrate.configuration import service_options
from migrate.database.heads import Shipped
from migrate.database.service_databases import ServiceDatabase
from migrate.engine.finding import Severity
from migrate.services import glance

TABLE = {"s": "nova", "t": "instances", "type": "BASE TABLE", "format": "Dynamic", "options": ""}
EVERY = ["nova", "nova_api", "keystone", "mysql"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ()),
        ({"options": "row_format=DYNAMIC `ENCRYPTED`=NO partitioned"}, ()),
        ({"type": "VIEW", "format": None}, ()),
        (
            {"t": "instances.bak"},
            ("RENAME TABLE `nova`.`instances.bak` TO `nova`.`instances_bak`",),
        ),
        ({"t": "Kopie_für_Jörg"}, ("name that no service gives",)),
        ({"t": "shadow instances"}, ("`shadow_instances`",)),
        ({"type": "SYSTEM VERSIONED"}, ("DROP SYSTEM VERSIONING",)),
        ({"type": "SEQUENCE"}, ("is a sequence",)),
        ({"format": "Compact"}, ("ROW_FORMAT=COMPACT", "ROW_FORMAT=DYNAMIC")),
        ({"format": "Redundant"}, ("ROW_FORMAT=REDUNDANT",)),
        ({"format": "Compact", "t": "short"}, ()),
        ({"options": "`ENCRYPTED`=YES"}, ("option `ENCRYPTED`=YES", "ENCRYPTED=NO")),
        ({"options": "DATA DIRECTORY='/mnt/fast'"}, ("option DATA DIRECTORY",)),
    ],
)
def test_tables(changed: dict[str, Any], words: tuple[str, ...]) -> None:
    told = " ".join(map(str, definitions.tables([TABLE | changed], {"nova.instances"})))
    assert bool(told) is bool(words), told
    assert all(word in told for word in words), told


@pytest.mark.parametrize(
    ("text", "reaches"),
    [
        ("select `nova`.`instances`.`id` AS `id` from `nova`.`instances`", ""),
        ("select `nova`.`keystone`.`id` AS `id` from `nova`.`keystone`", ""),
        ("select 1 from nova_cell0.instances", ""),
        ("select `p`.`id` from `keystone`.`project` `p`", "keystone"),
        ("INSERT INTO nova_api.log SET id = NEW.id", "nova_api"),
        ("select User from mysql . user", "mysql"),
        (None, ""),
    ],
)
def test_objects_that_reach_another_database(text: str, reaches: str) -> None:
    told = [*definitions.reaching([("view", "nova", "v", text)], EVERY)]
    assert [one.message.rpartition(" ")[2] for one in told] == ([reaches] if reaches else [])


def test_the_most_common_collation_is_the_database_s() -> None:
    rows = [
        {"s": "nova", "base": "utf8mb3_general_ci", "own": "utf8mb3_general_ci", "tables": 90},
        {"s": "nova", "base": "utf8mb3_general_ci", "own": "utf8mb4_general_ci", "tables": 1},
        {"s": "heat", "base": "utf8mb4_general_ci", "own": "utf8mb3_general_ci", "tables": 9},
    ]
    told = [*definitions.collations(rows)]
    assert [one.severity for one in told] == [Severity.WARNING]
    assert told[0].remedy == "ALTER DATABASE `heat` COLLATE utf8mb3_general_ci"


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ({"new"}, ()),
        ({"old"}, ("shows old, its release ends in new", "glance-manage db expand &&")),
        (set(), ("shows no revision",)),
    ],
)
def test_revisions(shown: set[str], words: tuple[str, ...]) -> None:
    folder = glance.RECIPE.heads[0].scripts
    shipped = {folder: Shipped(frozenset({"new"}), frozenset())}
    database = ServiceDatabase("glance", "glance", "images", "glance", "mysql://")
    told = [*revisions.judge(glance.RECIPE, [database], shipped, {(folder, "images"): shown})]
    assert bool(told) is bool(words)
    assert all(word in str(told[0]) for word in words)


def test_scripts_that_are_not_installed_are_no_proof() -> None:
    folder = glance.RECIPE.heads[0].scripts
    database = ServiceDatabase("glance", "glance", "images", "glance", "mysql://")
    told = [*revisions.judge(glance.RECIPE, [database], {}, {(folder, "images"): {"new"}})]
    assert "is not known" in told[0].message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[service_user]\nsend_service_user_token = true\n", []),
        ("[service_user]\nsend_service_user_token = True\n", []),
        ("[service_user]\nsend_service_user_token = false\n", [Severity.ERROR]),
        ("[DEFAULT]\nsend_service_user_token = true\n", [Severity.ERROR]),
    ],
)
def test_service_tokens(text: str, told: list[Severity]) -> None:
    found = [*tokens.judge("nova", service_options.parsed({"nova.conf": text}), must=True)]
    assert [one.severity for one in found] == told
