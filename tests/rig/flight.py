"""Calls and downloads in flight while an address moves: a small server, and a load that counts.

    python flight.py answer NAME PORT            every address of this host; says who it is
    python flight.py load ADDRESS PORT           until its input ends; prints what came of each call

Clients are as urllib3 is: an idle connection that is found closed is opened again, all else counts.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Coroutine
from typing import Any

PATIENCE = 15.0
BEAT = 0.02  # between two calls of the one who looks for gaps
DOWNLOADS = (3.0, 6.0)  # seconds


async def answer(name: str, port: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                tenths = int(head.split()[1].partition("=")[2] or 0)
                body = 100 * tenths or 2
                writer.write(f"HTTP/1.1 200 OK\r\nBy: {name}\r\nLength: {body}\r\n\r\n".encode())
                for _ in range(tenths):
                    writer.write(b"z" * 100)
                    await writer.drain()
                    await asyncio.sleep(0.1)
                writer.write(b"" if tenths else b"ok")
                await writer.drain()
                if "close" in head:
                    break
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "0.0.0.0", port, backlog=1024)
    await server.serve_forever()


class Client:
    """Calls one after the other, over one connection while it is kept."""

    def __init__(self, address: str, port: int, told: list[Any]) -> None:
        self._at, self._told = (address, port), told
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, kind: str, path: str = "/", *, close: bool = False) -> None:
        began, by, wrong = time.time(), "", ""
        try:
            patience = PATIENCE + int(path.partition("=")[2] or 0) / 10
            by = await asyncio.wait_for(self._call(path, close=close), patience)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            wrong = type(error).__name__
        if close or wrong:
            self._drop()
        self._told.append([kind, began, time.time(), by, wrong])

    async def _call(self, path: str, *, close: bool) -> str:
        if self._streams and self._streams[0].at_eof():
            self._drop()
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._at)
        reader, writer = self._streams
        said = "close" if close else "keep-alive"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: {said}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split()
        await reader.readexactly(int(head[head.index("Length:") + 1]))
        return head[head.index("By:") + 1]

    def _drop(self) -> None:
        if self._streams:
            self._streams[1].close()
        self._streams = None


async def load(address: str, port: int) -> list[Any]:
    told: list[Any] = []
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    async def user(kind: str, *, close: bool) -> None:
        client = Client(address, port, told)
        while not ended.done():
            await client.call(kind, close=close)
            await asyncio.sleep(random.uniform(0.05, 0.15))

    async def download(lasts: float) -> None:
        path = f"/?tenths={lasts * 10:.0f}"
        while not ended.done():
            await Client(address, port, told).call("download", path, close=True)

    async def look() -> None:
        begun = []
        while not ended.done():
            one = Client(address, port, told).call("probe", close=True)
            begun.append(asyncio.ensure_future(one))
            await asyncio.sleep(BEAT)
        await asyncio.gather(*begun)

    users: list[Coroutine[Any, Any, None]] = [user("kept", close=False) for _ in range(12)]
    users += [user("closed", close=True) for _ in range(4)]
    await asyncio.gather(*users, *(download(one) for one in DOWNLOADS), look())
    return told


if __name__ == "__main__":
    if sys.argv[1] == "answer":
        asyncio.run(answer(sys.argv[2], int(sys.argv[3])))
    else:
        print(json.dumps(asyncio.run(load(sys.argv[2], int(sys.argv[3])))))
