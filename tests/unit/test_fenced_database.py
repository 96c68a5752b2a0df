"""A database's fence is proven by the server that is there, not by one that was noted as absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.onhost import mariadb, record, systemd


class Server:
    """Stands for MariaDB and its client on a host: it answers while it runs."""

    def __init__(self, includes: Path) -> None:
        self.includes, self.runs, self.read_only = includes, True, "0"

    def run(self, *argv: str, stdin: str = "") -> str:
        if argv[0] == "my_print_defaults":
            fenced = (self.includes / mariadb.NAME).exists()
            return "--port=3306\n" + ("--read_only=1\n" if fenced else "")
        if not self.runs:
            raise RuntimeError("mariadb exited 1: Can't connect to local server")
        if "SET GLOBAL read_only = " in stdin:
            self.read_only = stdin.rpartition(" = ")[2]
        return f"{self.read_only}\n"

    def active(self, names: tuple[str, ...]) -> list[str]:
        return [f"{names[0]}.service"] if self.runs else []


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    includes = tmp_path / "conf.d"
    includes.mkdir()
    found = Server(includes)
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "notes"))
    monkeypatch.setattr(mariadb, "INCLUDES", (str(includes),))
    monkeypatch.setattr(mariadb, "run", found.run)
    monkeypatch.setattr(systemd, "active", found.active)
    return found


def test_it_is_as_before_after_the_way_back(server: Server) -> None:
    for _ in range(2):  # the second must not take ours for what was there
        mariadb.fence()
        assert mariadb.unfenced() == []
    mariadb.lift()
    assert server.read_only == "0"
    assert list(server.includes.iterdir()) == []
    assert record.load(mariadb.RECORD) is None


def test_one_that_is_started_later_is_not_fenced_until_it_is(server: Server) -> None:
    server.runs = False
    mariadb.fence()
    assert mariadb.unfenced() == []
    server.runs = True
    assert mariadb.unfenced() == ["it was started after the fence was put up"]
    mariadb.fence()
    assert server.read_only == "1"
    mariadb.lift()
    assert server.read_only == "0"


def test_one_that_has_died_since_keeps_its_way_back(server: Server) -> None:
    mariadb.fence()
    server.runs = False
    with pytest.raises(RuntimeError, match="Can't connect"):
        mariadb.fence()
    server.runs = True
    mariadb.lift()
    assert server.read_only == "0"
