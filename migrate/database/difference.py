"""What differs between two fingerprints, each thing by its name in one line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from migrate.database.definition import parts
from migrate.database.fingerprint import OBJECTS, Fingerprint

SHOWN = 160


@dataclass(frozen=True, slots=True)
class Difference:
    """`kind` is what changed (row checksum, column, index, trigger, grant, ...), `name` whose."""

    kind: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind} of {self.name}: {self.text}"


def differences(
    one: Fingerprint, other: Fingerprint, labels: tuple[str, str] = ("first", "second")
) -> list[Difference]:
    """Everything in which the two differ; an empty list is the only proof of equality.

    Who the server is and its version are not compared. A table that is on one side only is told
    once, without its columns.
    """
    found = [
        *_pairs("setting", one["settings"], other["settings"], labels),
        *_pairs("database default", one["databases"], other["databases"], labels),
        *_tables(one["tables"], other["tables"], labels),
    ]
    for kind in OBJECTS:
        found += _pairs(kind.removesuffix("s"), one[kind], other[kind], labels, quiet=True)
    found += _accounts(one["accounts"], other["accounts"], labels)
    return found


def _pairs(
    kind: str,
    one: Mapping[str, str],
    other: Mapping[str, str],
    labels: tuple[str, str],
    quiet: bool = False,
) -> Iterator[Difference]:
    for name in sorted({*one, *other}):
        if name not in one or name not in other:
            yield Difference(kind, name, f"only on the {labels[name in other]}")
        elif one[name] != other[name]:
            text = f"{labels[0]} {one[name][:SHOWN]}, {labels[1]} {other[name][:SHOWN]}"
            yield Difference(kind, name, "defined differently" if quiet else text)


def _tables(
    one: Mapping[str, Any], other: Mapping[str, Any], labels: tuple[str, str]
) -> Iterator[Difference]:
    for name in sorted({*one, *other}):
        if name not in one or name not in other:
            yield Difference("table", name, f"only on the {labels[name in other]}")
            continue
        left, right = one[name], other[name]
        if left["definition"] != right["definition"]:
            yield from _definitions(name, left["definition"], right["definition"], labels)
        if left["rows"] != right["rows"]:
            text = f"{left['rows']} on the {labels[0]}, {right['rows']} on the {labels[1]}"
            yield Difference("number of rows", name, text)
        elif left["checksum"] != right["checksum"]:
            text = f"{left['rows']} rows on both sides, but not the same"
            yield Difference("row checksum", name, text)
        elif left.get("named") != right.get("named"):
            text = "those written to since both sides were proven equal are not the same"
            yield Difference("rows", name, text)
        if left["next"] != right["next"]:
            text = f"{left['next']} on the {labels[0]}, {right['next']} on the {labels[1]}"
            yield Difference("next automatic number", name, text)


def _definitions(table: str, one: str, other: str, labels: tuple[str, str]) -> Iterator[Difference]:
    left, right = parts(one), parts(other)
    any_found = False
    for kind, name in sorted({*left, *right}):
        mine, theirs = left.get((kind, name)), right.get((kind, name))
        if mine == theirs:
            continue
        any_found = True
        if mine is None or theirs is None:
            text = f"only on the {labels[theirs is not None]}"
        else:
            text = f"{labels[0]} {mine[:SHOWN]}, {labels[1]} {theirs[:SHOWN]}"
        yield Difference(kind, f"{table}.{name}" if name else table, text)
    if not any_found:
        yield Difference("order of columns or indexes", table, "not the same on both sides")


def _accounts(
    one: Mapping[str, Any], other: Mapping[str, Any], labels: tuple[str, str]
) -> Iterator[Difference]:
    for name in sorted({*one, *other}):
        if name not in one or name not in other:
            yield Difference("account", name, f"only on the {labels[name in other]}")
            continue
        if one[name]["login"] != other[name]["login"]:
            yield Difference("login", name, "password or authentication differ")
        left, right = set(one[name]["grants"]), set(other[name]["grants"])
        for grant in sorted(left ^ right):
            yield Difference("grant", name, f"only on the {labels[grant in right]}: {grant}")
