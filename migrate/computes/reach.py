"""What hosts must reach of the target, asked from there, before one of them comes over.

A compute host is asked, too, what its own files name: all of it must answer, and what is an old
controller's own, where nothing answers once that is released, must be one that is translated.
"""

import re
from collections.abc import Collection, Iterator, Mapping

from migrate.cloud import Context, addresses, hosts, named_servers, urls
from migrate.cloud.host import Host
from migrate.cloud.ini import Ini
from migrate.computes import old_names, own_files, translation
from migrate.configuration import files
from migrate.engine.finding import Finding, error, filled, on_each, warning
from migrate.errors import MigrateError, UnreachableError, one_line
from migrate.onhost import call
from migrate.storage.ceph import conf

NAME = "reach"
BROKER, NFS = 5672, 2049
APIS = ("auth_url", "api_servers", "endpoint_override")  # what a host calls; others are for users
NOVA = "/var/lib/nova/"  # where nova mounts what it uses, unless told otherwise
SWITCH = "/etc/neutron/plugins/ml2/openvswitch_agent.ini"
SERVER, PLUGIN = "/etc/neutron/neutron.conf", "/etc/neutron/plugins/ml2/ml2_conf.ini"
CEPH, MONITORS = "/etc/ceph/*.conf", (3300, 6789)
MONITOR = re.compile(  # "10.0.0.1", "[fd00::1]:6789", "[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]"
    r"(?:v[12]:)?(?P<address>\[[\da-fA-F:]+\]|(?:[\da-fA-F]{0,4}:){2,}[\da-fA-F]*|[\w.-]+)"
    r"(?::(?P<port>\d+))?(?:/\d+)?"
)
PHYSICAL = 1500  # neutron's own, where nothing is said

Ports = dict[tuple[str, int], str]  # address and port, and where they are named


def controllers(context: Context, host: Host) -> Iterator[Finding]:
    """Ports of the target's controllers that *host* does not reach, and lost large packets."""
    ports = sorted({BROKER, *(api.port for recipe in context.recipes for api in recipe.apis)})
    for target in context.target.controllers:
        answers = _answers(host, [(target.address, port) for port in ports])
        lost: dict[str, list[str]] = {}
        for port, answer in zip(ports, answers, strict=True):
            if answer not in ("open", "refused"):
                lost.setdefault(answer, []).append(str(port))
        for why, some in lost.items():
            yield error(
                f"{target.name} ({target.address}) cannot be reached on port {', '.join(some)}: "
                f"{why}",
                "Open these ports from this host to the target (firewall, security group)",
            )
        if not lost:
            yield from _packets(host, [target.address])


def computes(context: Context, those: Collection[Host]) -> list[Finding]:
    """What *those* compute hosts do not reach, and what they name of old controllers.

    One that nobody can ask has nothing to say here.
    """
    if not those:
        return []
    old, told = old_names.known(context)
    ends, mtu, unknown = _tunnel_ends(context)

    def ask(host: Host) -> list[Finding]:
        try:
            return list(_compute(context, old, ends, mtu, host))
        except UnreachableError:
            return []
        except MigrateError as failure:
            return [
                error(f"what it reaches cannot be told: {one_line(failure)}", "Mend that first")
            ]

    return list(filled([*told, *unknown, *on_each(those, ask)], check=NAME))


def named(context: Context, those: Collection[Host]) -> list[Finding]:
    """What *those* compute hosts name of old controllers; the cutover is what cuts them off."""
    if not those:
        return []
    old, told = old_names.known(context)

    def ask(host: Host) -> list[Finding]:
        texts, _ = own_files.read(context, host)
        seen = old_names.as_seen(context, host, old, own_files.together(texts))
        return list(translation.findings_before(translation.of(context, host, seen, texts)))

    return [*told, *on_each(those, ask)]


def _compute(
    context: Context, old: addresses.Mapping, ends: list[str], mtu: int, host: Host
) -> Iterator[Finding]:
    by_unit, given = own_files.read(context, host)
    texts = own_files.together(by_unit)
    seen = old_names.as_seen(context, host, old, texts)
    named = translation.of(context, host, seen, by_unit)
    yield from translation.findings(named, seen)
    yield from controllers(context, host)
    gone = {name for one in named for name in one.names}  # of these enough was told
    asked = {at: where for at, where in _servers(texts, given).items() if at[0] not in gone}
    yield from _unanswered(host, asked)
    if any(map(_tunnels, texts.values())):
        yield from _packets(host, ends, mtu)
    yield from _shares(host, old)
    yield from _monitors(host)


def _servers(texts: Mapping[str, str], given: Mapping[str, str]) -> Ports:
    """What services of a host connect to, by their own files; no database is needed."""
    named = named_servers.read(texts, given)
    found = {(one.address, one.port): one.where for one in named if one.kind != "database"}
    for path, text in texts.items():
        for line in Ini.parse(text).options():
            for url in re.split(r"[,\s]+", line.value) if line.name in APIS else ():
                if "://" in url:
                    address, port, _ = urls.web(url)
                    found[address, port] = f"{path}:{line.number} {line.name}"
    return found


def _unanswered(host: Host, named: Ports) -> Iterator[Finding]:
    for (address, port), answer in zip(named, _answers(host, list(named)), strict=True):
        if answer != "open":
            message = f"{address} does not answer on port {port}: {answer}; {named[address, port]}"
            yield error(message, "Start what should answer there, or correct that option")


def _packets(host: Host, ends: list[str], mtu: int = 0) -> Iterator[Finding]:
    """Lost large packets: of tunnels, at *mtu*, which fit as they are or not at all.

    With 0 they are others, and smaller ones do as well, where routers on the way tell.
    """
    asked = [[one, mtu] for one in ends]
    for address, one in zip(ends, call(host, "reach.packets", asked), strict=True):
        if one["whole"] is None and mtu:
            yield warning(
                f"no ping is answered by {address}, an end of tunnels: whether they reach it, and "
                "whole, is not known",
                "See the route to it and the firewall on the way; ping by hand",
            )
        if one["whole"] is False and (mtu or not one["path"]):
            told = f"; the way takes {one['path']}" if one["path"] else ""
            yield error(
                f"packets of {one['size']} bytes to {address} get lost, small ones do not{told} "
                f"(tried: ping -M do -s {one['data']})",
                "Make the MTU the same on the whole way"
                + (", or global_physnet_mtu or path_mtu of neutron smaller" if mtu else ""),
            )


def _shares(host: Host, old: addresses.Mapping) -> Iterator[Finding]:
    """Shares, those of volumes that servers here use among them."""
    shares: list[list[str]] = call(host, "reach.shares")
    answers = _answers(host, [(address, NFS) for _, address in shares])
    for (folder, address), answer in zip(shares, answers, strict=True):
        if answer != "open":
            message = f"{address}, which serves {folder}, does not answer on port {NFS}: {answer}"
            tell = error if folder.startswith(NOVA) else warning  # others may be nobody's by now
            yield tell(message, "Mend it first, where servers here have their volumes there")
        elif old.named(address):
            yield warning(
                f"{folder} is served by {address}, an old controller: it must stay as it is",
                "Move the share before that controller is released",
            )


def _monitors(host: Host) -> Iterator[Finding]:
    """Ceph's monitors by the host's own files: without one of them no volume on it is reached."""
    texts: dict[str, str] = call(host, "files.read", [CEPH])
    for path, text in texts.items():
        named = list(dict.fromkeys(_named_monitors(conf.value(text, "mon_host"))))
        answers = dict(zip(named, _answers(host, named), strict=True))
        silent = {at for at, _ in named} - {at for (at, _), one in answers.items() if one == "open"}
        if silent:
            tell = error if silent == {at for at, _ in named} else warning
            told = f"monitors of Ceph by {path} do not answer: {', '.join(sorted(silent))}"
            yield tell(told, "Mend the way to them, or correct mon_host there")


def _named_monitors(said: str) -> Iterator[tuple[str, int]]:
    """Each address of *said*, of mon_host, with its port, or with both that monitors have."""
    for entry in MONITOR.finditer(said):
        address = entry["address"].strip("[]")
        for port in [int(entry["port"])] if entry["port"] else MONITORS:
            yield address, port


def _tunnels(text: str) -> str:
    """The address of a host's own end of tunnels by *text* of its switch's agent, "" for none."""
    switch = Ini.parse(text)
    types = (switch.get("agent", "tunnel_types") or "").strip()
    return (switch.get("ovs", "local_ip") or "").strip() if types else ""


def _tunnel_ends(context: Context) -> tuple[list[str], int, list[Finding]]:
    """Those of the target's controllers, and how large neutron makes packets of tunnels."""
    wanted = [SWITCH, SERVER, PLUGIN]
    try:
        texts = hosts.gather(context.target.controllers, lambda one: files.read(one, wanted))
    except UnreachableError as away:
        told = f"whether tunnels to the target carry whole packets is not known: {away}"
        return [], 0, [warning(told, "Bring it back, then the same again")]
    ends = [end for text in texts if (end := _tunnels(text.get(SWITCH, "")))]
    return ends, max(map(_tunnel_mtu, texts)), []


def _tunnel_mtu(texts: Mapping[str, str]) -> int:
    """By neutron's own rule the smaller of the two, of which the second may be 0 for none."""
    server, plugin = (Ini.parse(texts.get(one, "")) for one in (SERVER, PLUGIN))
    physical = _number(server.get("DEFAULT", "global_physnet_mtu"), PHYSICAL)
    path = _number(plugin.get("ml2", "path_mtu"), 0)
    return min(physical, path or physical)


def _number(text: str | None, otherwise: int) -> int:
    found = (text or "").strip()
    return int(found) if found.isdigit() and int(found) else otherwise


def _answers(host: Host, asked: list[tuple[str, int]]) -> list[str]:
    answers: list[str] = call(host, "reach.ports", asked) if asked else []
    return answers
