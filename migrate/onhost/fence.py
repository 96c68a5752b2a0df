"""The control units of this host: stopped and masked, proven by processes; started as before."""

import glob
import os
import pwd
import re
import secrets
import time
from typing import Any

from migrate.onhost import processes, record, sockets, systemd
from migrate.onhost.fencing import RECORD
from migrate.onhost.systemd import run

STRAYS_SECONDS = 5
ASIDE = ".migrate-fenced"  # cron and run-parts pass over names with a dot
CRON = ("/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly")
CRONTABS = ("/var/spool/cron/crontabs", "/var/spool/cron")


def fence(wanted: dict[str, Any], grace: float) -> None:
    """Stop and mask every control unit, timer and cron job; what ran is recorded first.

    *wanted*: {"projects": [...], "users": [...], "control": [units], "kept": [units],
    "ports": [3306, 5672]}. "kept" are data-plane units, which go on.
    """
    with record.locked():
        kept = record.once(RECORD, lambda: _found(wanted))
        names = list(kept["units"])
        for path in kept["crons"]:
            if os.path.exists(path):
                os.rename(path, path + ASIDE)
        systemd.stop([name for name in names if name.endswith(".timer")], grace)
        systemd.stop(names, grace)
        systemd.mask(names)
    deadline = time.monotonic() + STRAYS_SECONDS
    while (wrong := unfenced(wanted)) and time.monotonic() < deadline:
        time.sleep(0.2)  # somebody's nova-manage: it may end, but is not ours to kill
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
    kept = record.load(RECORD)
    if kept is None:
        return ["nothing is fenced"]
    control = {*kept["units"], *(systemd.full(name) for name in wanted["control"])}
    allowed = {systemd.full(name) for name in wanted["kept"]}
    numbers = {}
    for user in wanted["users"]:
        try:
            numbers[pwd.getpwnam(user).pw_uid] = user
        except KeyError:
            continue
    wrong, suspects = [], set()
    for pid, parts, owner in processes.every():
        if parts & allowed:
            continue
        if parts & control or owner in numbers:
            suspects.add(pid)
            wrong.append(f"process {pid} ({_command(pid)}) of {numbers.get(owner, 'root')} lives")
    ports = " or ".join(f"dport = :{port}" for port in wanted["ports"])
    for socket in sockets.every("state", "established", f"( {ports} )"):
        if suspects & set(socket.holders):
            wrong.append("socket to {}:{} is open".format(*socket.there))
    for name, one in systemd.show(kept["units"]).items():
        if one["LoadState"] != "masked":
            wrong.append(f"{name} is not masked")
    return wrong


def _command(pid: int) -> str:
    try:
        return processes.command(pid)
    except OSError:
        return "ended"


def lift(seconds: float) -> list[str]:
    """Unmask and start exactly what ran; what did not come back in *seconds* is told."""
    kept = record.load(RECORD)
    if kept is None:
        return []
    for path in kept["crons"]:
        if os.path.exists(path + ASIDE):
            os.rename(path + ASIDE, path)
    systemd.unmask(name for name, one in kept["units"].items() if not one["masked"])
    began = time.monotonic()
    wrong = systemd.start([n for n, one in kept["units"].items() if one["active"]], seconds)
    wanted = {(sockets.plain(address), port) for address, port in kept["listened"]}
    missing = wanted
    while missing and time.monotonic() < began + seconds:
        missing = wanted - {one.here for one in sockets.every("-l")}
        time.sleep(0.1 if missing else 0)
    wrong += [f"nobody listens on {address}:{port}" for address, port in sorted(missing)]
    if not wrong:
        record.forget(RECORD)
    return wrong
