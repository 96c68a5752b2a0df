"""Units of this host that start another release's programs: how they run now, and the exchange.

A unit keeps its name, user and arguments; a drop-in names another program, and is taken away again.
"""

from __future__ import annotations

import os
import pwd
import re
from typing import Any

from migrate.onhost import agents, files, processes, systemd, undo

CHECKED = "/etc/sudoers.d/"
TITLED = re.compile(r"\S+ \((.+)\)\s*")


def running(names: list[str]) -> dict[str, dict[str, Any]]:
    """What runs as each of *names* that is active here.

    {"nova-compute": {"program": "/usr/bin/nova-compute", "user": "nova",
                      "arguments": ["--config-file=/etc/nova/nova.conf"]}}

    "program" is "" where the main process is no program of the unit's name.
    """
    found = {}
    for name in names:
        unit = systemd.show([name]).get(systemd.full(name), {})
        if unit.get("ActiveState") == "active" and unit["MainPID"] != "0":
            found[name] = _process(int(unit["MainPID"]), name)
    return found


def _process(pid: int, name: str) -> dict[str, Any]:
    words = processes.strings(pid, "cmdline")
    return {"user": pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name, **command(words, name)}


def command(words: list[str], name: str) -> dict[str, Any]:
    """{"program": ..., "arguments": [...]} of a command line *words* that runs *name*.

    Neutron's agents put a title before it: "neutron-l3-agent (/usr/bin/python3 /usr/bin/...)".
    """
    if titled := TITLED.fullmatch(words[0]):
        words = titled[1].split()
    at = next((n for n, word in enumerate(words[:3]) if os.path.basename(word) == name), None)
    if at is None:
        return {"program": "", "arguments": words}
    return {"program": words[at], "arguments": words[at + 1 :]}


def forward(note: str, rows: list[list[Any]], names: list[str], seconds: float) -> list[str]:
    """Write the files of *rows*, noted as *note* before, and restart *names* with them, in order.

    What is not active after *seconds* is told. Rights of sudo are checked before a
    unit is touched.
    """
    files.write(note, rows)
    for path in (row[0] for row in rows if row[0].startswith(CHECKED)):
        systemd.run("visudo", "-c", "-q", "-f", path)
    return _restarted(names, seconds)


def back(note: str, names: list[str], folder: str, seconds: float) -> list[str]:
    """Take away what `forward` wrote; restart those of *names* whose program is below *folder*."""
    undo.undo(note)
    found = running(names)
    ours = [name for name in names if name in found and found[name]["program"].startswith(folder)]
    return _restarted(ours, seconds) if ours else []


def _restarted(names: list[str], seconds: float) -> list[str]:
    """One after the other: two that start at once take twice as long to be heard."""
    systemd.run("systemctl", "daemon-reload")
    return [wrong for name in names for wrong in agents.restart([name], seconds)]
