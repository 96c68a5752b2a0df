"""The target's own HAProxy and keepalived, from what the source's say.

Every API of the recipes is bound on the virtual IPs in front of the target's own address. The
virtual IP is private until the takeover, so HAProxy may run before; keepalived may not: its file is
only staged.
"""

import re

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.cloud.settings import VirtualIp
from migrate.errors import PreconditionError
from migrate.onhost import call
from migrate.takeover import certificates, listeners

CONFIG = "/etc/haproxy/haproxy.cfg"
STAGED_KEEPALIVED = "/var/lib/migrate/keepalived.conf"
RECORD = "proxy"
INSTALL = """
conf=$1 staged=$2
haproxy -c -q -f "$staged"
mv -f "$staged" "$conf"
systemctl enable -q haproxy
systemctl reload-or-restart haproxy
"""


def configure(context: Context) -> None:
    """Write, validate and start HAProxy on every target controller; stage keepalived's file."""
    certificates.carry(context, source_texts(context))
    staged = f"{CONFIG}.migrate"

    def act(host: Host) -> None:
        host.write(staged, haproxy(context, host), mode=0o644)
        call(host, "undo.note_file", RECORD, CONFIG)
        host.shell(INSTALL, CONFIG, staged)

    hosts.gather(context.target.controllers, act)
    holder = context.target.holder
    holder.write(STAGED_KEEPALIVED, keepalived(context), mode=0o600)
    holder.run("keepalived", "--config-test", "--use-file", STAGED_KEEPALIVED)


def configured(context: Context) -> bool:
    """Whether both files are what the source's say now, and HAProxy runs with it."""
    for host in context.target.controllers:
        if not host.exists(CONFIG) or host.read(CONFIG) != haproxy(context, host):
            return False
        for question in ("is-active", "is-enabled"):
            if not host.succeeds("systemctl", question, "--quiet", "haproxy"):
                return False
    if not certificates.carried(context, source_texts(context)):
        return False
    holder = context.target.holder
    staged = holder.exists(STAGED_KEEPALIVED) and holder.read(STAGED_KEEPALIVED)
    return staged == keepalived(context)


def remove(context: Context) -> None:
    """HAProxy as it was before, keepalived's file gone."""
    hosts.gather(context.target.controllers, _remove)


def _remove(host: Host) -> None:
    call(host, "haproxy.open_again")  # going back has closed it
    host.run("rm", "-f", STAGED_KEEPALIVED, f"{CONFIG}.migrate")
    if call(host, "undo.undo", RECORD):
        host.run("systemctl", "try-reload-or-restart", "haproxy")
    call(host, "certificates.give_back")
    call(host, "record.tidy")


def haproxy(context: Context, host: Host) -> str:
    """The whole configuration for target controller *host*."""
    texts, addresses = source_texts(context), context.source.virtual_ips
    return listeners.rendered(texts, context.recipes, addresses, host.name, host.address)


def source_texts(context: Context) -> list[str]:
    """The source's configuration as it is when open, a text each file."""
    found = call(context.source.holder, "haproxy.state")["original"].values()
    if not found:
        raise PreconditionError(f"{context.source.holder.name}: no HAProxy runs there")
    # bytes that are no UTF-8 are told where they would be carried, see `listeners.losses`
    return [one.encode(errors="surrogateescape").decode(errors="replace") for one in found]


def keepalived(context: Context) -> str:
    """One instance that owns every virtual IP, by the source's own router number and secret."""
    source = context.source.holder
    text = source.shell("cat /etc/keepalived/*.conf /etc/keepalived/*/*.conf 2>/dev/null || true")
    return rendered_keepalived(text, context.source.virtual_ips, context.target.holder.name)


def rendered_keepalived(source: str, virtual_ips: tuple[VirtualIp, ...], name: str) -> str:
    """The target's file; *source* may be empty where the address was carried by hand."""
    router = re.search(r"(?m)^\s*virtual_router_id\s+(\d+)", source)
    lines = [
        "# Written by migrate. Priority 255 is the owner's: taken at once, given to nobody.",
        "global_defs {",
        f"    router_id {name}",
        "}",
        "vrrp_instance migrate {",
        "    state MASTER",
        f"    interface {virtual_ips[0].interface}",
        f"    virtual_router_id {router[1] if router else 51}",
        "    priority 255",
        "    advert_int 1",
    ]
    if secret := _authentication(source):
        lines += ["    authentication {", *(f"        {line}" for line in secret), "    }"]
    lines.append("    virtual_ipaddress {")
    lines += [f"        {one.address}/{one.prefix} dev {one.interface}" for one in virtual_ips]
    return "\n".join([*lines, "    }", "}", ""])


def _authentication(source: str) -> list[str]:
    """The lines within the first `authentication` block, as they stand: keepalived reads by lines,
    so a brace within a comment or a password opens and closes nothing; one that is the last word
    of a line closes.
    """
    found: list[str] | None = None
    for raw in source.splitlines():
        line = raw.strip()
        if found is None:
            opened = re.match(r"authentication(?:\s*{|\s|$)(.*)", line)
            if not opened:
                continue
            found, line = [], opened[1].strip()
        code = re.split(r"\s[#!]", f" {line}")[0].split()
        closed = code[-1:] == ["}"]
        inner = " ".join(code[:-1]) if closed else line
        if inner not in ("", "{"):
            found.append(inner)
        if closed:
            return found
    if found is not None:
        raise PreconditionError(
            "keepalived.conf: its authentication block does not end with a line of its own, }; "
            "write it so"
        )
    return []
