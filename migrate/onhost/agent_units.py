"""Units of network agents here: stopped without what they have started, masked, as they were.

dnsmasq, haproxy and keepalived share the control group of the agent that started them, and serve on
without it: only an agent's main process is ever killed here.
"""

import os
import signal
import time

from migrate.onhost import record, systemd
from migrate.onhost.systemd import run

RECORD = "network-agents"
RESUME = "migrate-resume"
STOPPED = ("inactive", "failed")


def serving(names: list[str]) -> bool:
    """Whether all of *names* are active here, and will be after a reboot."""
    enabled = [one for one in systemd.show(names).values() if one["UnitFileState"] == "enabled"]
    return len(systemd.active(names)) == len(enabled) == len(names)


def stop(names: list[str], grace: float) -> None:
    """Stop *names* side by side; a main process that is there after *grace* seconds is killed."""
    known = list(systemd.show(names))
    if not known:
        return
    run("systemctl", "stop", "--no-block", *known)
    began = time.monotonic()
    while left := _unstopped(known):
        passed = time.monotonic() - began
        if passed > grace + 30:
            raise RuntimeError(f"{', '.join(left)} did not stop; stop it by hand")
        if passed > grace:
            for pid in left.values():
                if pid != "0":  # one that has ended; the group 0 would be our own
                    run("kill", "-KILL", pid, check=False)
        time.sleep(0.1)
    run("systemctl", "reset-failed", *known, check=False)


def _unstopped(names: list[str]) -> dict[str, str]:
    """Those of *names* that have not stopped, with their main processes."""
    units = systemd.show(names)
    return {n: one["MainPID"] for n, one in units.items() if one["ActiveState"] not in STOPPED}


def arm(seconds: float, stopped: str, still: str) -> None:
    """Let *still* go on and start *stopped* in *seconds*, unless this is called again or `disarm`.

    Called before they are made to rest: who did it may die. The new timer stands before the one
    before it goes.
    """
    before = _timers()
    name = f"{RESUME}-{time.time_ns()}"
    when = (f"--on-active={seconds:.0f}", "--timer-property=AccuracySec=1s")
    act = 'systemctl kill --signal=CONT "$1"; systemctl start "$2"'
    names = (systemd.full(still), systemd.full(stopped))
    ours = ("systemd-run", "-q", "--collect", f"--unit={name}", *when)
    run(*ours, "/bin/sh", "-c", act, "sh", *names)
    _end(before)


def disarm() -> None:
    """Take that timer away: nobody rests any more."""
    _end(_timers())


def _timers() -> list[str]:
    told = run("systemctl", "list-units", "--all", "--plain", "--no-legend", f"{RESUME}-*.timer")
    return [line.split()[0] for line in told.splitlines() if line.strip()]


def _end(timers: list[str]) -> None:
    if timers:
        run("systemctl", "stop", *timers, check=False)  # one that has acted is gone


def freeze(name: str) -> None:
    """Have the main process of *name* stand still; a stop of systemd's still ends it."""
    for one in systemd.show([name]).values():
        if one["MainPID"] != "0":
            os.kill(int(one["MainPID"]), signal.SIGSTOP)


def thaw(name: str) -> bool:
    """Let it go on; whether it stood still."""
    pids = [one["MainPID"] for one in systemd.show([name]).values() if one["MainPID"] != "0"]
    still = [pid for pid in pids if _state(pid) == "T"]
    for pid in still:
        os.kill(int(pid), signal.SIGCONT)
    return bool(still)


def _state(pid: str) -> str:
    """The kernel's letter for what process *pid* does, "" where it has ended."""
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0]  # a name may have blanks
    except OSError:
        return ""


def retire(names: list[str], grace: float) -> None:
    """Stop, disable and mask *names* for good; how they were is noted first."""
    if record.load(RECORD) is None:
        units = systemd.show(names)
        kept = {
            name: {"active": one["ActiveState"] == "active", "file": one["UnitFileState"]}
            for name, one in units.items()
        }
        record.save(RECORD, {"units": kept})
    known = list((record.load(RECORD) or {"units": {}})["units"])
    disarm()
    stop(known, grace)
    for name, one in systemd.show(known).items():
        if one["LoadState"] != "masked":
            run("systemctl", "disable", "--quiet", name, check=False)
    systemd.mask(known)


def resting() -> list[str]:
    """Units that ran when `retire` came, until `forget`; `restore` starts them again."""
    kept = (record.load(RECORD) or {"units": {}})["units"]
    return [name for name, one in kept.items() if one["active"]]


def retired(names: list[str]) -> bool:
    """Whether every one of *names* that is here is stopped and masked."""
    units = systemd.show(names)
    return all(
        one["LoadState"] == "masked" and one["ActiveState"] in STOPPED for one in units.values()
    )


def restore(seconds: float) -> list[str]:
    """Unmask, enable and start what ran, as it was; what is not active after *seconds* is told."""
    kept = (record.load(RECORD) or {"units": {}})["units"]
    systemd.unmask(name for name, one in kept.items() if one["file"] != "masked")
    if enabled := [name for name, one in kept.items() if one["file"] == "enabled"]:
        run("systemctl", "enable", "--quiet", *enabled)
    return systemd.start([name for name, one in kept.items() if one["active"]], seconds)


def forget() -> None:
    """They are as they were, and were heard."""
    record.forget(RECORD)
