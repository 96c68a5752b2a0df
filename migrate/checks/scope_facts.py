"""What the source's hosts, database, broker and catalogue say of who uses them."""

import base64
import ipaddress
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from migrate.checks import agents, traces
from migrate.checks.sql import SYSTEM, session
from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.database import progress
from migrate.database.holders import each_server
from migrate.database.service_databases import service_databases
from migrate.engine.markers import SCHEMA
from migrate.onhost import call
from migrate.takeover.fence import control
from migrate.takeover.gate.close import own_addresses

USUAL = {3306: "database", 5671: "broker", 5672: "broker", 11211: "cache"}
# what listens on a controller as one of the three; a broker's other ports are its own affair
PROGRAMS = {"mariadbd": "database", "mysqld": "database", "memcached": "cache"}
SERVERS = ("mariadb", "mysql", "mysqld", "rabbitmq-server", "memcached", "epmd")

# one start of Erlang, which costs three seconds of CPU, instead of one a question: consumers by
# channel, channels by connection, connections by who is at their other end
CONSUMERS = """
Get = fun proplists:get_value/2,
Address = fun(Told) when is_tuple(Told) -> list_to_binary(inet:ntoa(Told)); (_) -> <<>> end,
Peers = maps:from_list([{Get(pid, C), [Address(Get(peer_host, C)), Get(peer_port, C)]} ||
  C <- rabbit_networking:connection_info_all([pid, peer_host, peer_port])]),
Channels = maps:from_list([{Get(pid, C), maps:get(Get(connection, C), Peers, [])} ||
  C <- rabbit_channel:info_all([pid, connection])]),
base64:encode(rabbit_json:encode([[Name, VHost | Peer] ||
  VHost <- rabbit_vhost:list_names(),
  Consumer <- rabbit_amqqueue:consumers_all(VHost),
  {resource, _, queue, Name} <- [Get(queue_name, Consumer)],
  Peer <- [maps:get(Get(channel_pid, Consumer), Channels, [])],
  Peer =/= []])).
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A host's sockets and units, as `onhost/sockets.py` tells them; computes do not `listen`."""

    name: str
    listening: list[dict[str, Any]] = field(default_factory=list)
    connected: list[dict[str, Any]] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    scheduled: list[str] = field(default_factory=list)  # timers and cron jobs of what is moved


@dataclass(frozen=True, slots=True)
class Consumer:
    """Who takes messages out of a queue, and from where he is connected."""

    queue: str
    vhost: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL of the catalogue; `kind` is its service's type, `name` its service's name."""

    kind: str
    name: str
    interface: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is judged; `own` are the addresses of the cloud's hosts."""

    virtual_ips: tuple[str, ...]
    own: frozenset[str]
    controllers: list[Machine]
    computes: list[Machine] = field(default_factory=list)
    daemons: dict[int, str] = field(default_factory=lambda: dict(USUAL))
    databases: dict[str, int] = field(default_factory=dict)  # tables by name, of those unknown
    sessions: list[tuple[str, int, str]] = field(default_factory=list)  # address, port, database
    consumers: list[Consumer] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)
    heard: list[tuple[str, str]] = field(default_factory=list)  # binary, host: by their APIs
    servers: tuple[str, ...] = SERVERS

    @property
    def hosts(self) -> list[Machine]:
        return [*self.controllers, *self.computes]

    def is_own(self, address: str) -> bool:
        """Whether *address* is one of the cloud's own hosts."""
        return address in self.own or address.startswith("127.") or address == "::1"

    def holder(self, address: str, port: int) -> str:
        """The thing that is connected from there; "" for a recipe's unit, or nobody any more."""
        if not self.is_own(address):
            return address
        for host in self.hosts:
            for row in host.connected:
                if row["local"] == [address, port] and not traces.is_known(row["unit"]):
                    return traces.of_unit(row["unit"], row["program"])
        return ""

    def user_of_database(self, name: str) -> str:
        """The thing that works in database *name* just now."""
        found = [self.holder(host, port) for host, port, used in self.sessions if used == name]
        return Counter(one for one in found if one).most_common(1)[0][0] if any(found) else ""


def parsed_consumers(printed: str) -> list[Consumer]:
    """What CONSUMERS answered: `<<"W1sic2No..."\\n  "Zy5jdGw...">>`, JSON in base64, in lines."""
    told = json.loads(base64.b64decode("".join(re.findall('"([^"]*)"', printed))))
    return [Consumer(queue, vhost, _ipv4(address), port) for queue, vhost, address, port in told]


def _ipv4(address: str) -> str:
    """An address as sockets tell it: a socket for both families tells IPv4 as `::ffff:10.0.0.1`."""
    mapped = ipaddress.ip_address(address) if address else None
    mapped = getattr(mapped, "ipv4_mapped", None)
    return str(mapped or address)


def gather(context: Context) -> Facts:
    """Ask all hosts, the database, the broker and the catalogue."""
    source = context.source
    listening = call_each(source.core, "sockets.listening")
    daemons = dict(USUAL)
    for row in (row for rows in listening for row in rows if row["program"] in PROGRAMS):
        daemons[row["port"]] = PROGRAMS[row["program"]]
    databases, sessions = _databases(context)
    consumers = parsed_consumers(source.broker.run("rabbitmqctl", "eval", CONSUMERS, timeout=180))
    machines = hosts.gather(source.hosts, lambda host: _machine(host, sorted(daemons)))
    jobs = call_each(source.controllers, "fence.scheduled", control(context.recipes))
    for machine, rows, names in zip(machines, listening, jobs, strict=False):  # controllers first
        machine.listening.extend(rows)
        machine.scheduled.extend(names)
    return Facts(
        virtual_ips=tuple(str(one.address) for one in source.virtual_ips),
        own=frozenset(own_addresses(context)) | {str(one.address) for one in source.virtual_ips},
        controllers=machines[: len(source.controllers)],
        computes=machines[len(source.controllers) :],
        daemons=daemons,
        databases=databases,
        sessions=sessions,
        consumers=consumers,
        endpoints=endpoints(context),
        heard=agents.heard(context),
    )


def _machine(host: Host, ports: list[int]) -> Machine:
    connected = call(host, "sockets.connected", ports)
    return Machine(host.name, connected=connected, running=call(host, "sockets.running"))


def _databases(context: Context) -> tuple[dict[str, int], list[tuple[str, int, str]]]:
    found = service_databases(context.source, context.recipes)
    known = {one.name for one in found} | {*SYSTEM, progress.SCHEMA, SCHEMA}
    rows, live = [], []
    for host, _ in each_server(context.source, found):
        with session(host) as database:
            rows += database.rows(
                "SELECT s.schema_name, count(t.table_name) AS tables "
                "FROM information_schema.schemata s LEFT JOIN information_schema.tables t "
                "ON t.table_schema = s.schema_name GROUP BY s.schema_name"
            )
            live += database.rows(
                "SELECT host, db FROM information_schema.processlist WHERE db IS NOT NULL"
            )
    unknown = {r["schema_name"]: int(r["tables"]) for r in rows if r["schema_name"] not in known}
    ends = [(str(row["host"]).rpartition(":"), str(row["db"])) for row in live]
    return unknown, [(a, int(port), db) for (a, _, port), db in ends if port.isdigit()]


def endpoints(context: Context) -> list[Endpoint]:
    """What the catalogue tells; [] where the administrator cannot log in, which others say."""
    api = agents.administrator(context)
    if api is None:
        return []
    listed = api.pages("identity", "/services", "services")
    services = {one["id"]: one for one in listed if one["enabled"]}
    return [
        Endpoint(service["type"], service.get("name", ""), one["interface"], one["url"])
        for one in api.pages("identity", "/endpoints", "endpoints")
        if one["enabled"] and (service := services.get(one["service_id"]))
    ]
