"""HAProxy of this host: its configuration exchanged and put back, its old workers watched."""

import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from migrate.onhost import disk, processes, record, sockets
from migrate.onhost.systemd import run

UNIT = "haproxy.service"
RECORD = "haproxy"
RELOAD_SECONDS = 15


def files() -> list[str]:
    """The configuration files that the running HAProxy was given, in its order."""
    words = _strings("cmdline")
    given = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "-f"]
    if "--" in words:
        given += words[words.index("--") + 1 :]
    found = []
    for path in (os.path.join(folder(), one) for one in given):
        if os.path.isdir(path):
            names = sorted(os.fsencode(name) for name in os.listdir(path))
            inner = [os.path.join(path, os.fsdecode(n)) for n in names if not n.startswith(b".")]
            found += [one for one in inner if one.endswith(".cfg") and os.path.isfile(one)]
        else:
            found.append(path)
    return found


def folder() -> str:
    """Where relative paths of its configuration begin, by name."""
    return os.readlink(working_folder())


def working_folder() -> str:
    """The same to be entered: its name leads nowhere, or elsewhere, where its root is another."""
    return f"/proc/{_master()}/cwd"


def environment() -> dict[str, str]:
    """What its configuration may name as variables, without what makes it a master of workers."""
    pairs = [one.partition("=") for one in _strings("environ")]
    own = ("HAPROXY_MWORKER", "HAPROXY_PROCESSES", "HAPROXY_C", "NOTIFY_", "LISTEN_")
    return {name: value for name, _, value in pairs if name and not name.startswith(own)}


def command() -> list[str]:
    """The running HAProxy's own program, to be started with other files."""
    return [_strings("cmdline")[0]]


@contextmanager
def in_memory(texts: list[str]) -> Iterator[list[str]]:
    """The words that give *texts* to another HAProxy; nothing of them is on a disk."""
    with ExitStack() as stack:
        words = []
        for text in texts:
            stream = stack.enter_context(open(os.memfd_create("haproxy.cfg"), "wb"))
            stream.write(text.encode(errors="surrogateescape"))
            stream.flush()
            words += ["-f", f"/proc/{os.getpid()}/fd/{stream.fileno()}"]
        yield words


def running() -> list[int]:
    """The running HAProxy: master and workers."""
    master = _master()
    return [master, *processes.children(master)] if master else []


def listens() -> dict[str, Any]:
    """The TCP sockets that it holds, and those of everybody else, as the kernel says.

    {"own": [["10.0.0.10", 5000]], "others": [["0.0.0.0", 22, "sshd"]]}
    """
    return {"own": sockets.held(running()), "others": sockets.others(running())}


def state() -> dict[str, Any]:
    """What is configured, and who still works by an older configuration.

    {"original": {path: text}, "current": {path: text}, "closed": "users", "leaving": {pid: 3}};
    "leaving" counts the connections of clients that an old worker still serves.
    """
    kept = record.load(RECORD) or {}
    if not _master():
        return {"original": {}, "current": {}, "closed": "", "leaving": {}, "running": False}
    current = {path: disk.text(path) for path in files()}
    original = {path: one["text"] for path, one in kept.get("original", {}).items()} or current
    whole = {path: _digest(text) for path, text in current.items()} == kept.get("ours")
    closed = kept.get("depth", "") if kept and whole else ""
    accepting, leaving = _workers()
    held = sockets.every("state", "established") if leaving else []
    # a client and a server each
    counts = {str(pid): sum(pid in one.holders for one in held) // 2 for pid in leaving}
    return {
        "original": original,
        "current": current,
        "closed": closed,
        "leaving": counts,
        "running": bool(accepting),
    }


def close(depth: str, texts: dict[str, str]) -> None:
    """Put *texts* in place of the configuration; it is checked first, and kept for the way back."""
    with record.locked():
        kept = record.load(RECORD) or {"original": {}}
        for path in texts:
            if path not in kept["original"]:
                kept["original"][path] = {"text": disk.text(path)}
        _check(list(texts.values()))
        kept["depth"], kept["ours"] = depth, {path: _digest(text) for path, text in texts.items()}
        record.save(RECORD, kept)
        for path, text in texts.items():
            _replace(path, text)
        reload()


def open_again() -> None:
    """Put the configuration back as it was; what somebody else changed meanwhile is kept."""
    kept = record.load(RECORD)
    if kept is None:
        return
    for path, original in kept["original"].items():
        now = disk.text(path)
        text = original["text"] if _digest(now) == kept["ours"].get(path) else without_ours(now)
        if text != now:
            _replace(path, text, disk.write_back)
        disk.clear(os.path.realpath(path))
    if run("systemctl", "is-active", UNIT, check=False).strip() == "active":
        reload()
    record.forget(RECORD)


def without_ours(text: str) -> str:
    """*text* without the lines that we marked."""
    return re.sub(r"(?m)^[^\n]*# migrate: [^\n]*\n", "", text)


def reload() -> None:
    """Let HAProxy read its files; returns when no worker of before accepts connections."""
    before = processes.children(_master())
    run("systemctl", "reload", UNIT)
    deadline = time.monotonic() + RELOAD_SECONDS
    while time.monotonic() < deadline:
        accepting, _ = _workers()
        if accepting and not set(accepting) & set(before):
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
            processes.kill(pid, signal.SIGTERM)
        time.sleep(0.1)
    for pid in _workers()[1]:
        processes.kill(pid, signal.SIGKILL)


def _check(texts: list[str]) -> None:
    """RuntimeError unless HAProxy takes *texts*, all of them together."""
    with in_memory(texts) as given:
        argv = [*command(), *given, "-c", "-q"]
        done = subprocess.run(
            argv, cwd=working_folder(), env=environment(), capture_output=True, check=False
        )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        raise RuntimeError(f"haproxy does not take the closed files: {said}")


def _replace(path: str, text: str, write: Callable[..., None] = disk.write) -> None:
    """Another text for *path*, where a link leads to; owner and mode stay."""
    disk.rewrite(os.path.realpath(path), text, write)


def _strings(about: str) -> list[str]:
    return processes.strings(_master(), about)


def _master() -> int:
    return int(run("systemctl", "show", "-P", "MainPID", UNIT).strip() or 0)


def _workers() -> tuple[list[int], list[int]]:
    """Workers that accept connections, and those that only end what they have."""
    everyone = processes.children(_master())
    listening = {pid for one in sockets.every("-l") for pid in one.holders}
    accepting = [pid for pid in everyone if pid in listening]
    return accepting, [pid for pid in everyone if pid not in accepting]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
