"""What forbids to finish, each with its remedy: the cloud is asked whether all of it is new."""

from collections import defaultdict
from collections.abc import Collection, Iterator

from migrate.cloud import Context, hosts
from migrate.cloud.api import VERSION, Api
from migrate.cloud.host import Host
from migrate.computes import draining, old_names, service, units, versions
from migrate.computes.network import carried, reading, refusals
from migrate.computes.network.facts import KNOWN, Facts
from migrate.computes.reinstalling import keeping
from migrate.configuration import files
from migrate.engine import finding, markers
from migrate.engine.finding import Finding, error, filled, warning
from migrate.errors import MigrateError, UnreachableError, some
from migrate.finish import ceph, services
from migrate.finish.agents import in_use
from migrate.finish.facts import Names, Record
from migrate.onhost import call
from migrate.storage.volumes import policy
from migrate.takeover import fence

NAME = "finish"
NEEDED = "needed"  # what is told of an old controller that is not to be switched off yet
STAY = "Leave it on, or move that first: no step here does"
SYSTEM = [  # what a host asks for time, names and packages
    *("/etc/chrony/*.conf", "/etc/chrony/*/*.sources", "/etc/ntpsec/ntp.conf", "/etc/resolv.conf"),
    *("/etc/systemd/timesyncd.conf", "/etc/systemd/timesyncd.conf.d/*.conf"),
    *("/etc/apt/sources.list", "/etc/apt/sources.list.d/*"),
]
SHOWN = 8


def findings(context: Context) -> list[Finding]:
    """All that stands against it; nothing but the first while the target does not serve."""
    return list(filled(_findings(context), check=NAME))


def _findings(context: Context) -> list[Finding]:
    if not markers.live(context):
        return [error("the target does not serve", "`migrate cutover` comes first")]
    found = list(_accepted(context))
    if any(recipe.cells for recipe in context.recipes):
        known = versions.read(context)
        found += _of_computes(known.old)
        found += _of_services(services.older(context, known.newest), reading.api(context))
        found += _unsettled(reading.api(context))
        found += _on_hosts(context)
    if any(recipe.target_data_plane_units for recipe in context.recipes):
        found += of_agents(reading.read(reading.api(context)), Names.of(context))
        found += _on_network_hosts(context)
    found += [*_between(context), *ceph.refusals(context), *of_source(context)]
    return [*found, *filled(_needed(context), check=NEEDED)]


def refuse(context: Context) -> None:
    """PreconditionError that tells every error among them."""
    finding.refuse(findings(context))


def _accepted(context: Context) -> Iterator[Finding]:
    if policy.held(context) and not policy.accepted(context):
        yield error(
            "the target is not accepted: calls that change shared volumes are held still",
            "`migrate accept --execute` comes first",
        )


def _of_computes(old: Collection[str]) -> Iterator[Finding]:
    """Those whose record, in any cell, is of an *old* release."""
    if old:
        yield error(
            f"compute hosts are of an older release: {some(sorted(old), SHOWN)}",
            "`migrate settle --execute` renews them; `openstack compute service delete` for a host "
            "that is gone for good",
        )


def _of_services(old: Collection[Record], api: Api) -> Iterator[Finding]:
    """Nova's other services of an *old* release, on hosts that the stack file may not name."""
    up = services.up(api) if old else set()
    for one in old:
        if one.id in up:
            told = f"{one.binary} is of an older release, and nova hears it"
            yield error(told, "Renew it, or stop it and delete its record", one.host)
        else:
            yield warning(
                f"{one.binary} has a record of an older release, which counts in the minimum that "
                "nova asks for",
                f"Where nobody runs it: DELETE /os-services/{one.id}, which the API takes also for "
                "one that no listing shows",
                one.host,
            )


def _unsettled(api: Api) -> Iterator[Finding]:
    """Compute hosts that a run of `settle` has left closed, in the middle."""
    asked = {"binary": versions.COMPUTE, VERSION: service.MICROVERSION}
    for row in api.get("compute", "/os-services", **asked)["services"]:
        if service.is_ours(row):
            yield error(
                "this host was closed to be renewed, and is not proven and open again",
                f"`migrate settle --execute --host {row['host']}` goes on",
                row["host"],
            )


def _on_hosts(context: Context) -> Iterator[Finding]:
    """What compute hosts themselves say: servers that are not back, and what of them is old yet."""

    def ask(host: Host) -> list[Finding]:
        try:
            return [*_away(context, host), *_old(context, host)]
        except UnreachableError as away:
            told = (
                f"whether servers that left it are back is not known, nor what runs there: {away}"
            )
            return [warning(told, "Bring it back first, or look for servers of it", host.name)]

    yield from hosts.joined(context.source.computes, ask)


def _on_network_hosts(context: Context) -> Iterator[Finding]:
    """What of the old release carries networks, there or where nobody has named it."""
    for agent in refusals.network_hosts(context, reading.api(context)):
        if agent.alive:
            yield refusals.elsewhere(agent)

    def ask(host: Host) -> list[Finding]:
        try:
            if carried.proven(context, host):
                return []
        except UnreachableError as away:
            told = f"which release its network agents are of is not known: {away}"
            gone = "take it out of sidestep:source.networkHosts where it is gone for good"
            return [error(told, f"Bring it back, or {gone}", host.name)]
        told = "its network agents are of the old release, or not proven since they came over"
        return [
            error(told, f"`migrate settle --execute --host {host.name}` comes first", host.name)
        ]

    yield from hosts.joined(context.source.network_hosts, ask)


def _away(context: Context, host: Host) -> Iterator[Finding]:
    """That its servers have not come home, or are stopped for the renewal."""
    if not draining.at_home(context, host):
        told = "servers that left it or were stopped for its renewal are not back"
        yield error(told, f"`migrate settle --execute --host {host.name}` goes on", host.name)


def _old(context: Context, host: Host) -> Iterator[Finding]:
    """Units of it that run the old release: nova's versions tell of nova-compute alone."""
    if old := units.old(context, host):
        yield error(
            f"of the old release there: {', '.join(old)}",
            f"Stop and disable it, or `migrate settle --back --host {host.name} --execute`, and "
            "settle it anew",
            host.name,
        )


def _between(context: Context) -> Iterator[Finding]:
    """Hosts between two systems: what is kept of one is all that there is, and goes here."""
    try:
        names = keeping.gone(context, keeping.BETWEEN)
    except MigrateError as failure:
        yield error(
            f"which hosts stand between two systems is not known: {failure}",
            "Bring that up, then the same again",
        )
        return
    for name in sorted(names):
        yield error(
            "it stands between two systems, and what is its own is nowhere but on the controllers",
            "The same `migrate settle` goes on with it",
            name,
        )


def of_agents(facts: Facts, names: Names) -> Iterator[Finding]:
    """Agents of the source's controllers that are more than a record."""
    for agent in facts.agents:
        if not names.gone(agent.host):
            continue
        if agent.binary not in KNOWN:
            yield error(
                f"{agent.binary} is an agent that no code here knows",
                "Stop it, see that nothing needs it, and delete its record "
                "(`openstack network agent delete`)",
                agent.host,
            )
        elif in_use(agent, facts.held):
            yield error(
                f"{agent.binary} is alive or carries something",
                "`migrate settle --agents --execute` moves all of them; one that was stopped just "
                "now is heard for a minute more",
                agent.host,
            )
        elif not any(
            one.alive and one.binary == agent.binary and not names.gone(one.host)
            for one in facts.agents
        ):
            yield error(
                f"no other {agent.binary} is alive",
                "`migrate settle --agents --execute` starts them on the target",
                agent.host,
            )


def of_source(context: Context) -> list[Finding]:
    """What of the old release runs on its core; databases that are only kept may."""
    found = []
    for host in context.source.core:
        ask = _alive if host in context.source.controllers else _written
        try:
            found += [_running(host, one) for one in ask(context, host)]
        except UnreachableError as failure:
            if not markers.finished(context):
                found.append(
                    error(
                        f"nobody can say what runs there ({failure})",
                        "Bring it up, so that it is asked once more; after that it may be off",
                        host.name,
                    )
                )
        except MigrateError as failure:
            found.append(_running(host, str(failure)))
    return found


def _needed(context: Context) -> Iterator[Finding]:
    """What is none of OpenStack's and lives on an old controller, which is switched off next."""
    old, _ = old_names.known(context)  # one that is away forbids it until it was asked once

    def uses(host: Host) -> list[tuple[str, str, str]]:
        try:
            shares, texts = call(host, "reach.shares"), files.read(host, SYSTEM)
        except UnreachableError:
            return []
        found = [(address, "serves shares", host.name) for _, address in shares]
        found += [
            (one, f"is named by {path}", host.name)
            for path, text in texts.items()
            for one in old.named(text)
        ]
        return [one for one in found if old.named(one[0])]

    by: dict[tuple[str, str], list[str]] = defaultdict(list)
    told = hosts.joined((*context.source.computes, *context.target.controllers), uses)
    for address, how, name in sorted(set(told)):
        by[address, how].append(name)
    for (address, how), names in by.items():
        yield warning(f"{address}, an old controller, {how} of {some(names, SHOWN)}", STAY)

    def carries(host: Host) -> list[Finding]:
        try:
            there = call(host, "kept.daemons_of_ceph")
        except UnreachableError:  # it may be another machine by now, with another key
            return []
        return [warning(f"{', '.join(there)} of Ceph is there", STAY, host.name)] if there else []

    yield from hosts.joined(context.source.controllers, carries)


def _alive(context: Context, host: Host) -> list[str]:
    wanted = fence.control(context.recipes)
    found = list(call(host, "fence.unfenced", wanted))
    found += [f"{one} runs" for one in call(host, "systemd.active", wanted["kept"])]
    found += [f"{one} is left of an agent" for one in call(host, "namespaces.left")]
    if call(host, "mariadb.present"):
        found += call(host, "mariadb.unfenced")
    found += [] if call(host, "virtual_ip.fenced") else ["keepalived is not masked"]
    return found


def _written(_: Context, host: Host) -> list[str]:
    """What of a database on a host of its own could still be written."""
    return list(call(host, "mariadb.unfenced")) if call(host, "mariadb.present") else []


def _running(host: Host, what: str) -> Finding:
    return error(
        f"of the old release: {what}",
        "Stop and mask it; `migrate settle --agents --execute` does so with agents",
        host.name,
    )
