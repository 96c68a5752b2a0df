"""An image store on its host: hash its files, record what is added, take that away.

A remembered hash is believed only while device, inode, size, mtime and ctime are what they were
when the hash began. The kernel alone sets ctime, at every write, truncation and rename: a program
that alters a byte and puts mtime back still changes it. A ctime younger than `SETTLED` when hashing
began is never believed later, since a second write could carry the same time. What such a proof
does not see is a disk that decays between two readings; `fresh` reads everything again.
"""

import glob
import hashlib
import os
import pwd
import shutil
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from migrate.onhost import record

RECORD = "images"
BLOCK = 1 << 20
SETTLED = 2_000_000_000  # nanoseconds
NO_SECRET: Any = {} if sys.version_info < (3, 9) else {"usedforsecurity": False}


def identity(path: str) -> list[int]:
    """What changes when somebody writes to *path*."""
    about = os.stat(path)
    return [about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns]


def digest(path: str, algorithm: str) -> str:
    """The hash of the bytes of *path*."""
    found = hashlib.new(algorithm, **NO_SECRET)
    with open(path, "rb", buffering=0) as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while block := stream.read(BLOCK):
            found.update(block)
    return found.hexdigest()


def recall() -> dict[str, Any]:
    """What is recorded; empty where nothing is."""
    return record.load(RECORD) or {}


def remember(change: dict[str, Any]) -> None:
    """Put *change* over the top level of the record, on the disk when this returns."""
    record.save(RECORD, {**recall(), **change})


def examine(
    wanted: Iterable[tuple[str, str]], keep: bool, fresh: bool = False
) -> dict[str, list[Any]]:
    """Size and hash of each of *wanted* (path, algorithm): `{path: [size, digest]}`.

    Files that are not there are left out. Without *keep* nothing is remembered. What is hashed
    anew is remembered file by file, so that an examination that is cut short goes on.
    """
    known = recall().get("hashed", {}) if keep else {}
    found: dict[str, list[Any]] = {}

    def one(asked: tuple[str, str]) -> tuple[str, dict[str, Any] | None]:
        path, algorithm = asked
        try:
            began, before = time.time_ns(), identity(path)
        except (FileNotFoundError, NotADirectoryError):
            return path, None
        kept = known.get(path)
        if not fresh and kept and kept["identity"] == before and kept["algorithm"] == algorithm:
            return path, kept
        value = digest(path, algorithm)
        settled = before[-1] + SETTLED < began and identity(path) == before
        return path, {
            "identity": before if settled else [],
            "algorithm": algorithm,
            "digest": value,
            "size": before[2],
        }

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        last = time.monotonic()
        for path, entry in pool.map(one, list(wanted)):
            if entry is None:
                continue
            found[path] = [entry["size"], entry["digest"]]
            known[path] = entry
            if keep and time.monotonic() - last > 5:
                remember({"hashed": known})
                last = time.monotonic()
    if keep:
        remember({"hashed": known})
    return found


def claim(step: str, user: str, paths: list[str]) -> list[str]:
    """Record that *step* is about to add *paths*; make their folders. Those not ours are answered.

    A file that is there and that no step of ours brought is never replaced.
    """
    known = recall()
    pulled, folders = known.get("pulled", {}), known.get("folders", [])
    if strange := [path for path in paths if path not in pulled and os.path.lexists(path)]:
        return strange
    missing = []
    for folder in sorted({os.path.dirname(path) for path in paths}):
        while folder not in missing and not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)  # noqa: PLW2901  upwards
    pulled = {**dict.fromkeys(paths, step), **pulled}
    remember({"pulled": pulled, "folders": [*folders, *missing]})
    person = pwd.getpwnam(user)
    for folder in sorted(missing):
        os.mkdir(folder, 0o750)
        os.chown(folder, person.pw_uid, person.pw_gid)
    return []


def stamp(step: str, what: str) -> None:
    """Record that *step* was done for *what*."""
    remember({"stamps": {**recall().get("stamps", {}), step: what}})


def discard(step: str, gone: list[str]) -> None:
    """Remove what *step* added and what of ours *gone* names; drop the step's stamp."""
    known = recall()
    pulled, stamps = known.get("pulled", {}), known.get("stamps", {})
    folders = known.get("folders", [])
    for folder in {*folders, *(os.path.dirname(path) for path in pulled)}:
        for left in glob.glob(glob.escape(folder) + "/.incoming-sidestep-*"):
            shutil.rmtree(left, ignore_errors=True)
    for path, adder in list(pulled.items()):
        if adder == step or path in gone:
            if os.path.lexists(path):
                os.unlink(path)
            del pulled[path]
    stamps.pop(step, None)
    for folder in sorted(folders, reverse=True):
        if os.path.isdir(folder) and not os.listdir(folder):
            os.rmdir(folder)
    folders = [folder for folder in folders if os.path.isdir(folder)]
    if pulled or stamps or folders:
        remember({"pulled": pulled, "stamps": stamps, "folders": folders})
    else:
        record.forget(RECORD)
