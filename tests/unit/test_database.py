"""What the database package computes without a server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from migrate.database import (
    accounts,
    connection,
    copy,
    definition,
    delta,
    difference,
    heads,
    service_databases,
    tools,
)
from migrate.database.fingerprint import BATCH_BYTES, BATCH_TABLES, OBJECTS, batches
from migrate.errors import PreconditionError, StepError
from migrate.services import RECIPES
from migrate.services.base import Tool

DEFINITION = """CREATE TABLE `t` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(64) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `uniq` (`name`),
  FULLTEXT KEY `words` (`name`),
  CONSTRAINT `fk` FOREIGN KEY (`id`) REFERENCES `u` (`id`) ON DELETE CASCADE,
  CONSTRAINT `positive` CHECK (`id` > 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci ROW_FORMAT=DYNAMIC COMMENT='x'"""


def made(**tables: dict[str, Any]) -> dict[str, Any]:
    named = {name.replace("__", "."): table for name, table in tables.items()}
    return {
        "settings": {},
        "databases": {name.split(".")[0]: "utf8mb3 utf8mb3_general_ci" for name in named},
        "tables": named,
        "accounts": {},
        **{kind: {} for kind in OBJECTS},
    }


def table(checksum: int = 1, rows: int = 1, definition: str = DEFINITION) -> dict[str, Any]:
    return {"rows": rows, "checksum": checksum, "next": None, "definition": definition}


def test_a_definition_is_taken_apart_by_what_it_defines() -> None:
    assert set(definition.parts(DEFINITION)) == {
        *(("column", "id"), ("column", "name"), ("index", "PRIMARY"), ("index", "uniq")),
        *(("index", "words"), ("constraint", "fk"), ("constraint", "positive")),
        *(("engine", ""), ("character set", ""), ("collation", ""), ("options", "")),
    }


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("ENGINE=InnoDB", "ENGINE=Aria", "engine of d.t: one InnoDB, other Aria"),
        ("=DYNAMIC", "=COMPACT", "options of d.t: "),
        ("COMMENT='x'", "COMMENT='y'", "options of d.t: "),
        ("ON DELETE CASCADE", "", "constraint of d.t.fk: "),
        ("`id` > 0", "`id` > 1", "constraint of d.t.positive: "),
        ("DEFAULT NULL", "NOT NULL", "column of d.t.name: "),
    ],
)
def test_a_changed_definition_is_one_line(before: str, after: str, line: str) -> None:
    changed = table(definition=DEFINITION.replace(before, after))
    (found,) = difference.differences(made(d__t=table()), made(d__t=changed), ("one", "other"))
    assert str(found).startswith(line)


def test_the_order_of_columns_counts() -> None:
    lines = DEFINITION.split("\n")
    swapped = table(definition="\n".join([lines[0], lines[2], lines[1], *lines[3:]]))
    (found,) = difference.differences(made(d__t=table()), made(d__t=swapped))
    assert found.kind == "order of columns or indexes"


def test_what_is_on_one_side_only_is_told_once() -> None:
    (found,) = difference.differences(made(d__t=table(), d__u=table()), made(d__t=table()))
    assert str(found) == "table of d.u: only on the first"


def test_a_copy_brings_only_what_differs() -> None:
    wanted = made(
        a__same=table(), a__changed=table(2), a__fresh=table(), b__x=table(), c__y=table()
    )
    held = made(a__same=table(), a__changed=table(1), a__gone=table(), b__x=table())
    wanted["triggers"]["b.guard"] = "one"
    held["triggers"]["b.guard"] = "two"
    assert delta.missing(wanted, held) == (["b", "c"], ["a.changed", "a.fresh"], ["a.gone"])
    assert delta.missing(wanted, wanted) == ([], [], [])


def test_a_table_that_is_behind_in_its_numbers_alone_is_not_brought() -> None:
    ahead, none = {**table(), "next": 900}, {**table(), "next": None}
    wanted = made(a__t=ahead, a__u=none, a__v=table())
    held = made(a__t=table(), a__u={**table(), "next": 5})
    assert delta.numbers(wanted, held) == {"a.t": 900, "a.u": 1}
    assert delta.missing(wanted, held) == ([], ["a.v"], [])
    changed = made(a__t={**table(2), "next": 900})
    assert delta.numbers(changed, held) == {}
    assert delta.missing(changed, held)[1] == ["a.t"]


def test_many_tables_of_one_database_are_brought_as_a_whole() -> None:
    many = {f"a__t{n}": table(2) for n in range(delta.TABLES_AT_ONCE + 1)}
    held = {name: table(1) for name in many}
    assert delta.missing(made(**many, b__x=table()), made(**held, b__x=table())) == (["a"], [], [])


def test_streams_share_the_work() -> None:
    groups = copy.split({"huge": 100, "a": 30, "b": 30, "c": 35}, 2)
    assert groups == [["huge"], ["a", "b", "c"]]
    assert copy.split({"one": 1}, 3) == [["one"]]
    assert copy.split({}, 2) == []


def test_tables_are_read_in_batches() -> None:
    listed = [("d", "big", BATCH_BYTES + 1), *(("d", f"t{n}", 10) for n in range(100))]
    found = list(batches(listed))
    assert found[0] == [("d", "big")]
    assert [len(batch) for batch in found[1:]] == [BATCH_TABLES, BATCH_TABLES, 20]
    read = [name for batch in found for name in batch]
    assert read == [(schema, name) for schema, name, _ in listed]


@pytest.mark.parametrize(
    ("url", "name", "user"),
    [
        ("mysql+pymysql://nova:a%40b%2Fc@10.0.0.1:3306/nova?charset=utf8", "nova", "nova"),
        ("mariadb://us%3Aer:x@[fd00::1]/beta-1", "beta-1", "us:er"),
    ],
)
def test_urls(url: str, name: str, user: str) -> None:
    found = service_databases.of_url("nova", "nova", url)
    assert (found.name, found.user) == (name, user)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nova:x@h/nova",
        "sqlite:////var/lib/nova.db",
        "mysql+pymysql://h/nova",
        "mysql+pymysql://nova:x@h/no`va",
        "mysql+pymysql://nova:x@h/",
        "mysql://[bad",
    ],
)
def test_urls_that_cannot_be_moved(url: str) -> None:
    with pytest.raises(PreconditionError):
        service_databases.of_url("nova", "nova", url)


def test_cells_fill_their_templates_from_the_configured_url() -> None:
    base = "mysql+pymysql://nova:p%40w@10.0.0.1:3306/nova?charset=utf8"
    template = "{scheme}://{username}:{password}@{hostname}:{port}/nova_cell2?{query}"
    assert service_databases.filled(template, base) == base.replace("/nova?", "/nova_cell2?")
    with pytest.raises(PreconditionError, match="malformed"):
        service_databases.filled("{nobody}", base)


@pytest.mark.parametrize("name", ["", "a`b", "a b", "x" * 65, "a;b", "a.b", "\u00fc"])
def test_names_that_are_not_handled(name: str) -> None:
    with pytest.raises(PreconditionError):
        connection.quoted(name)


def test_an_account_is_described_without_its_hash() -> None:
    create = "CREATE USER `a`@`%` IDENTIFIED BY PASSWORD '*0123456789'"
    grants = ("GRANT SELECT (`b`, `a`) ON `d`.`t` TO `a`@`%`",)
    told = accounts.Account("'a'@'%'", create, grants)
    assert "*0123" not in f"{told} {told.described()}"
    assert told.described()["grants"] == ["GRANT SELECT (`a`, `b`) ON `d`.`t` TO `a`@`%`"]


def test_heads() -> None:
    ends = heads.Shipped(frozenset({"expand", "contract"}), frozenset({"expand"}))
    assert ends.shown_by(["contract"])  # glance shows only the one that depends on the other
    assert ends.shown_by(["expand", "contract"])
    for wrong in ([], ["expand"], ["contract", "older"], ["older"]):
        assert not ends.shown_by(wrong)


def test_exit_codes() -> None:
    call = tools.Call(Tool(argv=("x",), accepted=(0, 1), repeat_while=(2,)), {}, "")
    assert not tools.wants_another("ctl", call, 1, "")
    assert tools.wants_another("ctl", call, 2, "")
    with pytest.raises(StepError, match="ctl: x exited 255: it broke"):
        tools.wants_another("ctl", call, 255, "it broke\n")


def test_nova_is_synchronised_cell_by_cell_and_no_secret_is_in_argv() -> None:
    nova = next(recipe for recipe in RECIPES if recipe.project == "nova")
    named = [
        service_databases.ServiceDatabase(
            "nova", "nova_api", "nova_api", "nova", "mysql://nova:secret@h/nova_api"
        ),
        *(
            service_databases.ServiceDatabase(
                "nova", "nova", name, "nova", f"mysql://nova:secret@h/{name}", name
            )
            for name in ("nova_cell0", "nova", "nova_cell2")
        ),
    ]
    found = list(tools.calls(nova, nova.sync, named))
    assert [call.about for call in found] == ["", "nova_cell0", "nova", "nova_cell2"]
    assert "secret" not in " ".join(" ".join(call.tool.argv) for call in found)
    assert found[3].environment == {"OS_DATABASE__CONNECTION": "mysql://nova:secret@h/nova_cell2"}


def test_tables_that_may_refer_to_each_other_come_by_one_stream() -> None:
    work = {"nova.instances": 9, "nova.virtual_interfaces": 1, "glance.images": 5, "cinder.a": 2}
    assert copy.together(work, 2) == [
        ["nova.instances", "nova.virtual_interfaces"],
        ["cinder.a", "glance.images"],
    ]
    assert copy.together({"nova.instances": 1}, 2) == [["nova.instances"]]
    assert copy.together({}, 2) == []


def of(usual: str, *names: str, project: str = "nova") -> list[service_databases.ServiceDatabase]:
    return [
        service_databases.ServiceDatabase(project, usual, name, project, f"mysql://u:p@h/{name}")
        for name in names
    ]


def test_heads_prove_tools_only_where_they_speak_of_every_database() -> None:
    nova, neutron = (one for one in RECIPES if one.project in ("nova", "neutron"))
    every = [*of("nova_api", "nova_api"), *of("nova", "nova", "nova_cell0", "nova_cell2")]
    assert heads.prove(nova, every)
    assert heads.prove(nova, [*every, *of("heat", "heat", project="heat")])  # another's
    assert not heads.prove(nova, [])
    assert not heads.prove(nova, [*every, *of("other", "nova_other")])
    assert not heads.prove(replace(nova, heads=()), every)
    assert not heads.prove(replace(nova, heads_prove_sync=False), every)
    one_cell = tuple(replace(one, each_cell=False) for one in nova.heads)
    assert not heads.prove(replace(nova, heads=one_cell), every)
    # neutron-db-manage upgrades what is installed beside neutron, too
    assert not heads.prove(neutron, of("neutron", "neutron", project="neutron"))
