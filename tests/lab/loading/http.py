"""HTTP for the load: one request a connection, cheap, and honest about how it failed."""

from __future__ import annotations

import asyncio
import json
from typing import Any


class CallError(Exception):
    """No answer, or one with a status that a client calls a failure."""


async def request(
    method: str,
    address: tuple[str, int],
    target: str,
    *,
    seconds: float,
    token: str = "",
    body: Any = None,
) -> tuple[dict[str, str], Any]:
    """Send one request; return headers and the parsed JSON body. Raises CallError."""
    try:
        async with asyncio.timeout(seconds):
            status, headers, text = await _exchange(method, address, target, token, body)
    except TimeoutError:
        raise CallError(f"no answer in {seconds:g} s") from None
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise CallError(f"{type(error).__name__}: {error}") from None
    if status >= 400:
        raise CallError(f"HTTP {status}")
    return headers, json.loads(text) if text.startswith((b"{", b"[")) else None


async def _exchange(
    method: str, address: tuple[str, int], target: str, token: str, body: Any
) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection(*address)
    try:
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {target} HTTP/1.0", f"Host: {address[0]}:{address[1]}"]
        lines += [f"X-Auth-Token: {token}"] if token else []
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"] if data else []
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        answer = await reader.read()
    finally:
        writer.close()
    head, _, text = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in rest)}
    return int(first.split()[1]), headers, text
