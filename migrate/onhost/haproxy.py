"""HAProxy of this host: its configuration exchanged and put back, its old workers watched."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import time
from typing import Any

from migrate.onhost import record
from migrate.onhost.systemd import run

UNIT = "haproxy.service"
RECORD = "haproxy"
RELOAD_SECONDS = 15


def files() -> list[str]:
    """The configuration files that the running HAProxy was given."""
    with open(f"/proc/{_master()}/cmdline") as stream:
        words = stream.read().split("\0")
    given = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "-f"]
    found = []
    for path in given:
        if os.path.isdir(path):
            found += [os.path.join(path, n) for n in sorted(os.listdir(path)) if n.endswith(".cfg")]
        else:
            found.append(path)
    return found


def state() -> dict[str, Any]:
    """What is configured, and who still works by an older configuration.

    {"original": {path: text}, "current": {path: text}, "closed": "users", "leaving": {pid: 3}};
    "leaving" counts the connections of clients that an old worker still serves.
    """
    kept = record.load(RECORD) or {}
    if not _master():
        return {"original": {}, "current": {}, "closed": "", "leaving": {}, "running": False}
    current = {path: _read(path) for path in files()}
    original = {path: one["text"] for path, one in kept.get("original", {}).items()} or current
    whole = all(_digest(current.get(p, "")) == d for p, d in kept.get("ours", {}).items())
    closed = kept.get("depth", "") if kept and whole else ""
    listening, leaving = _workers()
    counts = {str(pid): _connections(pid) for pid in leaving}
    return {
        "original": original,
        "current": current,
        "closed": closed,
        "leaving": counts,
        "running": bool(listening),
    }


def close(depth: str, texts: dict[str, str]) -> None:
    """Put *texts* in place of the configuration; it is checked first, and kept for the way back."""
    with record.locked():
        kept = record.load(RECORD) or {"original": {}}
        for path in texts:
            if path not in kept["original"]:
                kept["original"][path] = {
                    "text": _read(path),
                    "mode": os.stat(path).st_mode & 0o7777,
                }
        for path, text in texts.items():
            _check(path, text)
        kept["depth"], kept["ours"] = depth, {path: _digest(text) for path, text in texts.items()}
        record.save(RECORD, kept)
        for path, text in texts.items():
            record.write(path, text, kept["original"][path]["mode"])
        reload()


def open_again() -> None:
    """Put the configuration back as it was; what somebody else changed meanwhile is kept."""
    kept = record.load(RECORD)
    if kept is None:
        return
    for path, original in kept["original"].items():
        now = _read(path)
        text = original["text"] if _digest(now) == kept["ours"].get(path) else without_ours(now)
        if text != now:
            record.write(path, text, original["mode"])
        record.clear(path)
    if run("systemctl", "is-active", UNIT, check=False).strip() == "active":
        reload()
    record.forget(RECORD)


def without_ours(text: str) -> str:
    """*text* without the lines that we marked."""
    return re.sub(r"(?m)^[^\n]*# migrate: [^\n]*\n", "", text)


def reload() -> None:
    """Let HAProxy read its files; returns when no worker of before accepts connections."""
    before = _children(_master())
    run("systemctl", "reload", UNIT)
    deadline = time.monotonic() + RELOAD_SECONDS
    while time.monotonic() < deadline:
        listening, _ = _workers()
        if listening and not set(listening) & set(before):
            return
        time.sleep(0.02)
    raise RuntimeError(f"haproxy did not take its new configuration in {RELOAD_SECONDS} s")


def end_old_workers() -> None:
    """End what workers of older configurations still serve: consoles, by now."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        _, leaving = _workers()
        if not leaving:
            return
        for pid in leaving:
            os.kill(pid, signal.SIGTERM)
        time.sleep(0.1)
    for pid in _workers()[1]:
        os.kill(pid, signal.SIGKILL)


def _check(path: str, text: str) -> None:
    staged = f"{path}{record.STAGED[1]}"
    record.write(staged, text, 0o600)
    try:
        run("haproxy", "-c", "-q", "-f", staged)
    finally:
        os.unlink(staged)


def _master() -> int:
    return int(run("systemctl", "show", "-P", "MainPID", UNIT).strip() or 0)


def _children(parent: int) -> list[int]:
    try:
        with open(f"/proc/{parent}/task/{parent}/children") as stream:
            return [int(pid) for pid in stream.read().split()]
    except OSError:
        return []


def _workers() -> tuple[list[int], list[int]]:
    """Workers that accept connections, and those that only end what they have."""
    everyone = _children(_master())
    listeners = run("ss", "-Htlnp")
    listening = [pid for pid in everyone if f"pid={pid}," in listeners]
    return listening, [pid for pid in everyone if pid not in listening]


def _connections(pid: int) -> int:
    held = run("ss", "-Htnp", "state", "established")
    return sum(f"pid={pid}," in line for line in held.splitlines()) // 2  # a client and a server


def _read(path: str) -> str:
    with open(path, newline="") as stream:
        return stream.read()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
