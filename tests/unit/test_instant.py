"""One instant of a server in use: who dies over it must not have its commits wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from migrate.cloud.host import Host
from migrate.database import connection, instant
from tests.unit.fakes import FakeHost


def test_a_gate_that_nobody_ends_is_ended_by_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    @contextmanager
    def session(_: Host) -> Iterator[str]:
        yield "link"

    def several(_: str, statements: Iterable[str]) -> None:
        said.extend(statements)

    monkeypatch.setattr(connection, "session", session)
    monkeypatch.setattr(connection, "rows", lambda _, statement: said.append(statement))
    monkeypatch.setattr(connection, "several", several)
    with instant.sessions(cast(Host, FakeHost("db")), 1):
        held = said.index("BACKUP STAGE BLOCK_COMMIT")
        assert f"wait_timeout = {instant.PATIENCE}" in said[held - 2].split(", SESSION ")[1]
        # the session is the next one's
        assert said[said.index("BACKUP STAGE END") + 1] == "SET SESSION wait_timeout = DEFAULT"
