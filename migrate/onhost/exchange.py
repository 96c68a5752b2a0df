"""Units of this host that start another release's programs: how they run now, and the exchange.

A unit keeps its name, user and arguments; a drop-in names another program, and is taken away again.
"""

import os
import pwd
import re
from typing import Any

from migrate.onhost import agents, disk, files, processes, record, systemd, undo

CHECKED = "/etc/sudoers.d/"
OWED = "settle-restart"
BEFORE = "settle-before"  # how what is exchanged ran before, for one that does not come up
# what our drop-in sets; a variable more is no harm, an empty line takes all of them away
SET = re.compile(r"(?m)^\s*((ExecStart|Type|KillMode)\s*=|Environment\s*=\s*(\"?PATH=|PYTHON|$))")
# of what runs as one process, and of what starts its workers
TITLED = re.compile(r"\S+ \((?P<one>.+)\)\s*|\S+: master process \[(?P<first>.+)\]\s*")


def running(names: list[str]) -> dict[str, dict[str, Any]]:
    """What runs as each of *names* here; one that was exchanged and is down, as it ran before.

    {"nova-compute": {"program": "/usr/bin/nova-compute", "user": "nova",
                      "arguments": ["--config-file=/etc/nova/nova.conf"]}}

    "program" is "" where the main process is no program of the unit's name.
    """
    found = _alive(names)
    return {**found, **_fallen(names, found)}


def down(names: list[str]) -> list[str]:
    """Those of *names* that were exchanged and do not run."""
    return sorted(_fallen(names, _alive(names)))


def resting(names: list[str]) -> list[str]:
    """Those of *names* that a boot of this host starts, and that do not run, nor were exchanged."""
    units, known = systemd.show(names), running(names)
    starts = [n for n in names if units.get(systemd.full(n), {}).get("UnitFileState") == "enabled"]
    return sorted(set(starts) - known.keys())


def _alive(names: list[str]) -> dict[str, dict[str, Any]]:
    found = {}
    units = systemd.show(names)
    for name in names:
        unit = units.get(systemd.full(name), {})
        if unit.get("ActiveState") == "active" and unit["MainPID"] != "0":
            try:
                found[name] = _process(int(unit["MainPID"]), name)
            except OSError:
                continue  # it has ended
    return found


def _fallen(names: list[str], alive: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in _before().items() if name in names and name not in alive}


def _before() -> dict[str, Any]:
    return dict((record.load(BEFORE) or {"units": {}})["units"])


def _process(pid: int, name: str) -> dict[str, Any]:
    words = processes.strings(pid, "cmdline")
    return {"user": pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name, **command(words, name)}


def command(words: list[str], name: str) -> dict[str, Any]:
    """{"program": ..., "arguments": [...]} of a command line *words* that runs *name*.

    Neutron's agents put a title before it: "neutron-l3-agent (/usr/bin/python3 /usr/bin/...)"; from
    2026.1 those for DHCP and routers "neutron-l3-agent: master process [/opt/.../bin/...]".
    """
    if titled := TITLED.fullmatch(words[0]):
        words = (titled["one"] or titled["first"]).split()
    at = next((n for n, word in enumerate(words[:3]) if os.path.basename(word) == name), None)
    if at is None:
        return {"program": "", "arguments": words}
    return {"program": words[at], "arguments": words[at + 1 :]}


def overriding(names: list[str], drop_in: str) -> dict[str, list[str]]:
    """Drop-ins of *names* that systemd reads after one called *drop_in*, and that undo it.

    {"nova-compute": ["/etc/systemd/system/nova-compute.service.d/zz.conf"]}
    """
    found = {}
    for name in names:
        told = systemd.run("systemctl", "show", "-P", "DropInPaths", systemd.full(name))
        later = [path for path in told.split() if os.path.basename(path) > drop_in]
        if undoing := [path for path in later if SET.search(disk.text_if_there(path))]:
            found[name] = undoing
    return found


def forward(
    note: str, rows: list[list[Any]], found: dict[str, dict[str, Any]], seconds: float
) -> list[str]:
    """Write the files of *rows*, noted as *note* before, and restart *found* with them, in order.

    *found* is what `running` told. What is not active after *seconds* is told. No unit is touched
    where sudo's rights are no good.
    """
    names = list(found)
    record.save(BEFORE, {"units": {**found, **_before()}})
    files.write(note, rows)
    for path in (row[0] for row in rows if row[0].startswith(CHECKED)):
        systemd.run("visudo", "-c", "-q", "-f", path)
    _reload(names)
    return _restarted(names, seconds)


def back(note: str, names: list[str], folder: str, seconds: float) -> list[str]:
    """Take away what `forward` wrote, and restart those of *names* that it was written for.

    Also one that has died since, or whose program is still below *folder*. What is not active after
    *seconds* is told; with 0 nobody waits: whom they ask first may be dead.
    """
    owed = [name for name in names if name in _owed(note, names, folder)]
    if not owed:
        record.forget(BEFORE)
        return []
    record.save(OWED, {"units": owed})  # until they were restarted, whoever dies in between
    undo.undo(note)
    _reload(owed)
    if seconds:
        wrong = _restarted(owed, seconds)
    else:
        systemd.run("systemctl", "restart", "--no-block", *owed)
        wrong = []
    if not wrong:
        record.forget(BEFORE)
        record.forget(OWED)
    return wrong


def _reload(names: list[str]) -> None:
    """Have systemd read what *names* are now; one that it has given up is started all the same."""
    systemd.run("systemctl", "daemon-reload")
    systemd.run("systemctl", "reset-failed", *names, check=False)


def _owed(note: str, names: list[str], folder: str) -> set[str]:
    noted = {one["path"] for one in (record.load(note) or {"entries": []})["entries"]}
    written = {name for name in names if any(f"/{systemd.full(name)}.d/" in path for path in noted)}
    ours = {name for name, one in running(names).items() if one["program"].startswith(folder)}
    return written | ours | set((record.load(OWED) or {"units": []})["units"])


def _restarted(names: list[str], seconds: float) -> list[str]:
    """One after the other: two that start at once take twice as long to be heard."""
    return [wrong for name in names for wrong in agents.restart([name], seconds)]
