"""The target's services, started before the window up to a barrier: see `start_barrier.py`."""

import json
import os
import pwd
import shutil
import time

from migrate.onhost import disk, systemd

# the names on hosts stay: an older run may have left services that wait by them
FOLDER = "/run/migrate-early"
UNITS = "/run/systemd/system"
DROP_IN = "migrate-early.conf"
STOP_SECONDS = 1.0  # nothing of theirs is in flight


def begin(
    program: str, users: dict[str, str], modules: dict[str, list[str]], seconds: float
) -> list[str]:
    """Start every unit of *users* up to its barrier; those that do not get there are told.

    One that runs but does not wait is started anew: it has begun its work in a window that was
    undone.
    """
    systemd.run("install", "-d", "-m", "0755", FOLDER)
    late = unready(list(users))
    systemd.stop(late, STOP_SECONDS)
    for unit in late:
        disk.remove(_go(unit))
        disk.write(f"{FOLDER}/{unit}.ready", "", 0o644)
        os.chown(f"{FOLDER}/{unit}.ready", pwd.getpwnam(users[unit]).pw_uid, -1)
        os.makedirs(os.path.dirname(_drop_in(unit)), exist_ok=True)
        text = f"[Service]\nEnvironment=PYTHONPATH={FOLDER} MIGRATE_EARLY={unit}\n"
        disk.write(_drop_in(unit), text, 0o644)
    disk.write(f"{FOLDER}/sitecustomize.py", program, 0o644)
    disk.write(f"{FOLDER}/modules.json", json.dumps(modules), 0o644)
    systemd.run("systemctl", "daemon-reload")
    wrong = systemd.start(late, seconds)
    deadline = time.monotonic() + seconds
    while not wrong and (late := unready(list(users))):
        if time.monotonic() > deadline:
            wrong = [f"{unit} does not get ready" for unit in late]
        time.sleep(0.2)
    return wrong


def unready(units: list[str]) -> list[str]:
    """Those of *units* that do not wait at their barrier."""
    alive = set(systemd.members(units).values())
    return [u for u in units if systemd.full(u) not in alive or not _waits(u)]


def held(units: list[str]) -> list[str]:
    """Those of *units* that can run only up to their barrier, which is closed.

    They need not have come to it: a run that dies while it starts them leaves them on their way.
    """
    ours = [unit for unit in units if os.path.exists(_drop_in(unit))]
    return [unit for unit in ours if not os.path.exists(_go(unit))]


def open_barrier(units: list[str]) -> None:
    """Open the barrier for *units*, whether they wait or are started later."""
    if os.path.isdir(FOLDER):
        for unit in units:
            disk.write(_go(unit), "", 0o644)


def end(units: list[str]) -> None:
    """Stop those that wait, and leave nothing."""
    systemd.stop(list(systemd.show(units)), STOP_SECONDS)
    for unit in units:
        disk.remove(_drop_in(unit))
        disk.remove_empty(os.path.dirname(_drop_in(unit)))
    shutil.rmtree(FOLDER, ignore_errors=True)
    systemd.run("systemctl", "daemon-reload")


def _drop_in(unit: str) -> str:
    """What makes *unit* stop at its barrier."""
    return f"{UNITS}/{unit}.service.d/{DROP_IN}"


def _go(unit: str) -> str:
    """The file that lets *unit* go."""
    return f"{FOLDER}/{unit}.go"


def _waits(unit: str) -> bool:
    return bool(disk.text_if_there(f"{FOLDER}/{unit}.ready")) and not os.path.exists(_go(unit))
