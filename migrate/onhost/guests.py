"""What runs of servers on this compute host, and by which ports they are connected."""

import json
import re
import shutil
from typing import Any

from migrate.onhost import processes, systemd

EMULATOR = re.compile(r"(^|/)(qemu-system-[\w-]+|qemu-kvm)$")
SWITCH = ("ovs-vsctl", "--format=json", "--columns=name,external_ids", "list", "Interface")


def seen() -> dict[str, dict[str, Any]]:
    """By a server's id {"process": <its id>, "started": "8812345", "ports": ["tap1a2b3c4d-5e"]}."""
    ports = plugged()
    found = running()
    for server, one in found.items():
        one["ports"] = sorted(ports.get(server, ()))
    return found


def running() -> dict[str, dict[str, Any]]:
    """The same without the ports."""
    found: dict[str, dict[str, Any]] = {}
    for pid in processes.ids():
        try:
            words, started = processes.strings(pid, "cmdline"), processes.started(pid)
        except (OSError, IndexError):
            continue  # it has ended
        if EMULATOR.search(words[0]) and "-uuid" in words:
            found[words[words.index("-uuid") + 1]] = {"process": pid, "started": started}
    return found


def plugged() -> dict[str, dict[str, str]]:
    """Open vSwitch's ports by the server that os-vif plugged them for, each with neutron's id."""
    found: dict[str, dict[str, str]] = {}
    if not shutil.which(SWITCH[0]):
        return found
    for name, (_, about) in json.loads(systemd.run(*SWITCH))["data"]:
        told = dict(about)
        if server := told.get("vm-uuid"):
            found.setdefault(server, {})[name] = told.get("iface-id", "")
    return found
