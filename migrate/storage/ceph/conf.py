"""A cluster's ceph.conf as another monitor needs it: the old one's whole, and one address more.

The monitor reads pool defaults and the like there, so that one of its own would change what the
cluster is like.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from migrate.errors import PreconditionError
from migrate.storage.rbd import ceph_conf

PATH = "/etc/ceph/ceph.conf"
SECRET = re.compile(r"(password|secret|token|(^|_)key)$")
APART = re.compile(r"[,;\s\[\]]+")  # what stands between the entries of `mon host`
OURS = ("mon", "mgr")  # daemons of the new machine that listen
OF_MONITORS = ("mon_host", "mon_initial_members")  # where they are is told apart


def value(text: str, option: str) -> str:
    """*option* of everybody, e.g. "mon_host"; "" where it is not set."""
    return ceph_conf.get(text, "global", option)


def for_monitor(text: str, name: str, address: str) -> str:
    """*text* for a monitor *name* that listens at *address* beside those that *text* names.

    Who is there from the beginning is left out: it would wait for them alone. The manager beside it
    is given that address too: of several in the public network it takes the first, which is a
    virtual IP where one is on `lo`.
    """
    _refuse(text, name, address)
    refuse_secrets(text, "the old monitor's host")
    lines = with_address(text, address).splitlines()
    kept = [line for line in lines if _name(line) != "mon_initial_members"]
    own = [f"[{kind}.{name}]\npublic addr = {address}" for kind in OURS]
    return "\n".join([*kept, *own, ""])


def with_address(text: str, address: str) -> str:
    """*text* with a monitor's *address* beside those that it names."""
    if names(text, address):
        return text
    lines = _whole(text)
    for place, line in enumerate(lines):
        if _name(line) == "mon_host":
            lines[place] = f"mon host = {_value(line)},{address}"
    return "\n".join([*lines, ""])


def without_address(text: str, address: str) -> str:
    """*text* without a monitor's *address*; as it is where it names no other."""
    lines = _whole(text)
    for place, line in enumerate(lines):
        if _name(line) == "mon_host":
            every = re.findall(r"\[[^\]]*\]|[^,;\s]+", _value(line))
            kept = [one for one in every if not _is_at(one, address)]
            if kept and kept != every:
                lines[place] = f"mon host = {','.join(kept)}"
    return "\n".join([*lines, ""])


def _whole(text: str) -> list[str]:
    """Its lines, each with what goes on in the next."""
    return ceph_conf.CONTINUED.sub(" ", text).splitlines()


def with_monitor(text: str, name: str, address: str) -> str:
    """*text* in which the monitor *name* listens at *address*; else it takes what it had before."""
    kept, there = [], False
    for heading, line in _lines(text):
        if heading != f"mon.{name}" or _name(line) != "public_addr":
            kept.append(line)
        if _heading(line) == f"mon.{name}":
            kept.append(f"public addr = {address}")
            there = True
    own = [] if there else [f"[mon.{name}]", f"public addr = {address}"]
    return "\n".join([*kept, *own, ""])


def without_monitor(text: str, name: str) -> str:
    """*text* without what it says of the monitor *name* alone."""
    return "\n".join([*(line for heading, line in _lines(text) if heading != f"mon.{name}"), ""])


def section(text: str, name: str) -> str:
    """All that *text* says under [*name*], its heading too; "" where it has none."""
    return "".join(
        f"{line}\n" for heading, line in _lines(text) if heading == name and line.strip()
    )


def entries(text: str) -> list[str]:
    """Whatever *text* names as monitors, without protocol and port."""
    every = APART.split(value(text, "mon_host"))
    return [*dict.fromkeys(bare for one in every if (bare := _bare(one)))]


def is_address(entry: str) -> bool:
    """Whether it is one, and no name."""
    try:
        return bool(ipaddress.ip_address(entry))
    except ValueError:
        return False


def names(text: str, address: str) -> bool:
    """Whether *text* names *address* as a monitor's, alone or with a protocol and port."""
    return _is_at(value(text, "mon_host"), address)


def _is_at(said: str, address: str) -> bool:
    """Whether an entry of `mon host`, or several, is or has *address*."""
    return _bare(address.strip("[]")) in map(_bare, APART.split(said))


def _bare(entry: str) -> str:
    """An address without protocol and port; one of IPv6 has none of them outside its brackets."""
    alone = re.sub(r"^v[12]:", "", entry)
    if alone.count(":") == 1:
        alone = alone.partition(":")[0]
    return str(ipaddress.ip_address(alone)) if is_address(alone) else alone


def refuse_secrets(text: str, where: str) -> None:
    """PreconditionError where *text*, which everybody may read on the new machine, tells one."""
    for (heading, option), said in _options(text).items():
        if SECRET.search(option) and not said.startswith("/"):  # a file's name tells nothing
            raise PreconditionError(
                f"{where}: {PATH} tells `{option}` under [{heading}], and everybody could read it "
                f"on the new machine: `ceph config set {heading} {option} ...` and take it out"
            )


def lacking(whole: str, text: str) -> list[str]:
    """Options that a client reads in *text*, and otherwise in *whole*: "[client] rbd_cache"."""
    there = _options(whole)
    return [
        f"[{section}] {option}"
        for (section, option), value in _options(text).items()
        if section.partition(".")[0] in ("global", "client")
        and option not in OF_MONITORS
        and there.get((section, option)) != value
    ]


def _options(text: str) -> dict[tuple[str, str], str]:
    return {(heading, _name(line)): _value(line) for heading, line in _lines(text) if _name(line)}


def _refuse(text: str, name: str, address: str) -> None:
    if not value(text, "mon_host"):
        raise PreconditionError(
            f"{PATH} names no `mon host`: where monitors are found otherwise (DNS), the new one "
            "would not be; write their addresses there"
        )
    ours = {f"{kind}.{name}" for kind in OURS}
    if there := sorted(ours.intersection(map(_heading, text.splitlines()))):
        raise PreconditionError(
            f"{PATH} has a section [{there[0]}] already: give the new monitor another name"
        )
    if any(line.endswith("\\") for line in text.splitlines()):
        raise PreconditionError(f"{PATH} has lines that go on in the next: write each on one line")
    networks = [one.strip() for one in value(text, "public_network").split(",") if one.strip()]
    inside = (ipaddress.ip_network(one, strict=False) for one in networks)
    if networks and not any(ipaddress.ip_address(address) in one for one in inside):
        raise PreconditionError(
            f"{address} is in no `public network` of {PATH} ({', '.join(networks)}): clients and "
            "OSDs would not reach a monitor there; give the machine an address in it"
        )


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Each line of *text* with the section that it stands in; a heading is in its own."""
    inside = ""
    for line in text.splitlines():
        inside = _heading(line) or inside
        yield inside, line


def _heading(line: str) -> str:
    found = ceph_conf.SECTION.match(line)
    return found[1].strip() if found else ""


def _name(line: str) -> str:
    found = ceph_conf.OPTION.match(line)
    return re.sub(r"[ -]+", "_", found[1]) if found else ""


def _value(line: str) -> str:
    found = ceph_conf.OPTION.match(line)
    return found[2] if found else ""
