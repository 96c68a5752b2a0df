"""The text of the front, from the source's own HAProxy: never tighter than that, and nothing less.

Every place where users are heard has a port of the front's own. `acts_<port>` and, for calls that
the source can answer while it does nothing else, `reads_<port>` lead to the operator's proxy there,
`new_<port>` to the target's for an API that it serves, each by TLS where users speak TLS. What the
operator's proxy decides by who calls is forbidden: it would see the front alone.
"""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from migrate.onhost.front import FOLDER, MODES, SOCKET, SOURCE, STRANGER
from migrate.onhost.knock import ASKS
from migrate.onhost.sockets import everywhere
from migrate.takeover import listeners
from migrate.takeover.gate.haproxy import HTML, Section, UserSocket, callers, unavailable

Spec = dict[str, Any]  # see `onhost/front.py`

FIRST_PORT = 19001
BEAT_PORT = 19000
MOST_CALLS = 8000
# by whom: the front itself would be all of them
BY_CALLER = re.compile(
    r"\bsrc(_\w+)?\b|\bsc\d?_\w|track-sc\d|stick-table|\bstick (on|match|store)|balance source"
    r"|(accept|expect|send)-proxy"
)
# parameters of a bind that ask users for a certificate
OF_USERS = ("ca-file", "verify", "crt-list", "ca-verify-file")
TIMEOUTS = {"client": 60, "server": 60, "tunnel": 3600, "http-request": 0, "http-keep-alive": 10}
GLOBAL = re.compile(
    r"(user|group|crt-base|ca-base|ssl-default-bind-\S+|ssl-dh-param-file|tune\.\S+)\s"
)
SHUT = "{ var(txn.shut) -m bool }"
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}


def obstacles(
    found: list[Section], shut: Sequence[UserSocket], interfaces: dict[str, str]
) -> list[str]:
    """Why no front can stand before what *found* serves at *shut*; [] where one can.

    *interfaces* are those of the virtual IPs.
    """
    wrong = []
    for section in found:
        if section.kind not in ("global", "peers", "traces"):
            said = f"{section.kind} {section.name}".strip()
            wrong += [
                f"{said} decides by who calls: {t}" for t in section.texts if BY_CALLER.search(t)
            ]
    for one in shut:
        if ":" in one.address:
            wrong.append(f"users are heard at {one}, an address of IPv6")
        elif (served := _served(found, one, interfaces)) is None:
            wrong.append(f"which section serves {one} cannot be told")
        elif asked := sorted(set(OF_USERS) & set(shlex.split(served[1]))):
            wrong.append(f"users are asked for certificates at {one}: {', '.join(asked)}")
        elif not served[0].http and "ssl" in shlex.split(served[1]):
            wrong.append(f"TLS that is no HTTP ends at {one}")
    for port, those in _by_port(shut).items():
        ways = {
            served and served[1] for one in those for served in [_served(found, one, interfaces)]
        }
        wrong += [f"port {port} is served in {len(ways)} ways"] if len(ways) > 1 else []
    return wrong


def rendered(
    found: list[Section],
    shut: Sequence[UserSocket],
    interfaces: dict[str, str],
    here: Iterable[str],
    own: list[str],
    target: str,
    served: Collection[int],
    reads: Mapping[int, Collection[str]],
    seconds: float,
) -> Spec:
    """The spec of the front of a host with the addresses *here*; *own* are all of the cloud's.

    *target* is the address of the target's proxy, which serves the APIs of the ports *served*. The
    source answers what reads at the ports of *reads* while it does nothing else, but for paths that
    have one of those parts. A call is held for *seconds*.
    """
    own_v4 = [one for one in here if ":" not in one and not ip_address(one).is_loopback]
    ports = _by_port(shut)
    numbers = {port: FIRST_PORT + index for index, port in enumerate(ports)}
    heard = sorted(
        {
            (at, one.port)
            for one in shut
            for at in (own_v4 if everywhere(one.address) else [one.address])
        }
    )
    lines = [*_head(found, seconds), *_beat()]
    for port, those in ports.items():
        section, params = _served(found, those[0], interfaces) or (Section("listen", ""), "")
        at = next(address for address, other in heard if other == port)
        new = target if port in served else ""
        lines += _fronted(port, numbers[port], at, new, section, params, own, own_v4, reads)
    return {
        "config": "\n".join(lines) + "\n",
        "heard": [[*one] for one in heard],
        "ports": {str(port): number for port, number in numbers.items()},
        "beat": BEAT_PORT,
    }


def _by_port(shut: Iterable[UserSocket]) -> dict[int, list[UserSocket]]:
    found: dict[int, list[UserSocket]] = {}
    for one in sorted(shut, key=lambda one: (one.port, one.address)):
        found.setdefault(one.port, []).append(one)
    return found


def _served(
    found: list[Section], one: UserSocket, interfaces: dict[str, str]
) -> tuple[Section, str] | None:
    return listeners.bound(found, one.address, interfaces.get(one.address, ""), one.port)


def _head(found: list[Section], seconds: float) -> Iterator[str]:
    yield from ("# Written by migrate from this host's haproxy.cfg", "global")
    yield from (
        f"    {text}" for s in found if s.kind == "global" for text in s.texts if GLOBAL.match(text)
    )
    calls = max([MOST_CALLS, *_numbers(found, "maxconn")])
    yield f"    maxconn {min(calls, 40000)}"
    yield f"    lua-load {FOLDER}/hold.lua"
    yield f"    set-var proc.hold int({seconds * 1000:.0f})"
    yield "    set-var proc.mode int(0)"
    yield f"    stats socket {SOCKET} mode 600 level admin"
    yield from ("    hard-stop-after 60s", "defaults", "    mode http", "    timeout connect 5s")
    for name, least in TIMEOUTS.items():
        longest = max([least, *_seconds(found, name)])
        longest += seconds if name in ("client", "server") else 0
        yield from [f"    timeout {name} {longest * 1000:.0f}ms"] if longest else []
    # a connection that the operator's proxy has ended meanwhile is never used again
    yield "    option http-server-close"
    # a call whose client has gone while it was held is never made
    yield "    option abortonclose"


def _beat() -> Iterator[str]:
    """Its own heart, which the packet filter hears."""
    yield from ("frontend beat", f"    bind 127.0.0.1:{BEAT_PORT}")
    yield "    http-request return status 204"
    yield from ("backend beat", f"    source {SOURCE}")
    yield f"    server s 127.0.0.1:{BEAT_PORT} check inter 500ms"


def _fronted(
    port: int,
    number: int,
    at: str,
    new: str,
    section: Section,
    params: str,
    own: list[str],
    here: list[str],
    reads: Mapping[int, Collection[str]],
) -> Iterator[str]:
    mode = [] if section.http else ["    mode tcp"]
    tls = " ssl verify none sni ssl_fc_sni" if "ssl" in shlex.split(params) else ""
    yield f"frontend {port}"
    yield f'    bind "*":{number} transparent backlog 4096{params}'
    yield from mode
    yield from (f"    {line}" for line in callers("own", own))
    yield f"    acl stranger src {STRANGER}"
    yield from (f"    acl {name} var(proc.mode) -m int {MODES.index(name)}" for name in MODES[1:])
    yield f"    acl here src {' '.join(['127.0.0.0/8', *here][:60])}"
    if section.http:
        yield from _closed(reads.get(port), served=bool(new))
        yield from ["    option forwardfor"] if _forwards(section) else []
    else:
        shut = "all or writes or users !own or users stranger"
        yield f"    tcp-request connection reject if {shut if new else f'{shut} or target'}"
    yield from [f"    use_backend new_{port} if target"] if new else []
    yield from [f"    use_backend reads_{port} if answered"] if section.http else []
    yield f"    default_backend acts_{port}"
    for kind in ("reads", "acts") if section.http else ("acts",):
        yield from (f"backend {kind}_{port}", *mode, f"    source {SOURCE}")
        yield f"    server s {at}:{port}{tls}"
    if new:
        yield from (f"backend new_{port}", *mode)
        yield f"    server s {new}:{listeners.fronted(port)}{tls}"


def _closed(act: Collection[str] | None, *, served: bool) -> Iterator[str]:
    """Held, then refused; a call of ours that asks whether it is closed is answered at once.

    So are this host's own services: they would start late, where the window is undone.
    What the target does not serve is refused for good once it leads there.
    """
    # reads begin nothing, and a token is good on both sides
    yield "    acl reads method GET HEAD OPTIONS"
    yield "    acl tokens path_end /auth/tokens"
    yield "    acl answered var(txn.answered) -m bool"
    if act is not None:
        yield from (f"    acl act path_sub {one}" for one in act)
        every = [f"{kind} !act" if act else kind for kind in ("reads", "tokens")]
        # who serves here asks for another's sake, and would fail
        for one in (*every, "reads here", "tokens here"):
            yield f"    http-request set-var(txn.answered) bool(true) if {one}"
    shut = "users !own !reads !tokens or users stranger !reads !tokens or writes !answered or all"
    # a kept connection would break when the address moves
    closing = " or ".join(MODES[1:])
    yield f"    http-after-response set-header Connection close if {closing}"
    yield f"    http-request set-var(txn.shut) bool(true) if {shut}"
    yield f"    http-request lua.hold if {SHUT} !here !{{ req.hdr({ASKS}) -m found }}"
    yield from [] if served else ["    http-request set-var(txn.shut) bool(true) if target"]
    yield from (f"    {line}" for line in unavailable(f" if {SHUT} {HTML}", f" if {SHUT}"))


def _forwards(section: Section) -> bool:
    """Whether servers are told who calls."""
    every = [*section.lines, *(section.defaults.lines if section.defaults else [])]
    return any(words[:2] == ["option", "forwardfor"] for words in every)


def _numbers(found: list[Section], key: str) -> Iterator[int]:
    for section in found:
        yield from (int(w[1]) for w in section.lines if w[0] == key and w[1:] and w[1].isdigit())


def _seconds(found: list[Section], name: str) -> Iterator[float]:
    for section in found:
        for words in section.lines:
            if words[:2] == ["timeout", name] and (m := re.fullmatch(r"(\d+)(\w*)", words[2])):
                yield int(m[1]) * UNITS.get(m[2] or "ms", 1)
