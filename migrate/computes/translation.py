"""Options of a compute host that name an old controller, and what is said in their place.

The host's own files stay. What is certain is said again in the file of ours that the release's
programs read last: the virtual IP, where it serves on that port and answers from there. All else
is refused, with what to write.
"""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from migrate.cloud import Context, addresses, named_servers, urls
from migrate.cloud.host import Host
from migrate.cloud.ini import Ini, Line
from migrate.computes import old_names, own_files
from migrate.engine import finding
from migrate.engine.finding import Finding, error, info, warning
from migrate.onhost import call

BROKER, CACHE, API, METADATA = "broker", "cache", "API", "metadata"
# what is understood whole, and has one value: of one with many, ours would only be one more
OPTIONS = {"transport_url": BROKER, "memcache_servers": CACHE, "memcached_servers": CACHE}
OPTIONS |= dict.fromkeys(
    ("auth_url", "api_servers", "endpoint_override", "www_authenticate_uri", "auth_uri"), API
)
OPTIONS["nova_metadata_host"] = METADATA  # its port and protocol are options of their own
METADATA_PORT = "8775"  # nova's own, where nothing is said
DISPENSABLE = {"cache", "database"}  # kinds of servers that no unit of a host stands still without
BEFORE, AFTER = "@/,= \t", ":/,;? \t"  # what stands around a server in a value


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An option that names old controllers, `names`, and the value in its place; may be a secret.

    `why` says why there is none.
    """

    units: tuple[str, ...]
    path: str
    line: Line = field(repr=False)
    names: tuple[str, ...]
    instead: str  # the virtual IP, "" where it is not known which
    value: str = field(default="", repr=False)
    ports: tuple[int, ...] = ()
    why: str = ""

    @property
    def told(self) -> str:
        """What is found, by file and line."""
        return (
            f"{self.path}:{self.line.number} {self.line.name} names {', '.join(self.names)}, "
            "an old controller's own: nothing answers there later"
        )

    @property
    def setting(self) -> str:
        """As it is written in a file; a value of several lines goes on indented."""
        return f"{self.line.written} = {self.value}".replace("\n", "\n    ")


def of(context: Context, host: Host, old: addresses.Mapping, texts: own_files.Texts) -> list[Named]:
    """What the files of units of *host* name of *old*, which is as seen from there."""
    instead = _instead(context, texts)
    found: dict[tuple[str, int], Named] = {}
    for unit, files in texts.items():
        for one in _of_unit(context, old, instead, unit, files):
            same = found.get(key := (one.path, one.line.number), one)
            units = dict.fromkeys((*same.units, unit))
            found[key] = replace(one, units=tuple(units), why=one.why or same.why)
    return _proven(host, [found[key] for key in sorted(found)])


def findings(named: Collection[Named], old: addresses.Mapping) -> Iterator[Finding]:
    """Before a host is renewed: what it is told instead, and what must be mended first."""
    for one in named:
        if not one.why:
            yield info(one.told, f"Nothing to do: once renewed it is told {one.instead} there")
            continue
        there = {old.addresses.get(name) or old.names.get(name) for name in one.names}
        also = "".join(f", or {address}" for address in sorted(filter(None, there)))
        yield error(f"{one.told}, and it is not translated: {one.why}", _by_hand(one, also))


def findings_before(named: Collection[Named]) -> Iterator[Finding]:
    """Before the cutover, which cuts such a host off: the source's files are the operator's."""
    for one in named:
        servers = {kind for kind, _, _ in named_servers.in_value(one.line.name, one.line.value)}
        if servers and servers <= DISPENSABLE:
            remedy = "Name another there before `migrate settle`, which asks for it"
            if OPTIONS.get(one.line.written) == CACHE and one.instead:
                remedy = (
                    f"`migrate settle` has the renewed host told {one.instead} there, where that "
                    "answers from it, and asks for another where not"
                )
            yield warning(one.told, remedy)
        elif one.why:
            yield error(f"{one.told} ({one.why})", _by_hand(one))
        else:
            edit = _edit(one)
            yield error(one.told, f"Run there: {edit}" if edit else _by_hand(one))


def settings(context: Context, host: Host, running: Mapping[str, Any]) -> dict[str, list[Named]]:
    """What each unit of *running* is to be told in place of what *host*'s own files say.

    PreconditionError where one of them names an old controller and is not translated.
    """
    texts, _ = own_files.read(context, host, running)
    old, _ = old_names.known(context)
    old = old_names.as_seen(context, host, old, own_files.together(texts))
    named = of(context, host, old, texts)
    finding.refuse(finding.filled(findings(named, old), where=host.name))
    return {name: [one for one in named if name in one.units] for name in running}


def _of_unit(
    context: Context, old: addresses.Mapping, instead: str, unit: str, texts: Mapping[str, str]
) -> Iterator[Named]:
    lines = [(path, line) for path in sorted(texts) for line in Ini.parse(texts[path]).options()]
    there = addresses.Mapping(
        dict.fromkeys((*old.addresses, *old.lost), instead), dict.fromkeys(old.names, instead)
    )
    for path, line in lines:
        if not (names := old.named(line.value)):
            continue
        servers = _servers(line, [each for _, each in lines])
        ports = tuple(sorted({port for address, port in servers if address in names}))
        others = {
            one.value
            for _, one in lines
            if (one.section, one.written) == (line.section, line.written)
        } - {line.value}
        one = Named(
            units=(unit,), path=path, line=line, names=tuple(names), instead=instead, ports=ports
        )
        if not instead:
            why = "which virtual IP serves this host is not known"
        elif line.written not in OPTIONS:
            kinds = {kind for kind, _, _ in named_servers.in_value(line.name, line.value)}
            why = "what this option means is not known"
            if "database" in kinds:
                why = "a compute host of the release asks no database"
        elif others:
            why = "it is set more than once"
        elif "https://" in line.value or _encrypted(line, [each for _, each in lines]):
            why = "a certificate names one host and not another"
        elif set(names) - dict(servers).keys() or not all(port for _, port in servers):
            why = "its value is not understood"
        elif wrong := [str(one) for one in ports if one not in _served(context, line)]:
            why = f"the virtual IP serves nothing of that kind on port {', '.join(wrong)}"
        else:
            yield replace(one, value=there.replaced(line.value))
            continue
        yield replace(one, why=why)


def _servers(line: Line, lines: Collection[Line]) -> list[tuple[str, int]]:
    kind = OPTIONS.get(line.written)
    if kind == METADATA:
        port = _said(lines, "nova_metadata_port") or METADATA_PORT
        return [(line.value.strip(), int(port) if port.isdigit() else 0)]
    if kind == API:
        listed = [one for one in re.split(r"[,\s]+", line.value) if "://" in one]
        return [urls.web(one)[:2] for one in listed]
    found = named_servers.in_value(line.name, line.value)
    return [(address, port) for one, address, port in found if one == kind]


def _encrypted(line: Line, lines: Collection[Line]) -> bool:
    https = _said(lines, "nova_metadata_protocol") == "https"
    return https and OPTIONS.get(line.written) == METADATA


def _said(lines: Collection[Line], option: str) -> str:
    """What the last of *lines* says of *option*."""
    return next((one.value.strip() for one in [*lines][::-1] if one.written == option), "")


def _served(context: Context, line: Line) -> set[int]:
    """Ports of the virtual IP at which the target serves what *line* is about."""
    if (kind := OPTIONS[line.written]) in (API, METADATA):
        return {api.port for recipe in context.recipes for api in recipe.apis}
    return {urls.BROKER if kind == BROKER else urls.CACHE}


def _instead(context: Context, texts: own_files.Texts) -> str:
    """The virtual IP; of several the one that this host's files name, "" where that is not one."""
    known = [str(one.address) for one in context.source.virtual_ips]
    if len(known) > 1:
        every = addresses.Mapping(dict.fromkeys(known, ""))
        values = (
            line.value
            for text in own_files.together(texts).values()
            for line in Ini.parse(text).options()
        )
        known = sorted({one for value in values for one in every.named(value)})
    return known[0] if len(known) == 1 else ""


def _proven(host: Host, named: list[Named]) -> list[Named]:
    """*named*, where what stands instead answers *host* in clear, as it was named."""
    certain = [one for one in named if not one.why]
    # a cache is silent to what it does not understand
    greeted = [one for one in certain if OPTIONS[one.line.written] != CACHE]
    answers = _asked(host, "reach.ports", certain)
    encrypted = _asked(host, "knock.tls", greeted)

    def wrong(one: Named) -> str:
        for port in one.ports:
            if (told := answers[one.instead, port]) != "open":
                return f"{one.instead} does not answer on port {port} from there: {told}"
            if encrypted.get((one.instead, port)):
                return f"{one.instead} speaks TLS on port {port}"
        return ""

    return [one if one.why else replace(one, why=wrong(one)) for one in named]


def _asked(host: Host, function: str, named: Collection[Named]) -> dict[tuple[str, int], Any]:
    """What *function* says, asked on *host*, of each place that stands instead of *named*."""
    places = sorted({(one.instead, port) for one in named for port in one.ports})
    return dict(zip(places, call(host, function, places) if places else [], strict=True))


def _by_hand(one: Named, also: str = "") -> str:
    instead = f"{one.instead}, the virtual IP," if one.instead else "the virtual IP"
    return f"Name {instead} there{also}, and restart {', '.join(one.units)}"


def _edit(one: Named) -> str:
    """What changes that option and nothing else, "" where no simple command does; no secret."""
    around = "|".join(map(re.escape, one.names))
    number, commands = one.line.number, list[str]()
    fresh = one.line.text
    for at, text in enumerate(one.line.text.splitlines()):
        found = re.findall(rf"([{BEFORE}])({around})(?=([{AFTER}]|$))", text)
        for before, name, after in dict.fromkeys(found):
            fresh = fresh.replace(f"{before}{name}{after}", f"{before}{one.instead}{after}")
            pattern = name.replace(".", r"\.")
            commands.append(
                f"{number + at}s#{before}{pattern}{after or '$'}#{before}{one.instead}{after}#g"
            )
    (line,) = Ini.parse(f"[x]\n{fresh}").options()
    if line.value != one.value:
        return ""
    edits = " ".join(f"-e {shlex.quote(command)}" for command in commands)
    return (
        f"sed -i --follow-symlinks {edits} {shlex.quote(one.path)} "
        f"&& systemctl restart {' '.join(one.units)}"
    )
