"""The data-plane units of this host, and whether they were reconnected to the target."""

import time

from migrate.onhost import record, systemd
from migrate.onhost.systemd import run

RECORD = "agents"
GRACE_SECONDS = 4.0


def note(names: list[str]) -> None:
    """Keep which of *names* run here."""
    record.once(RECORD, lambda: {"units": systemd.active(names), "state": "noted"})


def state() -> str:
    """ "" | "noted" | "reconnected" | "disconnected": how far it went."""
    return str((record.load(RECORD) or {"state": ""})["state"])


def noted() -> list[str]:
    """The units that `note` kept."""
    return list((record.load(RECORD) or {"units": []})["units"])


def reconnect(seconds: float) -> list[str]:
    """Restart what was noted, side by side; what is not active after *seconds* is told."""
    kept = record.load(RECORD)
    if kept is None:
        return ["nothing was noted here"]
    # from now on the way back has to restart them too, even if we die in the middle
    record.save(RECORD, {**kept, "state": "disconnected"})
    wrong = restart(kept["units"], seconds)
    if not wrong:
        record.save(RECORD, {**kept, "state": "reconnected"})
    return wrong


def disconnect() -> None:
    """Remember that they hold connections to the target, which is left."""
    kept = record.load(RECORD)
    if kept and kept["state"] == "reconnected":
        record.save(RECORD, {**kept, "state": "disconnected"})


def forget(seconds: float) -> list[str]:
    """Restart those that were reconnected, now that the source runs, and forget them."""
    kept = record.load(RECORD)
    wrong = []
    if kept and kept["state"] != "noted":
        wrong = restart(kept["units"], seconds)
    if not wrong:
        record.forget(RECORD)
    return wrong


def restart(names: list[str], seconds: float) -> list[str]:
    """Restart *names*; a main process that waits for its lost broker is not waited for."""
    if not names:
        return []
    run("systemctl", "restart", "--no-block", *names)
    began = time.monotonic()
    while stopping := _stopping(names):
        passed = time.monotonic() - began
        if passed > seconds:
            break
        if passed > GRACE_SECONDS:
            for one in stopping:
                _kill(one)
        time.sleep(0.2)
    return systemd.start(names, seconds)


def _stopping(names: list[str]) -> list[dict[str, str]]:
    return [one for one in systemd.show(names).values() if one["ActiveState"] == "deactivating"]


def _kill(unit: dict[str, str]) -> None:
    """End now what systemd would end later: all of it, or the main process alone.

    What carries traffic beside a main process is left by KillMode=process.
    """
    if unit["KillMode"] != "process":
        run("systemctl", "kill", "--signal=KILL", unit["Id"], check=False)
    elif unit["MainPID"] != "0":  # one that has ended; the group 0 would be our own
        run("kill", "-KILL", unit["MainPID"], check=False)
