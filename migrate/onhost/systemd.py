"""Units of this host: what they are and what runs in them; masked, a reboot keeps them still."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from typing import Any

from migrate.onhost import processes

UNITS = "/etc/systemd/system"
SUFFIXES = (".service", ".timer", ".socket", ".target")
ASIDE = ".migrate-fenced"  # what a real file of the administrator is called while it is masked


def run(*argv: str, check: bool = True, stdin: str = "") -> str:
    """The output of *argv*; RuntimeError with what it said when it fails and *check* is set."""
    done = subprocess.run(argv, input=stdin, text=True, capture_output=True, check=False)
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise RuntimeError(f"{' '.join(argv)[:200]} exited {done.returncode}: {said}")
    return done.stdout


def full(name: str) -> str:
    """*name* with the suffix of a service where it has none."""
    return name if name.endswith(SUFFIXES) else f"{name}.service"


def show(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Properties of those units of *names* that this host knows, masked ones too."""
    names = [full(name) for name in names]
    if not names:
        return {}
    fields = "Id,LoadState,ActiveState,SubState,UnitFileState,MainPID,NRestarts,KillMode,Type,Job"
    text = run("systemctl", "show", "--no-pager", "-p", fields, *names)
    found = {}
    for name, block in zip(names, text.strip().split("\n\n")):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if values["LoadState"] != "not-found":
            found[name] = values
    return found


def active(names: Iterable[str]) -> list[str]:
    """Those of *names* that are active."""
    return [name for name, one in show(names).items() if one["ActiveState"] == "active"]


def mask(names: Iterable[str]) -> None:
    """Mask *names* for good; a file of the administrator in the way is put aside."""
    names = [full(name) for name in names]
    for name in names:
        path = f"{UNITS}/{name}"
        if os.path.isfile(path) and os.path.realpath(path) != "/dev/null":
            os.rename(path, path + ASIDE)
    if names:
        run("systemctl", "mask", "--quiet", *names)


def unmask(names: Iterable[str]) -> None:
    """Undo `mask`."""
    if names := [full(name) for name in names]:
        run("systemctl", "unmask", "--quiet", *names)
    aside = [name for name in names if os.path.lexists(f"{UNITS}/{name}{ASIDE}")]
    for name in aside:
        os.rename(f"{UNITS}/{name}{ASIDE}", f"{UNITS}/{name}")
    if aside:
        run("systemctl", "daemon-reload")


def members(names: Iterable[str]) -> dict[int, str]:
    """The processes inside the control groups of *names*: pid to unit."""
    wanted = {full(name) for name in names}
    return {pid: min(parts & wanted) for pid, parts, _ in processes.every() if parts & wanted}


def stop(names: Iterable[str], grace: float) -> None:
    """Stop *names* side by side; what is still there after *grace* seconds is killed.

    A unit's state is not believed: a SysV unit reports itself stopped while its worker lives on.
    """
    names = [full(name) for name in names]
    if not names:
        return
    run("systemctl", "stop", "--no-block", *names)
    began = time.monotonic()
    while time.monotonic() < began + grace + 10:
        left = members(names)
        state = show(names)
        if not left and all(one["ActiveState"] in ("inactive", "failed") for one in state.values()):
            break
        if time.monotonic() > began + grace:
            for pid in left:
                processes.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    run("systemctl", "reset-failed", *names, check=False)


def freeze(names: Iterable[str], seconds: float) -> None:
    """Let no process of *names* go on; RuntimeError where one still does after *seconds*.

    By a signal that none can refuse: it needs nothing of the kernel's and of systemd's version.
    """
    names = list(names)
    deadline = time.monotonic() + seconds
    while going := [pid for pid in members(names) if not processes.is_still(pid)]:
        for pid in going:
            processes.kill(pid, signal.SIGSTOP)
        if time.monotonic() > deadline:
            told = ", ".join(f"{pid} ({processes.command(pid)})" for pid in going)
            raise RuntimeError(f"not frozen: {told}")
        time.sleep(0.005)


def thaw(names: Iterable[str]) -> None:
    """Let them go on."""
    for pid in members(names):
        processes.kill(pid, signal.SIGCONT)


def end_at_once(name: str, seconds: float = 5.0) -> None:
    """End all of *name* without a last act of its own.

    All are held first, and children die before their parent: one whose parent dies is asked to end
    by the kernel, and one whose main process dies by systemd, and either lets it tidy up.
    """
    for pid in members([name]):
        processes.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + seconds
    while left := set(members([name])):
        for pid in sorted(left, key=lambda pid: -_depth(pid, left)):
            processes.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name} does not end: its process {min(left)} outlives SIGKILL")
        time.sleep(0.005)


def _depth(pid: int, among: Iterable[int]) -> int:
    """How many of its ancestors are *among* those."""
    count = 0
    try:
        while (pid := processes.parent(pid)[0]) in among:
            count += 1
    except OSError:  # it has ended
        pass
    return count


def start(names: Iterable[str], seconds: float) -> list[str]:
    """Start *names* side by side; what is not active after *seconds* is told.

    One that fails is started once more: after a kill the first start may not find its group. Once
    nothing is left but what has failed again, nobody waits for it.
    """
    names = [full(name) for name in names]
    if not names:
        return []
    run("systemctl", "start", "--no-block", *names)
    again: set[str] = set()
    deadline = time.monotonic() + seconds
    while True:
        state = show(names)
        wrong = [n for n in names if state.get(n, {}).get("ActiveState") != "active"]
        failed = {n for n in wrong if n in state and _has_failed(state[n])}
        if failed & again == set(wrong) or time.monotonic() > deadline:
            return [f"{n} is {state.get(n, {}).get('ActiveState', 'unknown')}" for n in wrong]
        for name in failed - again:
            again.add(name)
            run("systemctl", "start", "--no-block", name, check=False)
        time.sleep(0.1)


def set_up(name: str) -> None:
    """Start *name*, now and at each boot; RuntimeError where it does not start."""
    run("systemctl", "enable", "--quiet", name)
    run("systemctl", "reset-failed", name, check=False)
    run("systemctl", "start", name)


def is_set_up(name: str) -> bool:
    """Whether it runs, also after a boot."""
    unit = show([name]).get(full(name), {})
    return unit.get("ActiveState") == "active" and unit.get("UnitFileState") == "enabled"


def take_down(name: str, grace: float) -> None:
    """Undo `set_up`."""
    stop([name], grace)
    run("systemctl", "disable", "--quiet", name, check=False)


def _has_failed(unit: dict[str, str]) -> bool:
    """Whether it has, and systemd is not about to start it."""
    return unit["ActiveState"] == "failed" and not unit.get("Job")


def state(names: Iterable[str]) -> dict[str, Any]:
    """`show`, and which units have processes: {"units": {...}, "alive": ["x.service"]}."""
    names = list(names)
    return {"units": show(names), "alive": sorted(set(members(names).values()))}
