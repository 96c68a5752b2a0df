"""Who may pull from this host, and files that another host sends: whole here or not at all."""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterable

from migrate.onhost import disk, record, undo

SSHD = "/usr/sbin/sshd"


def admit(name: str, user: str, lines: dict[str, str]) -> None:
    """Let in whose keys are in *lines*, by their marks, as *user*; noted as *name* first."""
    with record.locked():  # of several hosts at a time each adds its own
        _admit(name, user, lines)


def dismiss(name: str) -> None:
    """Let in nobody any more who was noted as *name*; nothing where nobody was."""
    with record.locked():
        undo.undo(name)


def _admit(name: str, user: str, lines: dict[str, str]) -> None:
    path, person = authorized_keys(user), pwd.getpwnam(user)
    made = [] if os.path.exists(path) else [{"kind": "empty", "path": path}]
    marked = [{"kind": "line", "path": path, "mark": mark} for mark in lines]
    undo.note(name, [*undo.folders(path), *made, *marked])
    for folder in undo.folders(path):
        os.mkdir(folder["path"], 0o700)
        os.chown(folder["path"], person.pw_uid, person.pw_gid)
    here = disk.text_if_there(path).split("\n")
    here = [line for line in here if line and line.rpartition(" ")[2] not in lines]
    here += [f"{line} {mark}" for mark, line in lines.items()]
    about = os.stat(path) if os.path.exists(path) else None
    owner = (about.st_uid, about.st_gid) if about else (person.pw_uid, person.pw_gid)
    mode = about.st_mode & 0o7777 if about else 0o600
    disk.write(os.path.realpath(path), "\n".join([*here, ""]), mode, owner)


def authorized_keys(user: str) -> str:
    """Where sshd looks for the keys of *user* first."""
    asked = f"user={user},host=localhost,addr=127.0.0.1"
    sshd = shutil.which("sshd") or SSHD
    done = subprocess.run([sshd, "-T", "-C", asked], capture_output=True, text=True, check=True)
    words = [line.split() for line in done.stdout.splitlines()]
    path = next(word[1] for word in words if word[0] == "authorizedkeysfile")
    home = pwd.getpwnam(user).pw_dir
    for sign, value in (("%h", home), ("%u", user), ("%%", "%")):
        path = path.replace(sign, value)
    return os.path.join(home, path)


def pull(command: list[str], folder: str, incoming: str, names: list[str]) -> str:
    """Put *names*, which *command* is asked for and sends, into *folder*; "" or what is wrong.

    They come to *incoming* first, a folder on the same file system.
    """
    shutil.rmtree(incoming, ignore_errors=True)
    os.mkdir(incoming, 0o700)
    try:
        if wrong := _receive(command, incoming, names):
            return wrong
        for name in names:
            place = os.path.join(folder, name)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.replace(os.path.join(incoming, name), place)
        return ""
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _receive(command: list[str], incoming: str, names: list[str]) -> str:
    if wrong := _unpack(command, incoming, names):
        return wrong
    missing = [n for n in names if not os.path.isfile(os.path.join(incoming, n))]
    return f"{len(missing)} missing {missing[:3]}" if missing else ""


def pull_tree(command: list[str], folder: str) -> str:
    """Put the tree that *command* sends to *folder*, whole or not at all; "" or what is wrong."""
    incoming = undo.beside(folder)
    shutil.rmtree(incoming, ignore_errors=True)
    os.makedirs(incoming, 0o755)
    if wrong := _unpack(command, incoming):
        shutil.rmtree(incoming, ignore_errors=True)
        return wrong
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(incoming, folder)
    return ""


def _unpack(command: list[str], incoming: str, names: Iterable[str] = ()) -> str:
    """Put what *command*, which is asked for *names*, sends into *incoming*; "" or what is wrong.

    tar's own words do not always tell a full disk: "Wrote only 8704 of 10240 bytes".
    """
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as errors:
        asked.write(b"".join(os.fsencode(name) + b"\0" for name in names))
        asked.seek(0)
        with subprocess.Popen(command, stdin=asked, stdout=subprocess.PIPE, stderr=errors) as sent:
            argv = ["tar", "-x", "-p", "-f", "-", "-C", incoming]
            taken = subprocess.run(argv, stdin=sent.stdout, stderr=errors, check=False)
        if not (sent.returncode or taken.returncode):
            return ""
        errors.seek(0)
        said = errors.read()[-500:].decode(errors="replace").strip()
    free = shutil.disk_usage(incoming).free >> 20
    return f"ssh {sent.returncode}, tar {taken.returncode}, {free} MiB free: {said}"


def tree_digest(folder: str) -> str:
    """The SHA-256 of what is in *folder*: names, modes, bytes, where links lead.

    What Python has compiled is left out: it may do so at any time.
    """
    whole = hashlib.sha256()
    for top, names, found in os.walk(folder):
        names[:] = sorted(name for name in names if name != "__pycache__")
        for name in sorted([*names, *found]):
            path = os.path.join(top, name)
            about = os.lstat(path)
            whole.update(f"{os.path.relpath(path, folder)} {about.st_mode:o}".encode() + b"\0")
            if os.path.islink(path):
                whole.update(os.fsencode(os.readlink(path)))
            elif os.path.isfile(path):
                whole.update(disk.content(path))
    return whole.hexdigest()
