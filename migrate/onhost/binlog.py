"""What a server's binary log names: the tables that were written to, and the keys of their rows.

Read by the server's own tool and through the server, which opens what is encrypted or compressed.
An event that is not known here counts as a statement, of which nobody can tell what it changed.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable
from typing import Any

TOOL = (  # an option file may have it leave out databases, or rows
    *("mariadb-binlog", "--no-defaults", "--user=root", "--read-from-remote-server"),
    *("--base64-output=decode-rows", "--verbose"),
)
HEADER = re.compile(rb"#\d{6} [ \d:]{8} server id \d+  end_log_pos (\d+) [^\t]*\t(\w+)")
ROW = re.compile(rb"### (INSERT INTO|UPDATE|DELETE FROM) `([^`]+)`\.`([^`]+)`$")
COLUMN = re.compile(rb"###   @(\d+)=(.*)$", re.S)
NUMBER = re.compile(rb"(-?\d+)(?: \((\d+)\))?$")
# events, by the first word of what is told of each, that change nothing, or by rows alone
KNOWN = {
    *(b"Start", b"Gtid", b"Binlog", b"GTID", b"Annotate_rows", b"Table_map", b"Xid", b"Rotate"),
    *(b"Stop", b"Query", b"Write_rows", b"Update_rows", b"Delete_rows", b"Write_compressed_rows"),
    *(b"Update_compressed_rows", b"Delete_compressed_rows"),
}
CLOSED = (b"Rotate", b"Stop")  # the last event of a log, unless its server died
# in an event Query: what is set for it, parts of transactions, and what changes no row
SETTING = re.compile(rb"(SET |use `|/\*!).*/\*!\*/;$")
PART = re.compile(
    rb"START TRANSACTION$|BEGIN$|COMMIT$|ROLLBACK$|"
    rb"(SAVEPOINT|ROLLBACK TO|RELEASE SAVEPOINT) `[^`]*`$|"
    rb"(?i:FLUSH|ANALYZE TABLE|OPTIMIZE TABLE) [^;]*$"
)
END = b"/*!*/;"


def named(
    socket: str, logs: list[str], span: list[int], keys: dict[str, list[list[Any]]], most: int
) -> dict[str, Any]:
    """What *logs* name from the first offset of *span* to the last, which is in the last of them.

    `keys` has the columns of each table's key, counted from 1: `{"nova.instances": [[2, "text"]]}`.
    `{"statements": 0, "torn": 0,
    "tables": {"nova.instances": {"did": ["UPDATE"], "keys": [["a"], ["b"]]}}}`;
    "keys" is None of a table that has none here, and where there are more than *most*. A log is
    "torn" whose server died: its last events may be lost, which a replica may have.
    """
    argv = [
        *TOOL,
        f"--socket={socket}",
        f"--start-position={span[0]}",
        f"--stop-position={span[1]}",
    ]
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            [*argv, "--", *logs], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as running:
            assert running.stdout is not None
            found = Reader(keys, most).read(running.stdout)
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()[-300:]
    if running.returncode or found.pop("end") != span[1]:
        raise RuntimeError(f"the binary log cannot be read from {logs[0]} on: {said}")
    return found


class Reader:
    """One pass over what the tool prints."""

    def __init__(self, keys: dict[str, list[list[Any]]], most: int) -> None:
        self.places = {
            name: {number: (at, kind) for at, (number, kind) in enumerate(columns)}
            for name, columns in keys.items()
        }
        self.most = most
        self.tables: dict[str, Any] = {}
        self.name = ""  # of the table whose row is told
        self.key: dict[int, Any] = {}
        self.begun = False  # an image of it

    def read(self, lines: Iterable[bytes]) -> dict[str, Any]:
        """What `named` gives, and the offset of the last event's end as "end"."""
        statements = torn = end = 0
        query, last = False, CLOSED[0]
        for raw in lines:
            line = raw.rstrip(b"\n")
            if line.startswith(b"###"):
                statements += not self.row(line)
            elif header := HEADER.match(line):
                self.image()
                end = int(header[1]) or end
                query = header[2] == b"Query"
                statements += header[2] not in KNOWN
                torn += header[2] == b"Start" and last not in CLOSED
                if header[2] != b"Rotate" or int(header[1]):  # else it is none of the log's own
                    last = header[2]
            elif query and line == END:
                query = False
            elif query and not SETTING.match(line) and not PART.match(line):
                statements += 1
        self.image()
        tables = {
            name: {"did": sorted(one["did"]), "keys": one["keys"] and [*map(list, one["keys"])]}
            for name, one in self.tables.items()
        }
        return {"statements": statements, "torn": torn, "end": end, "tables": tables}

    def row(self, line: bytes) -> bool:
        """Take in one line of a row; whether it was understood."""
        if column := COLUMN.match(line):
            if place := self.places.get(self.name, {}).get(int(column[1])):
                at, kind = place
                self.key[at] = value(column[2], kind)
            return bool(self.name)
        self.image()
        if found := ROW.match(line):
            self.name = b".".join(found.groups()[1:]).decode()
            new: dict[str, Any] = {
                "did": set(),
                "keys": set() if self.name in self.places else None,
            }
            self.tables.setdefault(self.name, new)["did"].add(found[1].split()[0].decode())
            return True
        self.begun = line in (b"### SET", b"### WHERE")
        return self.begun

    def image(self) -> None:
        """A row's image has ended: its key counts; one that lacks it could be any row's."""
        key, self.key = self.key, {}
        begun, self.begun = self.begun, False
        if not begun or self.name not in self.places:
            return
        one = self.tables[self.name]
        if one["keys"] is None:
            return
        whole = len(key) == len(self.places[self.name]) and None not in key.values()
        if not whole or len(one["keys"]) == self.most:
            one["keys"] = None
        else:
            one["keys"].add(tuple(key[at] for at in sorted(key)))


def value(told: bytes, kind: str) -> Any:
    """A number or a text as the tool tells it; None where that is not unambiguous."""
    if kind in ("text", "ascii"):
        plain = told.startswith(b"'") and told.endswith(b"'") and b"\\" not in told
        try:
            return told[1:-1].decode("ascii" if kind == "ascii" else "utf-8") if plain else None
        except UnicodeDecodeError:
            return None
    if found := NUMBER.match(told):
        return int(found[2] or found[1]) if kind == "unsigned" else int(found[1])
    return None
