"""What the server's tool prints of a binary log, and what is made of it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from migrate.database import connection, definition
from migrate.database.fingerprint import Since
from migrate.database.replication import log
from migrate.database.replication.log import Place
from migrate.onhost import binlog

HEAD = "#261129  8:00:57 server id 7  end_log_pos {} CRC32 0x6e5ad895 \t{}"
KEYS = {"d.k": [[1, "text"], [2, "unsigned"]], "d.p": [[1, "number"]]}


def event(kind: str, *lines: str, end: int = 0) -> list[str]:
    return [f"# at {end}", HEAD.format(end, kind), *lines]


def read(*events: list[str], most: int = 10) -> dict[str, Any]:
    lines = [f"{line}\n".encode() for one in events for line in one]
    return binlog.Reader(KEYS, most).read(lines)


def rows(*lines: str, end: int = 700) -> list[str]:
    return event(
        "Write_rows: table id 25 flags: STMT_END_F", *lines, "# Number of rows: 1", end=end
    )


INSERT = ("### INSERT INTO `d`.`p`", "### SET", "###   @1=1", "###   @2='a'")
UPDATE = (
    *("### UPDATE `d`.`p`", "### WHERE", "###   @1=1", "###   @2='a'"),
    *("### SET", "###   @1=2", "###   @2='b'"),
)


def test_rows_give_their_keys_of_before_and_after() -> None:
    found = read(rows(*INSERT), rows(*UPDATE, end=900), event("Xid = 18", "COMMIT/*!*/;", end=931))
    (one,) = found["tables"].values()
    assert (one["did"], sorted(one["keys"])) == (["INSERT", "UPDATE"], [[1], [2]])
    assert (found["statements"], found["end"]) == (0, 931)


def test_a_key_of_two_columns_and_unsigned() -> None:
    found = read(
        rows(
            *("### DELETE FROM `d`.`k`", "### WHERE", "###   @1='it's é'"),
            *("###   @2=-1 (18446744073709551615)", "###   @3=2"),
        )
    )
    assert found["tables"] == {"d.k": {"did": ["DELETE"], "keys": [["it's é", 2**64 - 1]]}}


@pytest.mark.parametrize("told", ["'a\\x0a'", "'a\\b'", "NULL", "5", ""])
def test_a_key_that_is_told_ambiguously_leaves_the_whole_table(told: str) -> None:
    lines = "### DELETE FROM `d`.`k`", "### WHERE", f"###   @1={told}", "###   @2=1"
    assert read(rows(*lines))["tables"] == {"d.k": {"did": ["DELETE"], "keys": None}}


def test_so_do_more_rows_than_are_worth_it_and_a_table_without_a_key() -> None:
    many = [line for n in range(11) for line in (*INSERT[:2], f"###   @1={n}")]
    assert read(rows(*many))["tables"] == {"d.p": {"did": ["INSERT"], "keys": None}}
    bare = "### INSERT INTO `d`.`bare`", "### SET", "###   @1=1"
    assert read(rows(*bare))["tables"] == {"d.bare": {"did": ["INSERT"], "keys": None}}


QUERY = "Query\tthread_id=5\texec_time=0\terror_code=0\txid=23"
SET = ("use `d`/*!*/;", "SET TIMESTAMP=1795939257/*!*/;", "/*!\\C utf8mb4 *//*!*/;")


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("SAVEPOINT `a`", False),
        ("ROLLBACK TO `a`", False),
        ("COMMIT", False),
        ("BEGIN", False),
        ("DELETE FROM p", True),
        ("SET STATEMENT max_statement_time=1 FOR DELETE FROM p", True),
        ("ALTER TABLE p ADD COLUMN x INT", True),
        ("COMMIT AND DELETE", True),
    ],
)
def test_a_statement_is_counted_and_what_only_parts_a_transaction_is_not(
    text: str, counted: bool
) -> None:
    found = read(event(QUERY, *SET, text, "/*!*/;"), event("Xid = 1", "COMMIT/*!*/;"))
    assert bool(found["statements"]) is counted


def test_an_event_that_is_not_known_is_counted() -> None:
    assert read(event("Intvar", "SET INSERT_ID=5/*!*/;"))["statements"]
    assert read(event("Something_new: x"))["statements"]
    assert read(["### what is this"])["statements"]
    quiet = event("Annotate_rows:", "#Q> DELETE FROM p", "#Q> ### DELETE FROM `d`.`p`")
    assert not read(quiet, event("GTID 0-7-13 trans thread_id=5", "START TRANSACTION", "/*!*/;"))[
        "statements"
    ]


def made(columns: str, end: str = "PRIMARY KEY (`id`)") -> str:
    return f"CREATE TABLE `t` (\n  {columns},\n  {end}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3"


ID = "`id` int(11) NOT NULL"


@pytest.mark.parametrize(
    ("columns", "end", "key"),
    [
        (ID, "PRIMARY KEY (`id`)", [[1, "number"]]),
        (f"`a` text,\n  {ID}", "PRIMARY KEY (`id`)", [[2, "number"]]),
        (
            "`a` varchar(36) NOT NULL,\n  `b` bigint(20) unsigned NOT NULL",
            "PRIMARY KEY (`b`,`a`)",
            [[2, "unsigned"], [1, "text"]],
        ),
        (ID, "KEY `k` (`id`)", []),
        ("`id` datetime NOT NULL", "PRIMARY KEY (`id`)", []),
        ("`id` varbinary(16) NOT NULL", "PRIMARY KEY (`id`)", []),
        ("`id` varchar(300) NOT NULL", "PRIMARY KEY (`id`(100))", []),
        (f"{ID},\n  `g` int(11) GENERATED ALWAYS AS (`id` + 1) VIRTUAL", "PRIMARY KEY (`id`)", []),
        (f"{ID} COMMENT 'an unsigned id'", "PRIMARY KEY (`id`)", [[1, "number"]]),
        (f"{ID},\n  `a b` int(11)", "PRIMARY KEY (`id`)", []),
        (f"{ID},\n  `100%` int(11)", "PRIMARY KEY (`id`)", []),
        (f"{ID},\n  `a``b` int(11)", "PRIMARY KEY (`id`)", []),
        (
            f"{ID},\n  `a` date NOT NULL,\n  `b` date NOT NULL,\n  PERIOD FOR `p` (`a`, `b`)",
            "PRIMARY KEY (`id`,`p` WITHOUT OVERLAPS)",
            [],
        ),
    ],
)
def test_keys_that_can_be_read_in_a_log(columns: str, end: str, key: list[list[object]]) -> None:
    assert definition.logged_key(made(columns, end)) == key


@pytest.mark.parametrize(
    ("own", "table", "told"),
    [
        ("", "utf8mb4 COLLATE=utf8mb4_bin", "text"),
        ("", "latin1", "ascii"),  # where the bytes of one text are those of another in UTF-8
        ("", "ucs2", None),  # and here plain letters are those of another
        (" CHARACTER SET latin1 COLLATE latin1_bin", "utf8mb3", "ascii"),
        (" CHARACTER SET utf8mb3 COLLATE utf8mb3_bin", "gbk", "text"),
        (" CHARACTER SET sjis COLLATE sjis_bin", "utf8mb3", None),
    ],
)
def test_the_character_set_of_a_key_says_how_it_is_read(
    own: str, table: str, told: str | None
) -> None:
    text = made(f"`a` varchar(36){own} NOT NULL", "PRIMARY KEY (`a`)")
    text = text.removesuffix("utf8mb3") + table
    assert definition.logged_key(text) == ([[1, told]] if told else [])
    assert binlog.value("'\u00e9'".encode(), "text") == "\u00e9"
    assert binlog.value("'\u00e9'".encode(), "ascii") is None
    assert binlog.value(b"'e'", "ascii") == "e"


def test_where_rows_go_or_change_with_others() -> None:
    foreign = "CONSTRAINT `f{0}` FOREIGN KEY (`p`) REFERENCES {1} (`id`){2}"
    lines = [
        foreign.format(1, "`a`", " ON DELETE CASCADE"),
        foreign.format(2, "`other`.`b`", " ON DELETE SET NULL ON UPDATE CASCADE"),
        foreign.format(3, "`c`", ""),
        foreign.format(4, "`e`", " ON UPDATE CASCADE"),
        foreign.format(5, "`g`", " ON DELETE NO ACTION ON UPDATE SET NULL"),
        foreign.format(6, "`h`", " ON DELETE CASCADE ON UPDATE NO ACTION"),
        foreign.format(7, "`i`", " ON DELETE NO ACTION ON UPDATE NO ACTION"),
    ]
    text = made(f"{ID},\n  `p` int(11)", ",\n  ".join(("PRIMARY KEY (`id`)", *lines)))
    assert set(definition.cascades(text, "d")) == {
        *(("DELETE", "d.a"), ("DELETE", "other.b"), ("UPDATE", "other.b"), ("UPDATE", "d.e")),
        *(("UPDATE", "d.g"), ("DELETE", "d.h")),
    }


def test_what_goes_with_what_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(parent: str) -> str:
        foreign = f"CONSTRAINT `f` FOREIGN KEY (`p`) REFERENCES `{parent}` (`id`) ON DELETE CASCADE"
        return made(f"{ID},\n  `p` int(11)", f"PRIMARY KEY (`id`),\n  {foreign}")

    tables = {
        "d.a": {"definition": made(ID)},
        "d.b": {"definition": of("a")},
        "d.c": {"definition": of("b")},
        "d.z": {"definition": of("y")},
    }
    told = {"d.a": {"did": ["DELETE"], "keys": [[1]]}, "d.z": {"did": ["INSERT"], "keys": [[2]]}}
    monkeypatch.setattr(log, "named", lambda *_: told)
    place = Place("binlog.1", 4, "")
    found = log.since(None, tables, place, place)  # type: ignore[arg-type]
    assert found == Since(
        {name: tables[name] for name in ("d.a", "d.z")}, {"d.a": [[1]], "d.z": [[2]]}
    )


START = "Start: binlog v 4, server v 11.8.6-MariaDB-log created 261129  9:33:35"


@pytest.mark.parametrize(
    ("last", "torn"),
    [
        (event("Stop", end=611), 0),
        (event("Rotate to binlog.000003  pos: 4", end=611), 0),
        (event("Xid = 5", "COMMIT/*!*/;", end=567), 1),
        ([], 1),  # it died right after the place from which it is read
        (event("Rotate to binlog.000002  pos: 4", end=0), 1),  # of no log, but of the connection
    ],
)
def test_a_log_whose_server_died_may_lack_what_a_replica_has(last: list[str], torn: int) -> None:
    found = read(event(START, end=0), last, event(f"{START} at startup", "ROLLBACK/*!*/;", end=256))
    assert found["torn"] == torn
    assert not found["statements"]


def test_an_image_without_its_key_leaves_the_whole_table() -> None:
    """A session may have asked for less than whole rows."""
    found = read(rows("### INSERT INTO `d`.`p`", "### SET", "###   @2='a'"))
    assert found["tables"] == {"d.p": {"did": ["INSERT"], "keys": None}}
    assert read(rows("### INSERT INTO `d`.`p`", "### SET"))["tables"]["d.p"]["keys"] is None


@pytest.mark.parametrize("text", ["flush tables", "FLUSH LOGS", "ANALYZE TABLE p"])
def test_what_changes_no_row_is_no_statement(text: str) -> None:
    assert not read(event(QUERY, *SET, text, "/*!*/;"))["statements"]


def test_a_parent_in_another_database_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = "CONSTRAINT `f` FOREIGN KEY (`p`) REFERENCES `o`.`a` (`id`) ON DELETE CASCADE"
    text = made(f"{ID},\n  `p` int(11)", f"PRIMARY KEY (`id`),\n  {foreign}")
    told = {"o.a": {"did": ["DELETE"], "keys": None}}
    monkeypatch.setattr(log, "named", lambda *_: told)
    place = Place("binlog.1", 4, "")
    found = log.since(None, {"d.b": {"definition": text}}, place, place)  # type: ignore[arg-type]
    assert found == Since({}, {})


def test_definitions_that_are_quoted_otherwise_tell_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log, "named", lambda *_: {})
    tables = {"d.a": {"definition": made(ID).replace("`", '"')}}
    place = Place("binlog.1", 4, "")
    assert log.since(None, tables, place, place) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gtid", "torn", "believed"),
    [
        ("0-1-55,2-1-3", 0, True),
        ("2-1-3,0-1-55", 0, True),
        ("0-1-7", 0, False),  # another log of that name, after RESET MASTER
        (None, 0, False),  # the log ends before that place
        ("0-1-55,2-1-3", 1, False),
    ],
)
def test_only_the_log_of_the_proof_is_believed(
    monkeypatch: pytest.MonkeyPatch, gtid: str | None, torn: int, believed: bool
) -> None:
    read_tables = {"d.a": {"did": ["UPDATE"], "keys": [[1]]}}
    told = {"statements": 0, "torn": torn, "tables": read_tables}
    monkeypatch.setattr(connection, "session", lambda _: nullcontext())
    monkeypatch.setattr(connection, "rows", lambda *_: [("binlog.000001",)])
    monkeypatch.setattr(connection, "value", lambda *_: gtid)
    monkeypatch.setattr(log, "call", lambda *_, **__: told)
    one, other = (Place("binlog.000001", at, "0-1-55,2-1-3") for at in (400, 900))
    found = log.named(None, {}, one, other)  # type: ignore[arg-type]
    assert found == (read_tables if believed else None)
    assert bool(torn) <= (log.named(None, {}, one, other, sure=False) is not None)  # type: ignore[arg-type]
