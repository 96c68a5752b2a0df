"""What a SHOW CREATE TABLE says, line by line."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

INDEX = re.compile(r"^(?:(?:UNIQUE|FULLTEXT|SPATIAL|VECTOR) )?KEY `(?P<name>[^`]+)`|^PRIMARY KEY")
CONSTRAINT = re.compile(r"^CONSTRAINT `(?P<name>[^`]+)`")
COLUMN = re.compile(r"^`(?P<name>[^`]+)`")
OPTION = re.compile(r"(ENGINE|CHARSET|COLLATE|ROW_FORMAT)=(\S+)")
PRIMARY = re.compile(r"PRIMARY KEY \((.*?)\)(?: USING \w+)?$")
NAME = re.compile(r"`([^`]+)`")
NUMBERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
TEXTS = ("varchar", "char")
# how the bytes of a text are read, by its character set
READ_AS = {
    **dict.fromkeys(("utf8mb4", "utf8mb3", "utf8"), "text"),
    **dict.fromkeys(("ascii", "latin1"), "ascii"),
}
OF_COLUMN = re.compile(r" CHARACTER SET (\w+)")
PLAIN = re.compile(r"[0-9A-Za-z_$-]+")
CHILD = re.compile(
    r"FOREIGN KEY \([^)]*\) REFERENCES (?:`([^`]+)`\.)?`([^`]+)` \([^)]*\)"
    r"(?: ON DELETE (NO ACTION|RESTRICT|CASCADE|SET NULL|SET DEFAULT))?"
    r"(?: ON UPDATE (CASCADE|SET NULL|SET DEFAULT))?"
)
LEFT_ALONE = ("", "NO ACTION", "RESTRICT")


@cache  # each is asked several times, also in the window
def parts(definition: str) -> Mapping[tuple[str, str], str]:
    """The lines of a SHOW CREATE TABLE by what they define: `{("index", "ix_a"): "KEY ..."}`."""
    _, *body = definition.splitlines()
    found: dict[tuple[str, str], str] = {}
    for number, raw in enumerate(body):
        line = raw.strip().rstrip(",")
        if line.startswith(")"):
            options = dict(OPTION.findall(line))
            for option in ("ENGINE", "CHARSET", "COLLATE"):
                kind = {"ENGINE": "engine", "CHARSET": "character set"}.get(option, "collation")
                found[kind, ""] = options.get(option, "")
            found["options", ""] = " ".join([OPTION.sub("", line), *body[number + 1 :]])
            found["options", ""] += options.get("ROW_FORMAT", "")
            break
        if match := COLUMN.match(line):
            found["column", match["name"]] = line
        elif match := INDEX.match(line):
            found["index", match["name"] or "PRIMARY"] = line
        elif match := CONSTRAINT.match(line):
            found["constraint", match["name"]] = line
        else:
            found["line", str(number)] = line
    return MappingProxyType(found)


def columns(definition: str) -> dict[str, str]:
    """Each column of a SHOW CREATE TABLE and what it is, in order: `{"id": "int(11) NOT NULL"}`."""
    return {
        name: line.split("` ", 1)[1]
        for (kind, name), line in parts(definition).items()
        if kind == "column"
    }


def key(definition: str) -> list[str]:
    """The columns of its primary key; [] without one, or where it has only parts of columns."""
    line = parts(definition).get(("index", "PRIMARY"), "")
    found = PRIMARY.match(line)
    return NAME.findall(found[1]) if found and "(" not in found[1] else []


def logged_key(definition: str) -> list[list[Any]]:
    """Its key as `onhost.binlog` reads it: `[[2, "text"]]`; [] where it cannot be read there.

    A generated column, whose place in the log is not known here, a kind of key that is told
    ambiguously, or a name that a statement cannot say as it is, is not understood.
    """
    every = columns(definition)
    if any(" GENERATED " in what or " INVISIBLE" in what for what in every.values()):
        return []
    if "``" in definition or not all(map(PLAIN.fullmatch, every)):
        return []
    table = parts(definition).get(("character set", ""), "")
    found: list[list[Any]] = []
    for name in key(definition):
        what = every.get(name, "").partition(" COMMENT ")[0]  # a period is no column
        kind = re.split(r"[( ]", what, maxsplit=1)[0]
        told = ""
        if kind in NUMBERS:
            told = "unsigned" if " unsigned" in what else "number"
        elif kind in TEXTS:
            own = OF_COLUMN.search(what)
            told = READ_AS.get(own[1] if own else table, "")
        if not told:
            return []
        found.append([list(every).index(name) + 1, told])
    return found


def cascades(definition: str, database: str) -> Iterator[tuple[str, str]]:
    """("DELETE", parent) and ("UPDATE", parent) where a row here goes or changes with its parent's.

    The server does that below its log, which names no such row.
    """
    for schema, parent, deleted, updated in CHILD.findall(definition):
        for did, action in (("DELETE", deleted), ("UPDATE", updated)):
            if action not in LEFT_ALONE:
                yield did, f"{schema or database}.{parent}"
