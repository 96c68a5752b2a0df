"""Servers of nova on this compute host as libvirt runs them, and how they are put out.

A server that runs is told by its QEMU process: libvirt may have lost it. What is open in it, its
domain says.
"""

import os
import re
import socket
import time
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

from migrate.onhost import disk, guests
from migrate.onhost.systemd import run

VIRSH = ("virsh", "-c", "qemu:///system")
LOGS = "/var/log/libvirt/qemu"
STARTED = re.compile(r"(?m)^.*: starting up libvirt version")
SIGNAL = re.compile(r"terminating on signal \d+ from pid \d+(?: \((.*)\))?")
ENDED = re.compile(r"shutting down, reason=(\w+)")
LIBVIRT = ("libvirtd", "virtqemud")  # ends what a guest's own shutdown has left
END_SECONDS = 20.0  # after which a QEMU that was ended is stuck in the kernel


def running() -> dict[str, Any]:
    """What of nova's runs, by server; another's domains are left out:

        {"name": "cmp1", "idle": {"<server>": ["tap1a2b3c4d-5e"]},
         "domains": {"<server>": {"name": "web", "volumes": ["<id>"], "ports": ["<id>"]}}}

    "idle" are ports of servers that do not run. "volumes" is None where libvirt does not tell.
    """
    ports, found = guests.plugged(), {}
    processes = guests.running()
    for server in processes:
        text = run(*VIRSH, "dumpxml", server, check=False)
        if not text and server not in guests.running():
            continue  # it has ended
        told = _told(text) if text else {"name": server, "volumes": None}
        if told:
            found[server] = {**told, "ports": sorted(filter(None, ports.get(server, {}).values()))}
    idle = {server: sorted(names) for server, names in ports.items() if server not in processes}
    return {"name": socket.gethostname(), "domains": found, "idle": idle}


def _told(text: str) -> dict[str, Any] | None:
    """Name and volumes of a domain that nova made, None of another; a volume's serial is its id."""
    domain = ElementTree.fromstring(text)  # noqa: S314  libvirt's own
    for one in domain.iter():
        space, _, tag = one.tag.rpartition("}")
        if tag == "instance" and "openstack.org" in space:
            name = one.findtext(f"{space}}}name") or ""
            serials = (disk.findtext("serial") for disk in domain.iter("disk"))
            return {"name": name, "volumes": sorted(filter(None, serials))}
    return None


def stop(servers: Iterable[str], seconds: float) -> list[str]:
    """Shut *servers* down; what still runs after *seconds* is ended. Those that run even then."""
    wanted = set(servers)
    for verb, patience in (("shutdown", seconds), ("destroy", END_SECONDS)):
        for server in sorted(wanted & guests.running().keys()):
            run(*VIRSH, verb, server, check=False)
        deadline = time.monotonic() + patience
        while wanted & guests.running().keys() and time.monotonic() < deadline:
            time.sleep(0.5)
    return sorted(wanted & guests.running().keys())


def unplug(servers: Iterable[str]) -> None:
    """Take the ports of *servers* off Open vSwitch; of one that runs none is touched."""
    processes = guests.running()
    for server, names in guests.plugged().items():
        if server in set(servers) and server not in processes:
            for name in sorted(names):
                run("ovs-vsctl", "--if-exists", "del-port", name)


def shut_down(servers: Iterable[str]) -> list[str]:
    """Those of *servers* that do not run because their guest shut itself down, as QEMU's log says.

    One that crashed, was destroyed, or had a signal from anybody but libvirt did not; nor one of
    which there is no log.
    """
    off = set(servers) - guests.running().keys()
    return sorted(server for server in off if _shut_itself_down(_log(server)))


def _log(server: str) -> str:
    """What QEMU and libvirt wrote since the last start of *server*."""
    name = run(*VIRSH, "domname", server, check=False).strip()
    text = disk.text_if_there(f"{LOGS}/{os.path.basename(name)}.log") if name else ""
    return STARTED.split(text)[-1]


def _shut_itself_down(log: str) -> bool:
    signals = {os.path.basename(one) for one in SIGNAL.findall(log)}
    return ENDED.findall(log)[-1:] == ["shutdown"] and signals <= set(LIBVIRT)
