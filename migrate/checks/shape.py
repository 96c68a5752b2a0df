"""The source is of the shape that is moved: one controller a side, OVS, keepalived, no cluster."""

from collections.abc import Iterable, Iterator
from typing import Any

from migrate.checks import traces
from migrate.checks.scope_facts import USUAL
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.engine.finding import Finding, error, on_each
from migrate.onhost import call
from migrate.takeover.gate.close import own_addresses

MANAGERS = ("pacemaker", "corosync", "pacemakerd", "heartbeat", "ucarp")
NOBODYS = "no host of the stack file"
CLUSTERS = {4567: "Galera", 25672: "RabbitMQ"}  # where members of one speak to each other


def run(context: Context) -> list[Finding]:
    """What of the two clouds no code here moves, whatever the services say."""
    own = frozenset(own_addresses(context)) | {str(v.address) for v in context.source.virtual_ips}
    told = call_each(context.source.databases, "addresses.own")
    databases = frozenset(address for each in told for address in each)

    def ask(host: Host) -> Iterator[Finding]:
        return _host(host, own, databases)

    return [*sides(context), *on_each(context.source.controllers, ask)]


def sides(context: Context) -> Iterator[Finding]:
    """More than one controller on a side."""
    for name, cloud in (("source", context.source), ("target", context.target)):
        if (count := len(cloud.controllers)) > 1:
            yield error(
                f"the {name} has {count} controllers: Galera and RabbitMQ clusters are "
                "neither fenced nor formed as one, so only one controller a side is moved",
                f"List one in sidestep:{name}.controllers, with all services on it",
            )


def _host(host: Host, own: frozenset[str], databases: frozenset[str]) -> Iterator[Finding]:
    connected = call(host, "sockets.connected", [*CLUSTERS, *USUAL])
    yield from running(call(host, "sockets.running"))
    yield from members(connected, frozenset(call(host, "addresses.own")))
    yield from elsewhere(connected, own, databases)


def running(units: Iterable[str]) -> Iterator[Finding]:
    """Units that show another shape."""
    names = sorted({traces.base(unit) for unit in units})
    if managers := [name for name in names if name in MANAGERS]:
        yield error(
            f"{', '.join(managers)} manages addresses and services there; only "
            "keepalived is handled",
            "Hand the virtual IP to keepalived and the services to systemd first",
        )
    if ovn := [name for name in names if name.startswith("ovn-")]:
        yield error(
            f"{', '.join(ovn)} runs there: networks of OVN are not moved",
            "Only Open vSwitch with neutron's own agents is",
        )
    if "nova-compute" in names:
        yield error(
            "nova-compute runs on this controller: an all-in-one host is not moved, the fence "
            "would stop what its servers need",
            "Move its servers to a compute host, then disable nova-compute there",
        )


def members(connected: Iterable[dict[str, Any]], own: frozenset[str]) -> Iterator[Finding]:
    """Other members of a database's or a broker's cluster, by their connections."""
    found: dict[str, set[str]] = {}
    for row in connected:
        address = str(row["remote"][0])
        port = next((p for p in (row["local"][1], row["remote"][1]) if p in CLUSTERS), None)
        if isinstance(port, int) and address not in own and not address.startswith("127."):
            found.setdefault(CLUSTERS[port], set()).add(address)
    for kind, addresses in sorted(found.items()):
        yield error(
            f"its {kind} is in a cluster with {', '.join(sorted(addresses))}",
            "Shrink the cluster to this host: its other members are neither fenced nor moved",
        )


def elsewhere(
    connected: Iterable[dict[str, Any]],
    own: frozenset[str],
    databases: frozenset[str] = frozenset(),
) -> Iterator[Finding]:
    """Services whose database, broker or cache is on a host that is none of the cloud's.

    At *databases* there may be a database, and nothing else.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for row in connected:
        address, port = row["remote"]
        allowed = own if USUAL.get(port) == "database" else own - databases
        foreign = address not in allowed and not address.startswith("127.") and address != "::1"
        if foreign and port in USUAL and traces.is_known(row["unit"]):
            found.setdefault((USUAL[port], address), set()).add(traces.base(row["unit"]))
    for (kind, address), units in sorted(found.items()):
        at = "where the stack file has a database" if address in databases else NOBODYS
        remedy = f"Only a {kind} on the controller is fenced and moved: bring it there first"
        if kind == "database":
            remedy = "Name that host in sidestep:source.databases, or bring it to the controller"
        yield error(f"{', '.join(sorted(units))} use a {kind} at {address}, {at}", remedy)
