"""Name spaces of routers and networks on this host: what stands in them, and how one goes away."""

import ipaddress
import json
import os
import re
import shutil
import signal
import time
from typing import Any

from migrate.onhost.processes import kill
from migrate.onhost.systemd import run

OURS = re.compile(r"(qrouter|qdhcp|snat|fip)-")
PORTS = re.compile(r"(tap|qr-|qg-|sg-|ha-|fg-)")
INSIDE = re.compile(r"(qr|qg)-[0-9a-f-]+")  # a router's own devices
ANY = re.compile(r"(?!lo$)")  # of a network's too
BUSY = ("dnsmasq", "haproxy", "keepalived", "radvd")
DEAD = 4095  # neutron's VLAN of ports that are not wired: all that comes from them is dropped
TAGS = ("ovs-vsctl", "--format=json", "--columns=name,tag", "list", "Port")
KILL_SECONDS = 3.0
POLL_SECONDS = 0.2


def spaces() -> list[str]:
    """Names of those that neutron's agents made here."""
    # "qrouter-6f1c... (id: 0)"
    names = [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.strip()]
    return sorted(name for name in names if OURS.match(name))


def standing() -> dict[str, Any]:
    """What agents have made here: what runs in each space, its devices, and ports of bridges; of
    these only what is wired.

    {"spaces": {"qdhcp-n1": {"processes": ["dnsmasq"], "devices": {"ns-6f1c2d3e-4a": [...]}}},
     "ports": ["tap6f1c2d3e-4a"]}
    """
    dead, found = _dead(), {}
    for one in spaces():
        its = {name: a for name, a in devices(one, ANY).items() if not dead & {name, _tap(name)}}
        busy = [name for name in processes(one) if name in BUSY]
        found[one] = {"processes": busy, "devices": its}
    ports = {one for one in _ports() if PORTS.match(one)}
    return {"spaces": found, "ports": sorted(ports - dead)}


def devices(space: str, those: Any = INSIDE) -> dict[str, list[str]]:
    """A router's devices in *space* with their addresses, {} where there is no such space.

    {"qg-6f1c2d3e-4a": ["192.0.2.110/24", "192.0.2.111/32"]}; what a device gives itself is left
    out.
    """
    found: dict[str, list[str]] = {}
    if space not in spaces():
        return found
    for one in json.loads(run("ip", "-n", space, "-j", "address", "show")):
        if those.match(one.get("ifname", "")):
            given = [a for a in one["addr_info"] if a.get("scope") != "link" and "local" in a]
            found[one["ifname"]] = [f"{a['local']}/{a['prefixlen']}" for a in given]
    return found


def addresses(space: str) -> list[str]:
    """Every address of the router in *space*, without its prefix, but those that nothing reaches:
    of a device that Open vSwitch's agent has not wired, or has taken out of service.
    """
    found = devices(space)
    dead = _dead() if found else set()
    every = [a for name, listed in found.items() if not dead & {name, _tap(name)} for a in listed]
    return sorted({str(ipaddress.ip_interface(one).ip) for one in every})


def _dead() -> set[str]:
    """Ports that are not wired."""
    return {name for name, tag in json.loads(run(*TAGS))["data"] if tag == DEAD}


def watch(space: str, wanted: list[str], seconds: float) -> dict[str, Any]:
    """Wait until *space* has all addresses that are *wanted*, and all are reached.

    {"first": when it had one, "whole": when all, both by this host's clock and null where it did
    not come so far, "missing": what it still lacks after *seconds*}
    """
    deadline = time.monotonic() + seconds
    first: float | None = None
    while True:
        there = set(addresses(space))
        missing = sorted(set(wanted) - there)
        now = time.monotonic()
        first = now if first is None and there else first
        if not missing or now > deadline:
            whole = None if missing else now
            return {"first": first, "whole": whole, "missing": missing}
        time.sleep(POLL_SECONDS)


def processes(space: str) -> list[str]:
    """Names of the programs that run in *space*."""
    return sorted({_name(pid) for pid in _pids(space)} - {""})


def _pids(space: str) -> list[int]:
    if space not in spaces():
        return []
    return [int(one) for one in run("ip", "netns", "pids", space, check=False).split()]


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def clear(space: str, known: list[str]) -> float:
    """Remove the router in *space*: its ports, what runs in it, the space; how long it took.

    *known* are its devices as they were noted: after a reboot the space is gone, and its ports are
    not. Ports go first and at once, the space last: until then it tells what is left to do.
    """
    began = time.monotonic()
    names = sorted({*known, *devices(space)})
    ports = [port for name in names for port in (name, _tap(name))]  # a device, or a pair of them
    if ports:
        words = [("--", "--if-exists", "del-port", port) for port in ports]  # one transaction
        run("ovs-vsctl", *(word for one in words for word in one))
    took = time.monotonic() - began
    for name in names:
        if os.path.exists(f"/sys/class/net/{_tap(name)}"):
            run("ip", "link", "delete", _tap(name), check=False)
    _end(space)
    if space in spaces():
        run("ip", "netns", "delete", space)
    return took


def _tap(device: str) -> str:
    return f"tap{device.split('-', 1)[-1]}"


def _end(space: str) -> None:
    """End what runs in *space*; what does not end in time is killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + KILL_SECONDS
        for pid in _pids(space):
            kill(pid, number)
        while _pids(space) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def left() -> list[str]:
    """What agents have made here and is still there: spaces, ports, processes in spaces."""
    there = spaces()
    told = [f"name space {one}" for one in there]
    told += [f"{one} in {space}" for space in there for one in processes(space) if one in BUSY]
    return told + [f"port {one}" for one in _ports() if PORTS.match(one)]


def _ports() -> list[str]:
    """Every port of every bridge of Open vSwitch; none where there is no such switch."""
    if not shutil.which("ovs-vsctl"):
        return []
    bridges = run("ovs-vsctl", "list-br").split()
    return [port for one in bridges for port in run("ovs-vsctl", "list-ports", one).split()]
