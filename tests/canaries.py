"""Where words that must stay secret are looked for after a pass: files, logs, journals, papers."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from migrate.cloud.host import Host

# On a host: files that others can read, all logs, the journal, temporary files. The words come in
# the payload, by stdin. What a service keeps in its own protected files is its own.
SEARCH = r"""
import json, os, stat, subprocess
words = [word.encode() for word in payload["words"]]
PASSED = ("/proc", "/sys", "/dev/pts", "/usr", "/opt", "/boot")
TOOLS = payload.get("tools", ())
since = payload.get("since", 0.0)
EVERYBODY = ("/var/log", "/tmp", "/var/tmp", "/run", "/dev/shm")   # here no mode is an excuse
def inside(path):
    try:
        with open(path, "rb", buffering=0) as stream:
            kept, at = b"", 0
            while True:
                data = os.lseek(stream.fileno(), at, os.SEEK_DATA)  # ENXIO: only a hole follows
                kept = kept if data == at else b""
                if not (block := stream.read(1 << 20)):
                    break
                text = kept + block
                if any(word in text for word in words):
                    return True
                kept, at = text[-256:], data + len(block)
    except OSError:
        pass
    return False
found, looked = [], 0
def walk(folder, passable):
    global looked
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        path = entry.path
        if path.startswith(PASSED) or entry.name in TOOLS or entry.is_symlink():
            continue
        try:
            about = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISDIR(about.st_mode):
            walk(path, passable and bool(about.st_mode & stat.S_IXOTH))
        elif stat.S_ISREG(about.st_mode) and about.st_size and about.st_ctime >= since:
            everybody = path.startswith(EVERYBODY)
            readable = passable and about.st_mode & stat.S_IROTH
            if everybody or readable:
                looked += 1
                if inside(path):
                    found.append([path, oct(about.st_mode & 0o7777)])
for root in payload.get("roots", ("/",)):
    walk(root, True)
command = ["journalctl", "--no-pager", "-q", "-a", "-o", "json"]
journal = subprocess.run(command, capture_output=True)
lines = journal.stdout.split(b"\n")
for line in lines:
    if any(word in line for word in words):
        told = json.loads(line)
        found.append(["journal", f"{told['__CURSOR']} {told.get('MESSAGE')}"[:400]])
result = {"looked": looked, "lines": len(lines), "found": found}
"""


def on(host: Host, words: Iterable[str], since: float = 0.0) -> dict[str, Any]:
    """`{"looked": files, "lines": of the journal, "found": [[where, mode or text], ...]}`.

    Of files those that have changed *since*, by the time that no copying preserves.
    """
    asked = {"words": list(words), "since": since}
    found: dict[str, Any] = host.python(SEARCH, asked, timeout=600)
    return found


def among(folder: Path, words: Iterable[str], *, passed: Iterable[str] = ()) -> list[str]:
    """Files below *folder* that hold a word, or that others could read; *passed* may hold it."""
    wanted = [word.encode() for word in words]
    found = []
    for top, _, names in os.walk(folder):
        for name in names:
            path = Path(top, name)
            if not stat.S_ISREG(path.lstat().st_mode):
                continue
            if path.stat().st_mode & 0o077:
                found.append(f"{path} has mode {path.stat().st_mode & 0o7777:o}")
            if name not in passed and any(word in path.read_bytes() for word in wanted):
                found.append(f"{path} holds a secret")
    return found


def here(words: Iterable[str], since: float) -> dict[str, Any]:
    """The same on this machine, in files written *since*, where a program without a home writes."""
    roots = ("/tmp", "/var/tmp", "/run", "/dev/shm", "/var/log", "/root", "/home")
    tools = (".pyenv", ".rustup", ".cargo", ".npm", "go", ".venv", ".git")  # big, and not ours
    asked = {"words": list(words), "roots": roots, "tools": tools, "since": since}
    seen: dict[str, Any] = {"payload": asked}
    exec(SEARCH, seen)
    found: dict[str, Any] = seen["result"]
    return found
