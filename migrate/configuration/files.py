"""Read configuration from the source, write it to the target, and take it back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from migrate.cloud.host import Host
from migrate.onhost import call, source

RECORDS = "/var/lib/migrate/configuration"

STATE = """
import grp, os, pwd
result = []
for path, text, mode, owner in payload:
    try:
        about = os.stat(path)
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            same = stream.read() == text
    except OSError:
        continue
    try:
        names = pwd.getpwuid(about.st_uid).pw_name + ":" + grp.getgrgid(about.st_gid).gr_name
    except KeyError:
        continue
    if same and about.st_mode & 0o7777 == mode and names == owner:
        result.append(path)
"""

# What was there before is put aside first, once: a second write must not take ours for the old one.
WRITE = (
    source("record")
    + """
import grp, json, os, pwd, shutil, tempfile
record, files = payload
os.umask(0o077)
os.makedirs(record, exist_ok=True)
listing = os.path.join(record, "files.json")
known = {}
if os.path.exists(listing):
    with open(listing) as stream:
        known = json.load(stream)
def note():
    write(listing, json.dumps(known, indent=1, sort_keys=True), 0o600)
for path, text, mode, owner in files:
    folder = os.path.dirname(path)
    made = []
    missing = folder
    while not os.path.isdir(missing):
        made.append(missing)
        missing = os.path.dirname(missing)
    user, group = owner.split(":")
    numbers = pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
    if path not in known:
        kept = ""
        if os.path.lexists(path):
            kept = os.path.join(record, path.strip("/").replace("/", "%"))
            shutil.copy2(path, kept + ".new")
            about = os.stat(path)
            os.chown(kept + ".new", about.st_uid, about.st_gid)
            durable(kept + ".new")
            os.rename(kept + ".new", kept)
        known[path] = {"before": kept, "folders": made}
        note()
    for one in reversed(made):
        os.mkdir(one)
        os.chmod(one, 0o750)
        os.chown(one, *numbers)
    handle, staged = tempfile.mkstemp(dir=folder, prefix=".migrate-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
        os.chown(staged, *numbers)
        os.chmod(staged, mode)
        os.rename(staged, path)
    except BaseException:
        os.unlink(staged)
        raise
wanted = {row[0] for row in files}
for path in [p for p in known if p not in wanted]:
    if os.path.lexists(path):
        os.unlink(path)
    if known[path]["before"]:
        shutil.move(known[path]["before"], path)
    del known[path]
note()
"""
)

RESTORE = """
import json, os, shutil
listing = os.path.join(payload, "files.json")
if os.path.exists(listing):
    with open(listing) as stream:
        known = json.load(stream)
    for path, about in known.items():
        if about["before"]:
            if os.path.exists(about["before"]):
                saved = os.stat(about["before"])
                shutil.copy2(about["before"], path + ".migrate")
                os.chown(path + ".migrate", saved.st_uid, saved.st_gid)
                os.rename(path + ".migrate", path)
        elif os.path.lexists(path):
            os.unlink(path)
    for about in known.values():
        for folder in about["folders"]:
            if os.path.isdir(folder) and not os.listdir(folder):
                os.rmdir(folder)
shutil.rmtree(payload, ignore_errors=True)
for folder in (os.path.dirname(payload), os.path.dirname(os.path.dirname(payload))):
    if os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)
"""


@dataclass(frozen=True, slots=True)
class File:
    """A file of the target: text, and who may read it."""

    path: str
    text: str
    mode: int
    owner: str

    @property
    def row(self) -> list[Any]:
        return [self.path, self.text, self.mode, self.owner]


def read(host: Host, patterns: Iterable[str]) -> dict[str, str]:
    """Texts of the files of *host* that *patterns* match, by path."""
    found: dict[str, str] = call(host, "files.read", list(patterns))
    return found


def in_place(host: Host, files: Iterable[File]) -> bool:
    """Whether *host* has every one of *files*, byte for byte, with owner and mode."""
    wanted = [file.row for file in files]
    found: list[str] = host.python(STATE, wanted)
    return len(found) == len(wanted)


def write(host: Host, project: str, files: Iterable[File]) -> None:
    """Write *files*; what stood there before, and which folders are new, is recorded first.

    A file that an earlier write made and that is not among *files* any more goes.
    """
    host.python(
        f"# configuration of {project}\n{WRITE}",
        [f"{RECORDS}/{project}", [file.row for file in files]],
    )


def restore(host: Host, project: str) -> None:
    """Undo every `write` for *project*; safe to repeat, and where nothing was written."""
    host.python(RESTORE, f"{RECORDS}/{project}")
