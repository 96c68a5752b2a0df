"""What hosts must reach of the target, asked from there, before one of them comes over.

A compute host is asked, too, what its own files name: all of it must answer, and none of it may be
an old controller's own address, where nothing answers once that is released.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from migrate.cloud import Context, addresses, hosts, named_servers, urls
from migrate.cloud.host import Host
from migrate.cloud.ini import Ini
from migrate.computes import refusals
from migrate.configuration import files
from migrate.engine.finding import Finding, Severity
from migrate.errors import UnreachableError
from migrate.onhost import call

NAME = "reach"
BROKER, NFS = 5672, 2049
FILES = ("/etc/{}/*.conf", "/etc/{}/*.conf.d/*.conf", "/etc/{}/*.ini", "/etc/{}/plugins/*/*.ini")
APIS = ("auth_url", "api_servers", "endpoint_override")  # what a host calls; others are for users
SWITCH = "/etc/neutron/plugins/ml2/openvswitch_agent.ini"
OPEN = "Open these ports from this host to the target (firewall, security group)"
MTU = "Make the MTU the same on the whole way"

Ports = dict[tuple[str, int], str]  # address and port, and where they are named


def controllers(context: Context, host: Host) -> list[Finding]:
    """Ports of the target's controllers that *host* does not reach, and lost large packets."""
    ports = sorted({BROKER, *(api.port for recipe in context.recipes for api in recipe.apis)})
    found: list[Finding] = []
    for target in context.target.controllers:
        answers = _answers(host, [(target.address, port) for port in ports])
        lost: dict[str, list[str]] = {}
        for port, answer in zip(ports, answers, strict=True):
            if answer not in ("open", "refused"):
                lost.setdefault(answer, []).append(str(port))
        found += [
            _error(
                host,
                f"{target.name} ({target.address}) cannot be reached on port {', '.join(some)}: "
                f"{why}",
                OPEN,
            )
            for why, some in lost.items()
        ]
        if not lost:
            found += _packets(host, [target.address])
    return found


def computes(context: Context, names: Collection[str]) -> list[Finding]:
    """What the compute hosts of *names* do not reach, and what they name of old controllers."""
    known = {host.name: host for host in context.source.computes}
    asked = [known[name] for name in sorted(names) if name in known]
    found = _strangers(sorted(set(names) - known.keys()))
    if asked:
        old, told = _old(context)
        ask = partial(_compute, context, old, _tunnel_ends(context))
        found += [*told, *(one for part in hosts.gather(asked, ask) for one in part)]
    return found


def _compute(
    context: Context, old: addresses.Mapping, ends: list[str], host: Host
) -> list[Finding]:
    try:
        projects = [recipe.project for recipe in context.recipes if recipe.compute_units]
        patterns = [one.format(project) for project in projects for one in FILES]
        read: dict[str, Any] = call(host, "configured.read", patterns)
        texts: dict[str, str] = read["texts"]
        return [
            *_named(host, old, texts),
            *controllers(context, host),
            *_unanswered(host, _servers(texts, read["given"])),
            *(_packets(host, ends) if _tunnels(texts.get(SWITCH, "")) else ()),
            *_shares(host, old),
        ]
    except UnreachableError as error:
        remedy = "let ssh in there again, or leave the host out with --host"
        return [_error(host, f"nobody can ask what it reaches: {error}", remedy)]


def _named(host: Host, old: addresses.Mapping, texts: Mapping[str, str]) -> Iterator[Finding]:
    for path, text in sorted(texts.items()):
        for line in Ini.parse(text).options():
            if named := old.named(line.value):
                there = ", ".join(old.addresses.get(one, old.names.get(one, "")) for one in named)
                yield _error(
                    host,
                    f"{path}:{line.number} {line.name} names {', '.join(named)}, an old "
                    "controller's own: nothing answers there later",
                    "Name the virtual IP there"
                    + (f", or {there}," if there.strip(", ") else "")
                    + " and restart what reads it",
                )


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
            yield _error(host, message, "Start what should answer there, or correct that option")


def _packets(host: Host, ends: list[str]) -> Iterator[Finding]:
    for address, size in zip(ends, call(host, "reach.packets", ends), strict=True):
        if size.isdigit():
            yield _error(
                host, f"packets of {size} bytes to {address} get lost, small ones do not", MTU
            )


def _shares(host: Host, old: addresses.Mapping) -> Iterator[Finding]:
    """Shares of volumes that servers here use."""
    shares: list[list[str]] = call(host, "reach.shares")
    answers = _answers(host, [(address, NFS) for _, address in shares])
    for (folder, address), answer in zip(shares, answers, strict=True):
        if answer != "open":
            message = f"{address}, which serves {folder}, does not answer on port {NFS}: {answer}"
            yield _error(host, message, "Mend it first: servers here have their volumes there")
        elif old.named(address):
            yield Finding(
                NAME,
                Severity.WARNING,
                f"{folder} is served by {address}, an old controller: it must stay as it is",
                "Move the share before that controller is released",
                host.name,
            )


def _tunnels(text: str) -> str:
    """The address of a host's own end of tunnels by *text* of its switch's agent, "" for none."""
    switch = Ini.parse(text)
    types = (switch.get("agent", "tunnel_types") or "").strip()
    return (switch.get("ovs", "local_ip") or "").strip() if types else ""


def _tunnel_ends(context: Context) -> list[str]:
    """Those of the target's controllers."""
    texts = hosts.gather(context.target.controllers, lambda one: files.read(one, [SWITCH]))
    return [end for text in texts if (end := _tunnels(text.get(SWITCH, "")))]


def _old(context: Context) -> tuple[addresses.Mapping, list[Finding]]:
    """What is old controllers' own, and what is to be known of it."""
    try:
        return addresses.of(context, 0), []
    except UnreachableError as error:
        there = context.target.controllers[0]
        known = context.source.controllers
        found = addresses.Mapping(
            {one.address: there.address for one in known}, {one.name: there.name for one in known}
        )
        told = Finding(
            NAME,
            Severity.WARNING,
            f"{error}: of its addresses only that of the stack file was looked for",
            "Bring it back, or look for its other addresses in the hosts' files by hand",
        )
        return found, [told]


def _strangers(names: list[str]) -> list[Finding]:
    if not names:
        return []
    shown = ", ".join(names[: refusals.NAMES]) + (", ..." if names[refusals.NAMES :] else "")
    return [
        Finding(
            NAME,
            Severity.WARNING,
            f"nobody asked {shown} what they reach: not in sidestep:source.computes",
            "name them there as nova does: until then they cannot come over",
        )
    ]


def _answers(host: Host, asked: list[tuple[str, int]]) -> list[str]:
    answers: list[str] = call(host, "reach.ports", asked) if asked else []
    return answers


def _error(host: Host, message: str, remedy: str) -> Finding:
    return Finding(NAME, Severity.ERROR, message, remedy, host.name)
