"""An environment of newer pins stands beside the one that runs, and changes places with it.

Both have the same stamp files as where they were made; scripts in them name the folder that runs.
The one that does not run stays beside until the next update, so that the way back is a restart.
"""

import ctypes
import os
import shutil

from migrate.onhost import agents, disk, environment, processes, record, systemd, undo

RECORD = environment.UPDATE
HERE, EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE


def claim(folder: str, bytes_: int) -> list[str]:
    """Make room beside *folder* for an environment of *bytes_*, unless `unfit` says something.

    What stood there goes, and with it the way back to it.
    """
    wrong = unfit(folder, bytes_)
    if not wrong:
        drop(folder)
    return wrong


def unfit(folder: str, bytes_: int) -> list[str]:
    """Why an environment of *bytes_* cannot stand beside *folder*; changes nothing."""
    if record.load(environment.RECORD) is None or os.path.islink(folder):
        return [f"{folder} was not brought by sidestep, which updates only what it has brought"]
    return environment.unfit(environment.beside(folder), bytes_)


def stamps(folder: str) -> dict[str, str]:
    """From which locks they are, "" where none is whole: {"runs": "1a2b", "beside": "5e6f"}."""
    return {
        "runs": environment.stamp(folder),
        "beside": environment.stamp(environment.beside(folder)),
    }


def behind(names: list[str], folder: str) -> list[str]:
    """Those of *names* that do not run, or not from what is in *folder* now.

    The kernel names a library that is mapped by where it lies now: also after an exchange.
    """
    units = systemd.show(names)
    return [name for name in names if not _runs_from(units.get(systemd.full(name), {}), folder)]


def _runs_from(unit: dict[str, str], folder: str) -> bool:
    if unit.get("ActiveState") != "active" or unit["MainPID"] == "0":
        return False
    return maps(int(unit["MainPID"]), folder)


def maps(pid: int, folder: str) -> bool:
    """Whether the process *pid* has something mapped that lies in *folder*."""
    try:
        text = disk.text(f"/proc/{pid}/maps")
    except OSError:
        return False  # it has ended
    return any(f" {os.path.realpath(folder)}/" in line for line in text.splitlines())


def forward(folder: str, lock: str, names: list[str], seconds: float) -> list[str]:
    """Let *names* run from *lock*, which stands in *folder* or beside; safe to repeat.

    What is not active after *seconds* is told.
    """
    before, noted = environment.stamp(folder), record.load(RECORD)
    if before != lock:
        noted = {"from": before, "to": lock, "units": names}
        record.save(RECORD, noted)
    # one that ran and has died since is among those that were noted
    return _put(folder, lock, sorted({*names, *(noted or {"units": []})["units"]}), seconds)


def back(folder: str, seconds: float) -> list[str]:
    """Let what ran before run again, which is told as above; nothing where nothing was noted.

    The note stays: until that is proven the same again has to know it.
    """
    noted = record.load(RECORD)
    return _put(folder, noted["from"], noted["units"], seconds) if noted else []


def _put(folder: str, lock: str, names: list[str], seconds: float) -> list[str]:
    if environment.stamp(folder) != lock:
        if environment.stamp(environment.beside(folder)) != lock:
            return [f"the environment from lock {lock} is neither in {folder} nor beside it"]
        exchange(folder, environment.beside(folder))
    if owed := behind(names, folder):
        systemd.run("systemctl", "reset-failed", *owed, check=False)
    # one after the other: two that start at once take twice as long to be heard
    return [wrong for name in owed for wrong in agents.restart([name], seconds)]


def exchange(one: str, other: str) -> None:
    """Let the folders *one* and *other* change places: at no moment is either missing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(HERE, os.fsencode(one), HERE, os.fsencode(other), EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot change places with {other}: {os.strerror(number)}", one)
    disk.durable(os.path.dirname(one))


def outdated(names: list[str], path: str) -> list[str]:
    """Those of *names* that run since before the file *path* was written."""
    written = os.stat(path).st_mtime
    running = {name: int(one["MainPID"]) for name, one in systemd.show(names).items()}
    return [name for name, pid in running.items() if pid and _began(pid) < written]


def _began(pid: int) -> float:
    lines = disk.text("/proc/stat").splitlines()
    boot = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    return boot + int(processes.started(pid)) / os.sysconf("SC_CLK_TCK")


def drop(folder: str) -> None:
    """Remove what stands beside *folder*, half of it too, and the way back with it."""
    for path in (environment.beside(folder), undo.beside(environment.beside(folder))):
        environment.forget_caches(f"{path}/")
        shutil.rmtree(path, ignore_errors=True)
    record.forget(RECORD)
