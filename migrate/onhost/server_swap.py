"""Another database server in the place of this host's own, which is kept until it is not wanted.

What stands in the data folder goes aside, within it, and the other moves in. It is noted before,
and put back unless it was kept. All of it is inside the data folder, which may be a file system of
its own.
"""

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Any

from migrate.onhost import disk, record, systemd
from migrate.onhost.systemd import run

RECORD = "server-copy"  # {"folder": ..., "phase": one of these}
MAKING, ASIDE, IN, KEPT = "making", "aside", "in", "kept"
UNIT, SERVER = "migrate-server-copy", "mariadb"
INSIDE = ".migrate-server-copy"
STAYS = (INSIDE, "lost+found")
STARTS = 300  # seconds


def swap() -> None:
    """Put what was received in the place of what is in the data folder, and start the server.

    Where that fails, all is as it was. It cannot be started by a boot while half of it has moved.
    """
    kept = _noted()
    folder = kept["folder"]
    room = os.path.join(folder, INSIDE)
    data, before = os.path.join(room, "data"), os.path.join(room, "before")
    try:
        os.mkdir(before, 0o700)
        disk.durable(room)  # the note is perhaps on another file system
        _phase(kept, ASIDE)
        _silence()
        _move(folder, before, room)
        _phase(kept, IN)
        _move(data, folder, room)
        _start()
    except BaseException:
        put_back()
        raise


def _silence() -> None:
    """It runs no more, and no boot starts it: one over half a folder would write into that."""
    run("systemctl", "stop", SERVER)
    systemd.mask([SERVER])
    disk.durable(systemd.UNITS)


def _start() -> None:
    systemd.unmask([SERVER])
    run("systemctl", "reset-failed", SERVER, check=False)
    run("systemctl", "start", SERVER)
    wait(lambda: answers("mariadb"), lambda: not systemd.active([SERVER]))


def _move(here: str, there: str, room: str) -> None:
    """All that is *here*; what is *there* already is half of a move that was killed."""
    for name in os.listdir(here):
        if name not in STAYS:
            one, other = os.path.join(here, name), os.path.join(there, name)
            _remove(other)
            try:
                os.rename(one, other)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _copy(one, other, os.path.join(room, "part"))
    disk.durable(here)
    disk.durable(there)


def _copy(one: str, other: str, part: str) -> None:
    """A folder that an overlay has from below cannot be renamed: whole there, then gone here."""
    _remove(part)
    run("cp", "-a", "--", one, part)
    os.rename(part, other)
    _remove(one)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _noted() -> dict[str, Any]:
    kept = record.load(RECORD)
    if kept is None:
        raise RuntimeError("nothing was received")
    return kept


def _phase(kept: dict[str, Any], phase: str) -> None:
    kept["phase"] = phase
    record.save(RECORD, kept)


def keep() -> None:
    """What was aside is wanted by nobody any more."""
    kept = _noted()
    _phase(kept, KEPT)
    put_back()


def put_back() -> bool:
    """The server as it was before, unless the other was kept; whether anything was left of it.

    Safe to repeat, and to be killed in: what is in the data folder is removed in one phase, and
    what was there comes back in the next.
    """
    kept = record.load(RECORD)
    if kept is None:
        return False
    folder = kept["folder"]
    room = os.path.join(folder, INSIDE)
    before = os.path.join(room, "before")
    run("systemctl", "kill", "-s", "KILL", UNIT, check=False)
    run("systemctl", "stop", UNIT, check=False)
    if kept["phase"] != KEPT:  # first: the server does not start while that fills the disk
        shutil.rmtree(os.path.join(room, "data"), ignore_errors=True)
    if kept["phase"] in (ASIDE, IN):
        _silence()
        if kept["phase"] == IN:
            _clear(folder)
            _phase(kept, ASIDE)
        _move(before, folder, room)
        _phase(kept, MAKING)
    if kept["phase"] != KEPT:
        _start()  # where it was masked, too
    shutil.rmtree(room, ignore_errors=True)
    record.forget(RECORD)
    return True


def _clear(folder: str) -> None:
    for name in os.listdir(folder):
        if name not in STAYS:
            _remove(os.path.join(folder, name))
    disk.durable(folder)


def answers(*client: str) -> bool:
    asked = subprocess.run([*client, "-e", "SELECT 1"], capture_output=True, check=False)
    return asked.returncode == 0


def wait(answers: Callable[[], bool], gone: Callable[[], bool]) -> None:
    deadline = time.monotonic() + STARTS
    while not answers():
        if gone() or time.monotonic() > deadline:
            raise RuntimeError("the server did not start")
        time.sleep(0.2)
