"""The databases' part of the window, beside what an operator would type: dump, import, compare.

    python -m tests.bench.databases [rows]

Two machines with MariaDB (tests/integration/pair.py). One table of *rows*, of which one in a
hundred changes after the first pass; both ways end with a copy that was compared.
"""

from __future__ import annotations

import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from infra.nspawn import ssh_command
from migrate.cloud import Context, transfer
from migrate.database import baseline, compare, copy, ownership
from migrate.engine import markers
from tests.integration import pair

ROUNDS = 3
NAMES = ("alpha", "alpha_api", "alpha_cell0", "beta-1")
FILL = """
USE alpha;
DROP TABLE IF EXISTS alpha.records;
CREATE TABLE alpha.records (id INT PRIMARY KEY, name VARCHAR(64), data VARCHAR(255), at DATETIME);
INSERT INTO alpha.records SELECT seq, MD5(seq), REPEAT(MD5(seq + 1), 6), '2026-01-01' + INTERVAL
  (seq MOD 86400) SECOND FROM seq_1_to_{rows};
"""
CHANGE = "UPDATE alpha.records SET name = MD5(RAND()) WHERE id MOD 100 = 0"
DROP = "".join(f"DROP DATABASE IF EXISTS `{name}`; " for name in NAMES)


def main(rows: int) -> None:
    """Measure both ways and print them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home, pair.running(Path(home)) as context:
        context.source.controllers[0].run("mariadb", stdin=FILL.format(rows=rows), timeout=600)
        by_hand = [timed(lambda: dump_and_compare(context, Path(home))) for _ in range(ROUNDS)]
        with patch.multiple(markers, mark=nothing, unmark=nothing, refuse_after=nothing):
            transfer.allow(context)
            context.target.controllers[0].run("mariadb", stdin=DROP)
            first = timed(lambda: copy.first_pass(context))
            window = [timed(lambda: bring_and_compare(context)) for _ in range(ROUNDS)]
            ownership.discard(context)
    hand, ours = statistics.median(by_hand), statistics.median(window)
    print(f"{rows} rows, one in a hundred changed, median of {ROUNDS}")
    print(f"  by hand, in the window   dump, import, CHECKSUM TABLE     {hand:7.2f} s")
    print(f"  migrate, before it       first pass                       {first:7.2f} s")
    print(f"  migrate, in the window   fingerprint, delta, comparison   {ours:7.2f} s")
    print(f"  by hand / migrate        {hand / ours:.1f}")


def nothing(*_: object) -> None:
    """The pair has no cloud whose stage could be marked."""


def timed(act: Callable[[], None]) -> float:
    start = time.monotonic()
    act()
    return time.monotonic() - start


def dump_and_compare(context: Context, home: Path) -> None:
    """As an operator would: a pipe from host to host, then every table's checksum on both."""
    source, target = context.source.controllers[0], context.target.controllers[0]
    change(context)
    target.run("mariadb", stdin=DROP)
    names = " ".join(map(shlex.quote, NAMES))
    dump = f"mariadb-dump --single-transaction --routines --events --databases {names}"
    sides = [shlex.join(ssh_command(home, host.address)) for host in (source, target)]
    subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sides[0]} {shlex.quote(dump)} | {sides[1]} mariadb"],
        check=True,
    )
    tables = source.run(
        "mariadb",
        "-N",
        stdin="SELECT CONCAT('`', table_schema, '`.`', table_name, '`') FROM "
        "information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema IN "
        f"({', '.join(repr(name) for name in NAMES)})",
    ).split("\n")
    asked = f"CHECKSUM TABLE {', '.join(filter(None, tables))}"
    assert source.run("mariadb", stdin=asked, timeout=600) == target.run(
        "mariadb", stdin=asked, timeout=600
    )


def bring_and_compare(context: Context) -> None:
    """As the window does."""
    change(context)
    context.source.controllers[0].run("mariadb", stdin="SET GLOBAL read_only = 1")
    baseline.take(context)
    copy.copy(context)
    compare.prove(context)
    copy.discard_copy(context)
    baseline.lift(context)
    context.source.controllers[0].run("mariadb", stdin="SET GLOBAL read_only = 0")


def change(context: Context) -> None:
    context.source.controllers[0].run("mariadb", stdin=CHANGE, timeout=600)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
