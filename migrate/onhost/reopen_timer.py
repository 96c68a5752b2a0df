"""Reopen this host of the source when the operator does not come back.

`python3 -m migrate.onhost.reopen_timer` waits for a deadline, which takeover/gate/reopen_timer.py
sets. It starts with the host, so that a reboot inside the window does not leave it closed either.
"""

import os
import shutil
import time
from typing import Any

from migrate.onhost import (
    clock,
    fence,
    front,
    haproxy,
    mariadb,
    own_unit,
    record,
    systemd,
    virtual_ip,
    writable,
)

RECORD = "reopen"
UNIT = "migrate-reopen.service"
FOLDER = f"{record.FOLDER}/program"
TEXT = f"""# Reopens this host at the deadline in {record.FOLDER}/{RECORD}.json
[Unit]
Description=Reopen the cloud when the migration's operator does not come back
After=network.target mariadb.service haproxy.service

[Service]
Environment=PYTHONPATH={FOLDER} PYTHONDONTWRITEBYTECODE=1
ExecStart=/usr/bin/python3 -m migrate.onhost.reopen_timer
Restart=on-failure
RestartSec=2

[Install]
WantedBy=multi-user.target
"""
START_SECONDS = 180.0
WRITABLE_SECONDS = 60.0  # open for reading is better than closed


def arm(
    program: dict[str, str], seconds: float, databases: list[list[list[str]]] | None = None
) -> None:
    """Install the timer and start it; it reopens in *seconds* unless it is disarmed.

    *databases* are places for `writable`, of each that has a host of its own, with a timer of its
    own.
    """
    places = [writable.known(one) for one in databases or []]
    with record.locked():
        if (record.load(RECORD) or {}).get("state") == "reopening":
            raise RuntimeError("the source is reopening itself just now; try again when it has")
        until = {"deadline": time.time() + seconds, "seconds": seconds, "clock": clock.begun()}
        record.save(RECORD, {**until, "state": "armed", "databases": places})
    own_unit.put_up(UNIT, TEXT, FOLDER, program)


def extend(seconds: float) -> str:
    """Reopen no sooner than in *seconds*; the state found: "armed" is well."""
    with record.locked():
        kept = record.load(RECORD)
        if kept is None:
            return "absent"
        if kept["state"] == "armed":
            deadline = max(kept["deadline"], _now(kept) + seconds)
            record.save(RECORD, {**kept, "deadline": deadline})
        return str(kept["state"])


def state() -> dict[str, Any]:
    """{"state": "armed", "left": 594.2, "alive": True}

    The states: "absent", "armed", then either "reopening" and "reopened", or "disarmed".
    """
    kept = record.load(RECORD) or {"state": "absent", "deadline": 0.0}
    alive = bool(systemd.members([UNIT]))
    return {"state": kept["state"], "left": kept["deadline"] - _now(kept), "alive": alive}


def _now(kept: dict[str, Any]) -> float:
    return clock.now(kept.get("clock", {}))


def disarm() -> str:
    """Take the timer away, if it has not acted; well are "armed" and "disarmed", as found."""
    with record.locked():
        found = str((record.load(RECORD) or {"state": "absent"})["state"])
        if found == "armed":
            record.save(RECORD, {"deadline": 0.0, "seconds": 0.0, "state": "disarmed"})
    if found in ("armed", "disarmed"):
        own_unit.remove(UNIT)
    return found


def remove() -> None:
    """No trace of the timer, whatever its state."""
    own_unit.remove(UNIT)
    record.forget(RECORD)
    shutil.rmtree(FOLDER, ignore_errors=True)
    record.tidy()


def wait_and_reopen() -> None:
    """Sleep until the deadline has passed, then reopen; ends when there is nothing to wait for."""
    while True:
        with record.locked():
            kept = record.load(RECORD)
            if kept is None or kept["state"] in ("disarmed", "reopened") or front.flipped():
                return
            if _now(kept) >= kept["deadline"]:
                _tell({**kept, "state": "reopening"})
                break
        time.sleep(1)
    reopen(kept.get("databases", []))
    _tell({**kept, "state": "reopened", "deadline": time.time()})


def _tell(state: dict[str, Any]) -> None:
    """Keep *state* where there is room: a full disk must not keep the cloud closed."""
    try:
        record.save(RECORD, state)
    except OSError as error:
        print(f"not noted, {state['state']}: {error}", flush=True)  # noqa: T201  to the journal


def reopen(databases: list[list[str]]) -> None:
    """Undo fence and gate by what was recorded: data first, then services, then HAProxy.

    *databases* are where the URL of each on a host of its own stands.
    """
    mariadb.lift()
    closed = [writable.wait(one, WRITABLE_SECONDS) for one in databases]
    wrong = [*filter(None, closed), *fence.lift(START_SECONDS)]
    virtual_ip.lift()
    haproxy.open_again()
    front.open_again()
    print("reopened", "; ".join(wrong), flush=True)  # noqa: T201  to this host's own journal


if __name__ == "__main__" and os.environ.get("PYTHONPATH", "").startswith(FOLDER):
    wait_and_reopen()
