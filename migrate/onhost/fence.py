"""The control units of this host: stopped and masked, proven by processes; started as before."""

import glob
import os
import pwd
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

from migrate.onhost import processes, record, sockets, systemd
from migrate.onhost.fencing import RECORD
from migrate.onhost.systemd import run

STRAYS_SECONDS = 5
ASIDE = ".migrate-fenced"  # cron and run-parts pass over names with a dot
CRON = ("/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly")
CRONTABS = ("/var/spool/cron/crontabs", "/var/spool/cron")


def freeze(wanted: dict[str, Any], seconds: float = 5.0) -> None:
    """Let no unit act from now on; what ran is recorded first, and `lift` lets it go on.

    *wanted*: {"projects": [...], "users": [...], "control": [units], "answering": [units],
    "kept": [units], "ports": [3306, 5672]}. "kept" are data-plane units, which go on, and
    "answering" those of "control" that only read for who asks. Timers and cron jobs are stopped.
    """
    with record.locked():
        kept = record.once(RECORD, lambda: _found(wanted))
        for path in kept["crons"]:
            if os.path.exists(path):
                os.rename(path, path + ASIDE)
        systemd.stop([name for name in kept["units"] if name.endswith(".timer")], 0.0)
        systemd.freeze(_acting(wanted, kept), seconds)
    _wait_for_strays(lambda: moving(wanted))


def end_frozen(wanted: dict[str, Any]) -> None:
    """End and mask for good what `freeze` has frozen, without a last act of its own."""
    with record.locked():
        kept = record.load(RECORD)
        if kept is None:
            raise RuntimeError("nothing is frozen here: the source goes on")
        names = _acting(wanted, kept)
        systemd.mask(names)
        for name in names:
            systemd.end_at_once(name)
        systemd.stop(names, 0.0)
    _wait_for_strays(lambda: acting(wanted))


def fence(wanted: dict[str, Any], grace: float) -> None:
    """Stop and mask every control unit, timer and cron job; what ran is recorded first."""
    freeze(wanted)
    end_frozen(wanted)
    with record.locked():
        names = list(record.once(RECORD, lambda: _found(wanted))["units"])
        systemd.mask(names)
        systemd.stop(names, grace)
    _wait_for_strays(lambda: unfenced(wanted))


def _acting(wanted: dict[str, Any], kept: dict[str, Any]) -> list[str]:
    answering = {systemd.full(name) for name in wanted["answering"]}
    return [name for name in kept["units"] if name not in answering]


def _wait_for_strays(ask: Callable[[], list[str]]) -> None:
    """RuntimeError where somebody's nova-manage does not end by itself: it is not ours to kill."""
    deadline = time.monotonic() + STRAYS_SECONDS
    while (wrong := ask()) and time.monotonic() < deadline:
        time.sleep(0.2)
    if wrong:
        raise RuntimeError("not fenced: " + "; ".join(wrong))


def _found(wanted: dict[str, Any]) -> dict[str, Any]:
    units = systemd.show([*wanted["control"], *_timers(wanted["projects"])])
    crons = _crons(wanted)
    alive = systemd.members(units)
    return {
        "token": secrets.token_hex(8),
        "at": time.time(),
        "units": {
            name: {
                # a SysV unit may say "active (exited)" or "inactive": its processes tell
                "active": one["ActiveState"] in ("active", "activating", "reloading")
                or name in alive.values(),
                "masked": one["LoadState"] == "masked",
                "file": one["UnitFileState"],
            }
            for name, one in units.items()
        },
        "crons": crons,
        "listened": sockets.held(alive),
    }


def scheduled(wanted: dict[str, Any]) -> list[str]:
    """Timers that are on and cron jobs of the services of *wanted*, as `fence` is told them."""
    return [*systemd.active(_timers(wanted["projects"])), *_crons(wanted)]


def _timers(projects: list[str]) -> list[str]:
    listed = run("systemctl", "list-unit-files", "--no-legend", "--no-pager", "*.timer")
    names = [line.split()[0] for line in listed.splitlines() if line.strip()]
    return [name for name in names if _of(name, projects)]


def _crons(wanted: dict[str, Any]) -> list[str]:
    jobs = [path for folder in CRON for path in sorted(glob.glob(f"{folder}/*"))]
    named = [path for path in jobs if "." not in os.path.basename(path)]
    ours = [path for path in named if _of(os.path.basename(path), wanted["projects"])]
    tables = [f"{folder}/{user}" for folder in CRONTABS for user in wanted["users"]]
    return ours + [path for path in tables if os.path.isfile(path)]


def _of(name: str, projects: list[str]) -> bool:
    return any(re.match(rf"{re.escape(project)}(?![a-z0-9])", name) for project in projects)


def unfenced(wanted: dict[str, Any]) -> list[str]:
    """What of the control plane still lives here, by processes, sockets and masks; [] is fenced."""
    return _alive(wanted, answering=False)


def acting(wanted: dict[str, Any]) -> list[str]:
    """The same without what only reads for who asks."""
    return _alive(wanted, answering=True)


def moving(wanted: dict[str, Any]) -> list[str]:
    """What could act now, by processes; [] where all of it is frozen or has ended."""
    kept = record.load(RECORD)
    if kept is None:
        return ["nothing is fenced"]
    pids = _control(wanted, kept, answering=True)
    return [told for pid, told in pids.items() if not processes.is_still(pid)]


def _alive(wanted: dict[str, Any], *, answering: bool) -> list[str]:
    """With *answering* those units may live, and stay as they are."""
    kept = record.load(RECORD)
    if kept is None:
        return ["nothing is fenced"]
    suspects = _control(wanted, kept, answering=answering)
    wrong = list(suspects.values())
    ports = " or ".join(f"dport = :{port}" for port in wanted["ports"])
    for socket in sockets.every("state", "established", f"( {ports} )"):
        if suspects.keys() & set(socket.holders):
            wrong.append("socket to {}:{} is open".format(*socket.there))
    names = _acting(wanted, kept) if answering else kept["units"]
    for name, one in systemd.show(names).items():
        if one["LoadState"] != "masked":
            wrong.append(f"{name} is not masked")
    return wrong


def _control(wanted: dict[str, Any], kept: dict[str, Any], *, answering: bool) -> dict[int, str]:
    """Every process of the control plane, and how it is told; with *answering* but for those."""
    control = {*kept["units"], *(systemd.full(name) for name in wanted["control"])}
    passed = [*wanted["kept"], *(wanted["answering"] if answering else ())]
    allowed = {systemd.full(name) for name in passed}
    numbers = {}
    for user in wanted["users"]:
        try:
            numbers[pwd.getpwnam(user).pw_uid] = user
        except KeyError:
            continue
    return {
        pid: f"process {pid} ({_command(pid)}) of {numbers.get(owner, 'root')} lives"
        for pid, parts, owner in processes.every()
        if not parts & allowed and (parts & control or owner in numbers)
    }


def _command(pid: int) -> str:
    try:
        return processes.command(pid)
    except OSError:
        return "ended"


def lift(seconds: float) -> list[str]:
    """Let go on what is frozen, start what has ended; what did not come back in *seconds* is told.

    Exactly what ran before, unmasked.
    """
    kept = record.load(RECORD)
    if kept is None:
        return []
    systemd.thaw(kept["units"])
    for path in kept["crons"]:
        if os.path.exists(path + ASIDE):
            os.rename(path + ASIDE, path)
    systemd.unmask(name for name, one in kept["units"].items() if not one["masked"])
    began = time.monotonic()
    wrong = systemd.start([n for n, one in kept["units"].items() if one["active"]], seconds)
    wanted = {(sockets.plain(address), port) for address, port in kept["listened"]}
    while missing := wanted - {one.here for one in sockets.every("-l")}:
        if time.monotonic() > began + seconds:
            break
        time.sleep(0.1)
    wrong += [f"nobody listens on {address}:{port}" for address, port in sorted(missing)]
    if not wrong:
        record.forget(RECORD)
    return wrong
