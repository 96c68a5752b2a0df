"""The target's own HAProxy and keepalived, from what the source's say.

Every API of the recipes is bound on the virtual IPs in front of the target's own address. The
virtual IP is private until the takeover, so HAProxy may run before; keepalived may not: its file is
only staged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from migrate.cloud import Context
from migrate.errors import PreconditionError
from migrate.gate.edit import Section, sections
from migrate.host import Host
from migrate.onhost import call
from migrate.plan import Phase, Step
from migrate.services.base import ApiPort, Recipe
from migrate.settings import VirtualIp

CONFIG = "/etc/haproxy/haproxy.cfg"
STAGED_KEEPALIVED = "/var/lib/migrate/keepalived.conf"
RECORD = "proxy"
# directives that mean the same in front of any server; the rest is told, not carried
CARRIED = ("option", "timeout", "mode", "balance", "maxconn", "compression", "capture", "fullconn")
HEADERS = re.compile(r"^http-(request|response) (set|add|del|replace)-header ")
STANDARD = {
    "mode": "mode http",
    "timeout connect": "timeout connect 5s",
    "timeout client": "timeout client 120s",
    "timeout server": "timeout server 120s",
}
OWN = ("bind", "server", "server-template", "default-server", "description", "log")
NOT_CARRIED = ("option tcp-check", "option httpchk", "option mysql-check", "option external-check")
TLS = ("ssl", "crt", "crt-list", "alpn", "ciphers", "ciphersuites", "ssl-min-ver", "no-sslv3")

INSTALL = """
conf=$1 staged=$2
haproxy -c -q -f "$staged"
mv -f "$staged" "$conf"
systemctl enable -q haproxy
systemctl reload-or-restart haproxy
"""


def steps(_: tuple[Recipe, ...]) -> Iterator[Step]:
    """`proxy.config`: after the address is private, or HAProxy would offer the source's."""
    yield Step(
        id="proxy.config",
        title="HAProxy and keepalived of the target",
        phase=Phase.FOLLOW,
        done=configured,
        apply=configure,
        revert=remove,
        needs=("isolation.private-address",),
        estimate=1.0,
    )


def configure(context: Context) -> None:
    """Write, validate and start HAProxy on every target controller; stage keepalived's file."""
    _carry_certificates(context)
    for host in context.target.controllers:
        staged = f"{CONFIG}.migrate"
        host.write(staged, haproxy(context, host), mode=0o644)
        call(host, "record.set_aside", RECORD, CONFIG)
        host.shell(INSTALL, CONFIG, staged)
    first = context.target.first
    first.write(STAGED_KEEPALIVED, keepalived(context), mode=0o600)
    first.run("keepalived", "--config-test", "--use-file", STAGED_KEEPALIVED)


def configured(context: Context) -> bool:
    """Whether both files are what the source's say now, and HAProxy runs with it."""
    for host in context.target.controllers:
        if not host.exists(CONFIG) or host.read(CONFIG) != haproxy(context, host):
            return False
        for question in ("is-active", "is-enabled"):
            if not host.succeeds("systemctl", question, "--quiet", "haproxy"):
                return False
    first = context.target.first
    staged = first.exists(STAGED_KEEPALIVED) and first.read(STAGED_KEEPALIVED)
    return staged == keepalived(context)


def remove(context: Context) -> None:
    """HAProxy as it was before, keepalived's file gone."""
    for host in context.target.controllers:
        call(host, "haproxy.open_again")  # going back has closed it
        host.run("rm", "-f", STAGED_KEEPALIVED, f"{CONFIG}.migrate")
        if call(host, "record.put_back", RECORD):
            host.run("systemctl", "try-reload-or-restart", "haproxy")
        call(host, "record.tidy")


def haproxy(context: Context, host: Host) -> str:
    """The whole configuration for target controller *host*."""
    source = _source_text(context)
    return rendered(source, context.recipes, context.source.virtual_ips, host.name, host.address)


def rendered(
    source: str,
    recipes: tuple[Recipe, ...],
    virtual_ips: tuple[VirtualIp, ...],
    name: str,
    address: str,
) -> str:
    """A listener for every API of *recipes* in front of controller *name* at *address*."""
    found = sections(source)
    lines = ["# Written by migrate from the source's haproxy.cfg", "global"]
    for section in found:
        if section.kind == "global":
            lines += [f"    {' '.join(words)}" for words in section.lines]
    for api in (api for recipe in recipes for api in recipe.apis):
        section = _section_of(api, found)
        tls = _tls(section, api.port)
        lines += ["", f"listen {api.name}"]
        lines += [f"    bind {v.address}:{api.port} transparent{tls}" for v in virtual_ips]
        lines += [f"    {line}" for line in _directives(section)]
        lines.append(f"    server {name} {address}:{api.own}")
    return "\n".join(lines) + "\n"


def _directives(section: Section) -> list[str]:
    """What a listener keeps of the source's *section* and of the defaults that it inherits."""
    base = section.defaults.lines if section.defaults else []
    given = dict(STANDARD)
    for words in (*base, *section.lines):
        line = " ".join(words)
        if _carried(line, words[0]):
            # the later one of a kind holds
            key = words[:2] if words[0] in ("option", "timeout") else words[:1]
            given[line if words[0].startswith("http-") else " ".join(key)] = line
        elif words[0] not in OWN and words in section.lines:
            given[line] = f"# not carried from the source: {line}"
    return list(given.values())


def _carried(line: str, word: str) -> bool:
    return (word in CARRIED and not line.startswith(NOT_CARRIED)) or bool(HEADERS.match(line))


def _section_of(api: ApiPort, found: list[Section]) -> Section:
    """The source's section that listens on the API's port, else an empty one of its defaults."""
    for section in found:
        serves = section.kind in ("listen", "frontend")
        if serves and any(api.port in ports for _, ports in section.binds()):
            return section
    http = [s for s in found if s.kind == "defaults" and s.http]
    return Section("listen", "", 0, defaults=http[0] if http else None)


def _tls(section: Section, port: int) -> str:
    for words in section.lines:
        if words[0] == "bind" and "ssl" in words and words[1].endswith(f":{port}"):
            given, kept = words[2:], []
            for i, word in enumerate(given):
                if word in TLS:
                    kept.append(word)
                    if word not in ("ssl", "no-sslv3"):
                        kept.append(given[i + 1])
            return " " + " ".join(kept)
    return ""


def _carry_certificates(context: Context) -> None:
    """Certificates that the source's listeners name go to the same place on the target."""
    paths = re.findall(r"(?:crt|crt-list|ca-file) (/\S+)", _source_text(context))
    for path in dict.fromkeys(paths):
        source = context.source.first
        listed = source.run("find", path, "-type", "f").split("\n")
        for file in filter(None, listed):
            text = source.read(file)
            for host in context.target.controllers:
                host.run("mkdir", "-p", "-m", "755", str(PurePosixPath(file).parent))
                host.write(file, text, mode=0o600)


def _source_text(context: Context) -> str:
    """The source's configuration as it is when open."""
    state = call(context.source.first, "haproxy.state")
    texts = state["original"].values()
    if not texts:
        raise PreconditionError(f"{context.source.first.name}: no HAProxy runs there")
    return "\n".join(texts)


def keepalived(context: Context) -> str:
    """One instance that owns every virtual IP, by the source's own router number and secret."""
    source = context.source.first
    text = source.shell("cat /etc/keepalived/*.conf /etc/keepalived/*/*.conf 2>/dev/null || true")
    return rendered_keepalived(text, context.source.virtual_ips, context.target.first.name)


def rendered_keepalived(source: str, virtual_ips: tuple[VirtualIp, ...], name: str) -> str:
    """The target's file; *source* may be empty where the address was carried by hand."""
    router = re.search(r"(?m)^\s*virtual_router_id\s+(\d+)", source)
    secret = re.search(r"authentication\s*\{[^}]*\}", source)
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
    if secret:
        lines += [f"    {' '.join(line.split())}" for line in secret[0].splitlines()]
    lines.append("    virtual_ipaddress {")
    lines += [f"        {one.address}/{one.prefix} dev {one.interface}" for one in virtual_ips]
    return "\n".join([*lines, "    }", "}", ""])
