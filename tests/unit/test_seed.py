"""The seed's streams: both ends as processes, between programs that stand for a server's own."""

from __future__ import annotations

import json
import sys
from itertools import chain, takewhile
from pathlib import Path

import pytest

from migrate.cloud import transfer
from migrate.database.replication import streams
from migrate.onhost import seed

CLIENT = """#!{python}
import sys
log = open("{log}", "a")
if "--unbuffered" in sys.argv:
    for line in sys.stdin:
        if "BLOCK_COMMIT" in line:
            print("a.large\\t9000000\\na.small\\t100\\nb.one\\t16384", flush=True)
            print("held", file=log, flush=True)
        if "held" in line:
            print("held", flush=True)
    print("released", file=log, flush=True)
else:
    came = sys.stdin.read()
    word = came.split("--")[1].strip() if "broken" in came else came.rsplit("complete ", 1)[-1]
    print("import", word.split(" ")[0].strip(), file=log, flush=True)
    print(came.rstrip().splitlines()[-1][8:-2])
    sys.exit(came.count("broken"))
"""
DUMP = """#!{python}
import os, sys
from pathlib import Path
log = open("{log}", "a")
place = Path("{place}")
print("dump", *(one[15:] for one in sys.argv if "ignore" in one), file=log, flush=True)
at = os.getpid() if place.with_name("moves").exists() else place.read_text()
print("-- header")
print(f"-- CHANGE MASTER TO MASTER_LOG_FILE='log.7', MASTER_LOG_POS={{at}}")
print("x" * 200000)
if place.with_name("changes").exists():
    print(log.tell())
if place.with_name("cut").exists() and "--no-create-info" in sys.argv:
    sys.exit(1)
print("-- Dump completed on")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    names = {"python": sys.executable, "log": tmp_path / "log", "place": tmp_path / "place"}
    for name, text in (("mariadb", CLIENT), ("mariadb-dump", DUMP)):
        (tmp_path / name).write_text(text.format(**names))
        (tmp_path / name).chmod(0o755)
    (tmp_path / "serve").write_text(transfer.SERVE_PROGRAM)
    allowed = {**transfer.NOTHING, "databases": ["a", "b"]}
    (tmp_path / "allowed.json").write_text(json.dumps(allowed))
    (tmp_path / "place").write_text("42")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def brought(folder: Path, *names: str) -> dict[str, str]:
    def command(part: str) -> list[str]:
        return [sys.executable, str(folder / "serve"), " ".join([part, *names])]

    return seed.bring({part: command(part) for part in streams.PARTS}, [*names], 2)


def test_every_stream_begins_while_nobody_commits(folder: Path) -> None:
    assert brought(folder, "a", "b") == {"wrong": "", "place": "log.7 42"}
    said = (folder / "log").read_text().splitlines()
    assert said[:3] == ["dump", "import definitions", "held"]
    meanwhile = list(takewhile(lambda line: line != "released", said[3:]))
    assert sorted(meanwhile) == ["dump", "dump", "dump a.large", "dump a.small b.one"]
    # what acts comes when all rows have
    assert said[4 + len(meanwhile) :] == ["import rows", "import rows", "import acting"]


def test_streams_of_two_instants_are_not_imported(folder: Path) -> None:
    (folder / "moves").touch()
    said = brought(folder, "a", "b")["wrong"]
    assert "the streams are of several instants: log.7 " in said
    assert "import rows" not in (folder / "log").read_text()


def test_a_table_that_was_changed_meanwhile_is_no_seed(folder: Path) -> None:
    (folder / "changes").touch()
    said = brought(folder, "a", "b")["wrong"]
    assert said == "tables were changed while the copy began: again"
    assert "import rows" not in (folder / "log").read_text()


def test_only_what_lasts_of_definitions_is_compared() -> None:
    first = b"-- at 1\n) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4;"
    later = b"-- at 22\n) ENGINE=InnoDB AUTO_INCREMENT=77 DEFAULT CHARSET=utf8mb4;"
    assert seed.lasting(first) == seed.lasting(later) != seed.lasting(later + b"x")


def test_a_dump_that_is_cut_short_is_not_whole(folder: Path) -> None:
    (folder / "cut").touch()
    said = brought(folder, "a", "b")["wrong"]
    assert "mark of completeness is missing" in said
    assert "import acting" not in (folder / "log").read_text()


def test_a_database_that_nobody_allowed_is_refused(folder: Path) -> None:
    said = brought(folder, "a", "secret")["wrong"]
    assert "not served: 'definitions a secret'" in said


@pytest.mark.parametrize("ways", [1, 2, 4])
def test_tables_are_split_by_size(ways: int) -> None:
    groups = seed.split({"a.x": 50, "a.y": 30, "b.z": 25, "b.u": 1}, ways)
    assert len(groups) == ways
    assert sorted(chain.from_iterable(groups)) == ["a.x", "a.y", "b.u", "b.z"]
    assert groups[0][0] == "a.x"
