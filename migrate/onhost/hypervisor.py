"""What this compute host runs servers with, and how it would live-migrate them; changes nothing."""

import glob
import os
import re
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

from migrate.onhost import configured, exchange, guests, sockets
from migrate.onhost.systemd import run

VIRSH = ("env", "LC_ALL=C", "virsh", "-c", "qemu:///system")
QEMU = re.compile(r"(?m)^Running hypervisor: \w+ ([\d.]+)")
LIBVIRT = re.compile(r"(?m)^Running against daemon: ([\d.]+)")
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KEY = re.compile(r"[?&]keyfile=([^&\s]+)")


def seen(service: str, defaults: list[str]) -> dict[str, Any]:
    """All of it; *service* reads *defaults* where its command line names no file:

        {"qemu": "10.0.2", "libvirt": "11.3.0", "cpu": {"arch": "x86_64", "vendor": "Intel",
         "model": "Skylake-Client-IBRS", "features": ["vmx"]}, "program": "/usr/bin/nova-compute",
         "texts": {"/etc/nova/nova.conf": "..."}, "given": {"my_ip": "10.0.0.21"},
         "ports": [22, 16509], "keys": {"/var/lib/nova/.ssh/id_ed25519": true},
         "servers": {"<id>": {"machine": "pc-q35-10.0", "firmware": "bios", "disks": ["rbd"]}}}

    "texts" are those of *service*, in its order; "program" is "" where it does not run.
    """
    told = settings(service, defaults)
    named = {path for text in told["texts"].values() for path in KEY.findall(text)}
    return {
        **versions(run(*VIRSH, "version", "--daemon")),
        **told,
        "cpu": cpu(run(*VIRSH, "capabilities")),
        "ports": sockets.open_ports(),
        "keys": {path: os.path.exists(path) for path in named},
        "servers": _servers(guests.running()),
    }


def settings(service: str, defaults: list[str]) -> dict[str, Any]:
    """The same's "program", "texts" and "given"."""
    unit = exchange.running([service]).get(service, {"program": "", "arguments": []})
    files = _files(unit["arguments"]) or defaults
    read = configured.read([glob.escape(one) for one in files])
    texts = {path: read["texts"][path] for path in files if path in read["texts"]}
    return {"program": unit["program"], "texts": texts, "given": read["given"]}


def _files(arguments: list[str]) -> list[str]:
    found: list[str] = []
    for kind, path in configured.ARGUMENT.findall(" ".join(arguments)):
        found += sorted(glob.glob(glob.escape(path) + "/*.conf")) if kind == "dir" else [path]
    return found


def versions(told: str) -> dict[str, str]:
    """As `virsh version --daemon` has *told* them; "" for one that libvirt cannot say."""
    found = {"qemu": QEMU.search(told), "libvirt": LIBVIRT.search(told)}
    return {name: one[1] if one else "" for name, one in found.items()}


def cpu(capabilities: str) -> dict[str, Any]:
    """The host's own, as libvirt names it."""
    host = ElementTree.fromstring(capabilities).find("host/cpu")  # noqa: S314  libvirt's own
    if host is None:
        return {"arch": "", "vendor": "", "model": "", "features": []}
    found: dict[str, Any] = {
        name: host.findtext(name) or "" for name in ("arch", "vendor", "model")
    }
    found["features"] = sorted(one.get("name") or "" for one in host.findall("feature"))
    return found


def _servers(running: Iterable[str]) -> dict[str, Any]:
    """By one virsh for all, whose commands may be many; for one that has ended it goes on."""
    # anybody may start what looks like a server: its word must not become a command
    commands = [f"dumpxml {one}" for one in running if ID.fullmatch(one)]
    return shapes(run(*VIRSH, "; ".join(commands), check=False)) if commands else {}


def shapes(text: str) -> dict[str, Any]:
    """Of the domains of *text*, one after the other, their shapes by id."""
    every = ElementTree.fromstring(f"<all>{text}</all>")  # noqa: S314  libvirt's own
    return {one.findtext("uuid") or "": _shape(one) for one in every.findall("domain")}


def _shape(domain: ElementTree.Element) -> dict[str, Any]:
    """What decides where *domain* can run: a volume's disk has a serial, its id."""
    kind = domain.find("os/type")
    disks = {_disk(one) for one in domain.iter("disk") if one.get("device") in (None, "disk")}
    return {
        "machine": "" if kind is None else kind.get("machine") or "",
        "firmware": _firmware(domain),
        "disks": sorted(disks),
    }


def _firmware(domain: ElementTree.Element) -> str:
    system, loader = domain.find("os"), domain.find("os/loader")
    if loader is not None and loader.get("secure") == "yes":
        return "efi with secure boot"
    chosen = system is not None and system.get("firmware") == "efi"
    return "efi" if chosen or loader is not None else "bios"


def _disk(disk: ElementTree.Element) -> str:
    source = disk.find("source")
    protocol = None if source is None else source.get("protocol")
    whose = "volume" if disk.findtext("serial") else "local"
    return f"{whose} {protocol or disk.get('type')}"
