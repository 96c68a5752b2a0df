"""The way back of this host: noted on its disk before the act, undone newest first.

    note("proxy", [file("/etc/haproxy/haproxy.cfg")])      then change it
    undo("proxy")

What was noted under a name once is not noted again: a second act must not take ours for the old.
Undoing is safe to repeat, and does nothing where nothing was noted.
"""

import base64
import os
import shutil
from collections.abc import Callable, Iterable
from typing import Any

from migrate.onhost import disk, record

SETTINGS = "/proc/sys"

Entry = Any  # {"kind": one of KINDS, "path": ..., and what was there}


def note(name: str, entries: Iterable[Entry]) -> None:
    """Keep *entries* under *name*, before what they undo; they are on the disk when it returns."""
    kept = (record.load(name) or {"entries": []})["entries"]
    noted = {_about(one): one for one in kept}
    for one in entries:
        noted.setdefault(_about(one), one)
    record.save(name, {"entries": list(noted.values())})


def _about(entry: Entry) -> tuple[str, str, str]:
    return entry["kind"], entry["path"], entry.get("mark", "")


def undo(name: str) -> bool:
    """Undo all that was noted under *name*, then forget it; whether anything was.

    RuntimeError names what could not be undone, when all else is; the note stays for the next time.
    """
    kept = record.load(name)
    failed = []
    for one in reversed((kept or {"entries": []})["entries"]):
        try:
            KINDS[one["kind"]](one)
        except OSError as error:
            failed.append(f"{one['path']}: {error.strerror or error}")
    if failed:
        raise RuntimeError(
            f"not everything is as it was: {'; '.join(failed)}. Mend that, then the same again"
        )
    record.forget(name)
    return kept is not None


def keep_only(name: str, paths: Iterable[str]) -> None:
    """Undo what was noted of files under *name* that are not among *paths*."""
    kept = (record.load(name) or {"entries": []})["entries"]
    wanted = set(paths)
    gone = [one for one in kept if one["kind"] == "file" and one["path"] not in wanted]
    for one in reversed(gone):
        _put_back(one)
    if gone:
        record.save(name, {"entries": [one for one in kept if one not in gone]})


def note_file(name: str, path: str) -> None:
    """`note` of what is at *path*, a file, a link or nothing."""
    note(name, [file(path)])


def note_settings(name: str, settings: list[str]) -> None:
    """`note` of the kernel's *settings*, e.g. "net.ipv4.ip_nonlocal_bind", as they are now."""
    note(name, [{"kind": "setting", "path": one, "text": setting(one)} for one in settings])


def file(path: str) -> Entry:
    """What is at *path*: bytes, owner and mode, where it leads as a link, or nothing."""
    found: dict[str, Any] = {"kind": "file", "path": path}
    if os.path.islink(path):
        found.update(to=os.readlink(path))
    elif os.path.lexists(path):
        found.update(text=disk.encoded(path), owned=_owned(path))
    return found


def folders(path: str) -> list[Entry]:
    """The folders above *path* that are missing, where links lead to, outermost first."""
    missing: list[Entry] = []
    folder = os.path.realpath(os.path.dirname(path))
    while not os.path.isdir(folder):
        missing.append({"kind": "folder", "path": folder})
        folder = os.path.dirname(folder)
    return missing[::-1]


def tree(path: str) -> Entry:
    """The folder *path* with all that is in it, a link to one, or nothing; meant for small ones."""
    found: dict[str, Any] = {"kind": "tree", "path": path}
    if os.path.islink(path):
        found.update(to=os.readlink(path))
    elif os.path.isdir(path):
        inner = [os.path.join(top, n) for top, _, names in os.walk(path) for n in names]
        below = [os.path.join(top, n) for top, names, _ in os.walk(path) for n in names]
        found.update(
            folders=[[one, *_owned(one)] for one in [path, *below]],
            files=[{**file(one), "path": one} for one in inner],
        )
    return found


def remove_tree(path: str) -> None:
    """Remove the folder *path*, of a link the link alone: others may read what it leads to."""
    if os.path.islink(path):
        os.unlink(path)
    else:
        shutil.rmtree(path, ignore_errors=True)


def beside(path: str) -> str:
    """Where a folder is made before it is put at *path*."""
    return f"{path}.migrate"


def _owned(path: str) -> list[int]:
    about = os.stat(path)
    return [about.st_mode & 0o7777, about.st_uid, about.st_gid]


def _put_back(entry: Entry) -> None:
    path = entry["path"]
    disk.clear(path)
    if "to" in entry:
        os.symlink(entry["to"], disk.staged(path))
        os.rename(disk.staged(path), path)
    elif "text" in entry:
        mode, user, group = entry["owned"]
        text = base64.b64decode(entry["text"]).decode("utf-8", "surrogateescape")
        disk.write_back(path, text, mode, (user, group))
    elif disk.remove(path):
        disk.durable(os.path.dirname(path))


def _replant(entry: Entry) -> None:
    shutil.rmtree(beside(entry["path"]), ignore_errors=True)
    remove_tree(entry["path"])
    if "to" in entry:
        os.symlink(entry["to"], entry["path"])
    for folder, mode, user, group in entry.get("folders", []):
        os.mkdir(folder, 0o700)
        os.chown(folder, user, group)
        os.chmod(folder, mode)
    for one in entry.get("files", []):
        _put_back(one)


def _take_out(entry: Entry) -> None:
    """Lines that end in our mark; what else became of the file stays."""
    path = os.path.realpath(entry["path"])
    if not os.path.exists(path):
        return
    mode, user, group = _owned(path)
    text = disk.text(path)
    lines = text.split("\n")
    left = "\n".join(one for one in lines if one.rpartition(" ")[2] != entry["mark"])
    if left != text:
        disk.write_back(path, left, mode, (user, group))


def _remove_empty(entry: Entry) -> None:
    path = entry["path"]
    disk.clear(path)
    if os.path.isfile(path) and not os.path.getsize(path):
        os.unlink(path)


def setting(name: str) -> str:
    """The kernel's setting *name*, e.g. "net.ipv4.ip_nonlocal_bind", as it is."""
    return disk.text(_settings_path(name)).strip()


def put_setting(name: str, text: str) -> None:
    """Set the kernel's setting *name*; one of an interface that is gone went with it."""
    path = _settings_path(name)
    if os.path.exists(path):
        with open(path, "w") as stream:
            stream.write(text)


def _settings_path(name: str) -> str:
    return f"{SETTINGS}/{name.replace('.', '/')}"


KINDS: dict[str, Callable[[Entry], None]] = {
    "file": _put_back,
    "folder": lambda entry: disk.remove_empty(entry["path"]),
    "tree": _replant,
    "line": _take_out,
    "empty": _remove_empty,
    "setting": lambda entry: put_setting(entry["path"], entry["text"]),
}
