"""Rules 3 and 4: the target speaks to itself when it speaks to the virtual IP, to nobody else.

Every URL of a cloud names that address, also inside its data, and the release's tools follow them.
So the target carries it privately, a filter stops what would leave for the source's daemons, and
each URL is asked who is at its other end before the first tool runs. The filter works both ways:
when the address has moved, what somebody starts on the source would follow it to our database.
"""

import json
from dataclasses import asdict, dataclass
from importlib import resources

from migrate.cloud import Context, hosts, named_servers
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.database import defaults
from migrate.database.service_databases import cell_urls
from migrate.errors import PreconditionError, StepError
from migrate.onhost import call
from migrate.takeover import arp

PORTS = (3306, 4369, 5671, 5672, 11211, 25672)  # databases, brokers, caches
OURS = (3306, 4369, 25672)  # what nobody on the source's controllers has to do with
ADDRESS_UNIT = "migrate-private-address.service"
FILTER_UNIT = "migrate-filter.service"
SYSCTL = "/etc/sysctl.d/90-migrate.conf"
RULES = "/etc/migrate/filter.nft"
KERNEL = "kernel"  # the note of what was changed there
CHANGED = [
    *("net.ipv4.ip_nonlocal_bind", "net.ipv4.conf.all.arp_ignore"),
    "net.ipv4.conf.all.arp_announce",
]
SYSCTL_TEXT = """# the virtual IP is carried privately: nobody outside may notice (migrate)
net.ipv4.ip_nonlocal_bind = 1
net.ipv4.conf.all.arp_ignore = 1
net.ipv4.conf.all.arp_announce = 2
"""

CARRY = """
sysctl -q -p "$1"
systemctl daemon-reload
systemctl enable -q "$2"
systemctl restart "$2"
"""

DROP = """
systemctl disable -q --now "$2" 2>/dev/null || true
rm -f "$1" "/etc/systemd/system/$2"
systemctl daemon-reload
"""


def carry(context: Context) -> None:
    """Make the target silent, give it the address on `lo`, and ask the wire that nobody noticed.

    Only the holder carries it; the others reach it there.
    """

    def act(host: Host) -> None:
        call(host, "undo.note_settings", KERNEL, CHANGED)
        host.write(SYSCTL, SYSCTL_TEXT, mode=0o644)
        host.write(f"/etc/systemd/system/{ADDRESS_UNIT}", _address_unit(context, host), mode=0o644)
        host.shell(CARRY, SYSCTL, ADDRESS_UNIT)

    hosts.gather(context.target.controllers, act)
    if seen := _seen_outside(context):
        drop(context)
        raise StepError(f"the source's network sees the target's private address: {seen}; undone")


def carried(context: Context) -> bool:
    """Whether the address is private on every target controller, now and after a reboot."""
    for host in context.target.controllers:
        if not host.succeeds("systemctl", "is-enabled", "-q", ADDRESS_UNIT):
            return False
        if not host.succeeds("systemctl", "is-active", "-q", ADDRESS_UNIT):
            return False
        values = host.run(
            "sysctl", "-n", "net.ipv4.conf.all.arp_ignore", "net.ipv4.ip_nonlocal_bind"
        )
        if "0" in values.split():
            return False
        for one in context.target.virtual_ips:
            told = json.loads(host.run("ip", "-j", "route", "get", str(one.address)))[0]
            if told["dev"] != "lo" and told.get("gateway") != context.target.holder.address:
                return False
    return True


def drop(context: Context) -> None:
    """Nothing of it left: unit, file, kernel settings as they were."""

    def act(host: Host) -> None:
        host.shell(DROP, SYSCTL, ADDRESS_UNIT)
        call(host, "undo.undo", KERNEL)

    hosts.gather(context.target.controllers, act)


def _seen_outside(context: Context) -> str:
    """Who of the target answers the source's question for the address; "" when nobody does."""
    ours = arp.hardware(context.target.controllers)
    for one in context.source.virtual_ips:
        if seen := ours.intersection(arp.answering(context.source.asker, one, 0.4)):
            return f"{', '.join(seen)} answers for {one.address}"
    return ""


def _address_unit(context: Context, host: Host) -> str:
    lines = []
    for one in context.target.virtual_ips:
        here, holder = f"{one.address}/32", context.target.holder
        if host.address == holder.address:
            lines += [f"ExecStart=/sbin/ip address replace {here} dev lo"]
            lines += [f"ExecStop=-/sbin/ip address del {here} dev lo"]
        else:
            lines += [f"ExecStart=/sbin/ip route replace {here} via {holder.address}"]
            lines += [f"ExecStop=-/sbin/ip route del {here} via {holder.address}"]
    return _unit("The cloud's virtual IP, known to this host only (migrate)", lines)


def _unit(description: str, lines: list[str]) -> str:
    return (
        f"[Unit]\nDescription={description}\nDefaultDependencies=no\n"
        "After=systemd-sysctl.service local-fs.target\nBefore=network-pre.target mariadb.service "
        "rabbitmq-server.service memcached.service haproxy.service\nWants=network-pre.target\n\n"
        "[Service]\nType=oneshot\nRemainAfterExit=yes\n" + "\n".join(lines) + "\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )


def filter_out(context: Context) -> None:
    """A table of our own; what would leave is refused at once, so that no tool hangs."""
    rules = _rules(context)
    unit = _unit(
        "Nothing leaves for the source's database, broker and cache (migrate)",
        [
            f"ExecStart=/usr/sbin/nft -f {RULES}",
            "ExecStop=-/usr/sbin/nft delete table inet migrate",
        ],
    )

    def act(host: Host) -> None:
        host.run("mkdir", "-p", "/etc/migrate")
        host.write(RULES, rules, mode=0o644)
        host.run("nft", "-c", "-f", RULES)
        host.write(f"/etc/systemd/system/{FILTER_UNIT}", unit, mode=0o644)
        host.run("systemctl", "daemon-reload")
        host.run("systemctl", "enable", "-q", FILTER_UNIT)
        host.run("systemctl", "restart", FILTER_UNIT)

    hosts.gather(context.target.controllers, act)


def filtered(context: Context) -> bool:
    """Whether the table is loaded with what it should hold, now and after a reboot."""
    rules = _rules(context)
    for host in context.target.controllers:
        if not host.exists(RULES) or host.read(RULES) != rules:
            return False
        if not host.succeeds("systemctl", "is-enabled", "-q", FILTER_UNIT):
            return False
        if not host.succeeds("nft", "list", "chain", "inet", "migrate", "output"):
            return False
    return True


def unfilter(context: Context) -> None:
    """Nothing of it left."""

    def act(host: Host) -> None:
        host.shell(
            'systemctl disable -q --now "$1" 2>/dev/null || true; rm -f "$2" '
            '"/etc/systemd/system/$1"; rmdir --ignore-fail-on-non-empty /etc/migrate 2>/dev/null '
            "|| true; systemctl daemon-reload; nft delete table inet migrate 2>/dev/null || true",
            FILTER_UNIT,
            RULES,
        )

    hosts.gather(context.target.controllers, act)


def _rules(context: Context) -> str:
    virtual = [str(one.address) for one in context.source.virtual_ips]
    return rendered(source_addresses(context), virtual)


def rendered(sources: list[str], virtual_ips: list[str]) -> str:
    """The nftables file: idempotent, in one transaction."""
    text = resources.files(__package__).joinpath("isolation.nft").read_text()
    words = {
        "@PORTS@": ", ".join(str(port) for port in PORTS),
        "@OURS@": ", ".join(str(port) for port in OURS),
        "@SOURCES4@": ", ".join(one for one in sources if ":" not in one),
        "@VIRTUAL@": ", ".join(virtual_ips),
    }
    for word, value in words.items():
        text = text.replace(word, value)
    six = ", ".join(one for one in sources if ":" in one)
    line = f"        ip6 daddr {{ {six} }} tcp dport {{ {words['@PORTS@']} }} jump refuse\n"
    return text.replace("@SOURCES6@\n", line if six else "")


def source_addresses(context: Context) -> list[str]:
    """Every address of the source's controllers and databases but the virtual ones, which move."""
    virtual = {str(one.address) for one in context.source.virtual_ips}
    found = call_each(context.source.core, "addresses.own")
    return sorted({address for each in found for address in each} - virtual)


@dataclass(frozen=True, slots=True)
class Peer:
    """One URL of the target: where it is named, and who answered at its other end."""

    where: str
    kind: str
    address: str
    port: int
    own: bool
    answer: str


def prove(context: Context) -> None:
    """Refuse unless the target itself is at the other end of every URL that it would follow."""
    found = peers(context)
    if wrong := [one for one in found if not one.own]:
        told = "; ".join(f"{e.where} -> {e.address}:{e.port}: {e.answer} answered" for e in wrong)
        raise PreconditionError(
            f"{len(wrong)} of {len(found)} URLs do not lead to the target itself: {told}"
        )
    if not {"database", "broker"} <= {one.kind for one in found}:
        raise PreconditionError(
            "no database and broker URL was found in the target's files; run `migrate follow` first"
        )


def peers(context: Context) -> list[Peer]:
    """Every database, broker and cache URL in the target's files and in the copied data."""
    copied = [
        named_servers.NamedServer(where, *server)
        for where, url in cell_urls(context.target, context.recipes, context.installation.tools)
        for server in named_servers.in_value("", url)
    ]

    def ask(host: Host) -> list[Peer]:
        told = call(host, "peers.read", _folders(context))
        known = defaults.by_folder(host, context.recipes, context.installation.tools)
        written = named_servers.read(told["texts"], told["given"], known)
        asked = [asdict(one) for one in (*written, *copied)]
        answered = call(host, "peers.prove", asked, told["digest"])
        return [Peer(**{**one, "where": f"{host.name}:{one['where']}"}) for one in answered]

    return hosts.joined(context.target.controllers, ask)


def forget_proof(context: Context) -> None:
    """No proof stands any more."""
    call_each(context.target.controllers, "peers.forget")


def proven(context: Context) -> bool:
    """Whether what was proven is what the files say still."""
    return all(call_each(context.target.controllers, "peers.proven", _folders(context)))


def _folders(context: Context) -> list[str]:
    return [str(recipe.folder) for recipe in context.recipes]
