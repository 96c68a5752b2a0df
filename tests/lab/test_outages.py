"""An outage of known length is planted under the load's own pings and probes, and reported."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.load import read
from tests.lab.loading import probes
from tests.lab.loading.beat import AT_ONCE
from tests.lab.loading.pings import Pings
from tests.lab.loading.probes import INTERVAL, probe
from tests.lab.loading.record import Record
from tests.lab.outages import noticed

pytestmark = pytest.mark.integration

CARD, ADDRESS = "outage-test", "10.253.77.1"
PLANTED = ("127.0.0.1", 18080)
ANSWER = b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n{}"


@pytest.fixture
def address() -> Iterator[str]:
    """An address of this host that can be taken away."""
    subprocess.run(["ip", "link", "add", CARD, "type", "bridge"], check=True)
    subprocess.run(["ip", "link", "set", CARD, "up"], check=True)
    _address("add")
    yield ADDRESS
    subprocess.run(["ip", "link", "del", CARD], check=True)


def _address(verb: str) -> None:
    # a dead address must not be looked for elsewhere
    route = "del" if verb == "add" else "add"
    dead = ["ip", "route", route, "blackhole", f"{ADDRESS}/32"]
    subprocess.run(dead, check=False, capture_output=True)
    subprocess.run(["ip", "addr", verb, f"{ADDRESS}/32", "dev", CARD], check=True)


def test_planted_outage_of_pings_is_reported(tmp_path: Path, address: str) -> None:
    async def plant() -> None:
        task = asyncio.create_task(Pings([address], Record(tmp_path / "load.jsonl")).run())
        await asyncio.sleep(1)
        _address("del")
        await asyncio.sleep(1.0)
        _address("add")
        await asyncio.sleep(1.5)
        task.cancel()

    asyncio.run(plant())
    found = noticed(read(tmp_path / "load.jsonl"))[f"ping {address}"]
    assert [round(outage.seconds, 1) for outage in found.outages] == [pytest.approx(1.0, abs=0.2)]
    assert found.failed >= 8


@asynccontextmanager
async def probing(folder: Path, serve: Callable[..., Any]) -> AsyncIterator[asyncio.Server]:
    """A server that *serve* answers for, under the load's own probes, recorded in *folder*."""
    server = await asyncio.start_server(serve, *PLANTED)
    task = asyncio.create_task(probe("planted", PLANTED, Record(folder / "load.jsonl")))
    yield server
    task.cancel()
    server.close()


def test_planted_outage_of_an_api_is_reported(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        writer.close()

    async def plant() -> None:
        async with probing(tmp_path, answer) as server:
            await asyncio.sleep(1)
            server.close()
            await server.wait_closed()
            await asyncio.sleep(1.0)
            async with await asyncio.start_server(answer, *PLANTED):
                await asyncio.sleep(1)

    asyncio.run(plant())
    found = noticed(read(tmp_path / "load.jsonl"))["probe planted"]
    assert [outage.seconds for outage in found.outages] == [pytest.approx(1.0, abs=INTERVAL + 0.1)]


def test_a_cloud_that_does_not_answer_is_not_buried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PATIENCE", 60.0)
    asked = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()  # until the prober gives up
        writer.close()

    async def plant() -> None:
        async with probing(tmp_path, hang):
            await asyncio.sleep((AT_ONCE + 3) * INTERVAL)

    asyncio.run(plant())
    assert asked == AT_ONCE


def test_a_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    path.write_text('{"at": 1.0, "took": 0.1, "kind": "x", "ok": true}\n{"at": 2.0, "to')
    assert [record["at"] for record in read(path)] == [1.0]


def test_an_outage_that_has_not_ended_is_as_long_as_known() -> None:
    calls = [
        {"at": 1.0, "took": 0.1, "kind": "x", "ok": True},
        {"at": 2.0, "took": 0.1, "kind": "x", "ok": False, "note": "HTTP 503"},
        {"at": 3.0, "took": 0.5, "kind": "x", "ok": False, "note": "HTTP 503"},
    ]
    (outage,) = noticed(calls)["x"].outages
    assert (outage.began, outage.seconds, outage.calls) == (2.0, 1.5, 2)
    assert outage.notes == ("HTTP 503",)
