"""A cluster's ceph.conf as another monitor needs it: the old one's whole, and one address more.

The monitor reads pool defaults and the like there, so that one of its own would change what the
cluster is like. Names of options may be written with spaces, underscores or hyphens.
"""

from __future__ import annotations

import ipaddress
import re

from migrate.errors import PreconditionError

PATH = "/etc/ceph/ceph.conf"
HEADING = re.compile(r"\s*\[(.+?)\]")
OPTION = re.compile(r"\s*([\w \-]+?)\s*=\s*(.*?)\s*$")


def value(text: str, option: str) -> str:
    """The value of *option* of everybody, e.g. "mon host"; "" where it is not set."""
    section, found = "", ""
    for line in text.splitlines():
        section = _heading(line) or section
        if section == "global" and _name(line) == option:
            found = _value(line)
    return found


def for_monitor(text: str, name: str, address: str) -> str:
    """*text* for a monitor *name* that listens at *address* beside those that *text* names.

    Who is there from the beginning is left out: it would wait for them alone.
    """
    _refuse(text, name, address)
    lines = []
    for line in text.splitlines():
        match _name(line):
            case "mon initial members":
                continue
            case "mon host":
                known = re.split(r"[,;\s]+", _value(line))
                lines.append(line if address in known else f"mon host = {_value(line)},{address}")
            case _:
                lines.append(line)
    return "\n".join([*lines, f"[mon.{name}]", f"public addr = {address}", ""])


def _refuse(text: str, name: str, address: str) -> None:
    if not value(text, "mon host"):
        raise PreconditionError(
            f"{PATH} names no `mon host`: where monitors are found otherwise (DNS), the new one "
            "would not be; write their addresses there"
        )
    if any(_heading(line) == f"mon.{name}" for line in text.splitlines()):
        raise PreconditionError(
            f"{PATH} has a section [mon.{name}] already: give the new monitor another name"
        )
    if any(line.endswith("\\") for line in text.splitlines()):
        raise PreconditionError(f"{PATH} has lines that go on in the next: write each on one line")
    networks = [one.strip() for one in value(text, "public network").split(",") if one.strip()]
    inside = (ipaddress.ip_network(one, strict=False) for one in networks)
    if networks and not any(ipaddress.ip_address(address) in one for one in inside):
        raise PreconditionError(
            f"{address} is in no `public network` of {PATH} ({', '.join(networks)}): clients and "
            "OSDs would not reach a monitor there; give the machine an address in it"
        )


def _heading(line: str) -> str:
    found = HEADING.match(line)
    return found[1] if found else ""


def _name(line: str) -> str:
    found = OPTION.match(line)
    return re.sub(r"[ _\-]+", " ", found[1]) if found else ""


def _value(line: str) -> str:
    found = OPTION.match(line)
    return re.split(r"\s[#;]", found[2])[0].rstrip() if found else ""
