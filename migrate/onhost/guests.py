"""What runs of servers on this compute host, and by which ports they are connected."""

from __future__ import annotations

import json
import re
from typing import Any

from migrate.onhost import processes, systemd

EMULATOR = re.compile(r"(^|/)(qemu-system-[\w-]+|qemu-kvm)$")
SWITCH = ("ovs-vsctl", "--format=json", "--columns=name,external_ids", "list", "Interface")


def seen() -> dict[str, dict[str, Any]]:
    """By a server's id {"process": <its id>, "started": "8812345", "ports": ["tap1a2b3c4d-5e"]}."""
    ports = _ports()
    found = {}
    for pid in processes.ids():
        try:
            words, started = processes.strings(pid, "cmdline"), processes.started(pid)
        except (OSError, IndexError):
            continue  # it has ended
        if EMULATOR.search(words[0]) and "-uuid" in words:
            server = words[words.index("-uuid") + 1]
            mine = sorted(ports.get(server, []))
            found[server] = {"process": pid, "started": started, "ports": mine}
    return found


def _ports() -> dict[str, list[str]]:
    """Ports of Open vSwitch by the server that os-vif plugged them for."""
    found: dict[str, list[str]] = {}
    for name, (_, about) in json.loads(systemd.run(*SWITCH))["data"]:
        if server := dict(about).get("vm-uuid"):
            found.setdefault(server, []).append(name)
    return found
