"""Whether the source is closed: by HAProxy's own sockets, and by calls that users could make.

The machine that `migrate` runs on calls as a stranger, a host of the cloud as its own. What it
cannot tell from there (no route, an address that is elsewhere, a certificate that is asked for) the
closed files are tried for in a second HAProxy on that controller, which `migrate check` does too.
"""

import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.errors import StepError
from migrate.onhost import call, knock, sockets
from migrate.onhost.front import WRITES
from migrate.takeover.gate import close, haproxy
from migrate.takeover.gate.haproxy import MESSAGE, UserSocket

TRIAL_SECONDS = 60.0


def holds(context: Context, depth: str) -> bool:
    """Whether the source is closed to *depth*, or deeper, and nothing says otherwise."""
    if not close.closed(context, depth):
        return False
    if depth == "users" and close.closed(context, "all"):
        return True
    return not wrong(context, depth)


def prove(context: Context, depth: str) -> None:
    """StepError naming every user socket that is not closed to *depth*, or cannot be seen to be."""
    if found := wrong(context, depth):
        raise StepError(
            f"the source is not closed: {'; '.join(found)}. Going back opens what is closed; "
            "`migrate check` says what to write otherwise in haproxy.cfg"
        )


def wrong(context: Context, depth: str) -> list[str]:
    """What is not closed as it should be on any source controller, a line each."""
    own = close.own_addresses(context)

    def ask(host: Host) -> list[str]:
        return [f"{host.name}: {line}" for line in _wrong_at(context, host, depth, own)]

    return hosts.joined(context.source.controllers, ask)


def _wrong_at(context: Context, host: Host, depth: str, own: list[str]) -> list[str]:
    state = call(host, "haproxy.state")
    held = [(address, port) for address, port in call(host, "haproxy.listens")["own"]]
    if mode := call(host, "front.state")["mode"]:
        if mode == "target":  # nothing leads to the source
            return []
        shut = haproxy.user_sockets(state["original"], held)
        return _past_front(context, host, shut, own, passes=depth == "users")
    if left := haproxy.left_open(state["original"], held):
        return [f"{one} is bound by no section that was closed" for one in left]
    shut = haproxy.user_sockets(state["original"], held)
    passes = depth == "users"
    told = _called(context, host, shut, own, passes)
    if unsure := [one for one in shut if told[one] is None]:
        told |= tried(host, state["current"], unsure, own, passes=passes)
    return [f"{one} {told[one]}" for one in shut if told[one]]


def _past_front(
    context: Context, host: Host, shut: list[UserSocket], own: list[str], *, passes: bool
) -> list[str]:
    """What the front does not close, by calls on *host* and from where users call."""
    heard = call(host, "front.heard", MESSAGE)
    told: dict[UserSocket, list[str | None]] = {one: [] for one in shut}
    for one in shut:
        for (address, port), stranger, ours in zip(*heard.values(), strict=True):
            if port == one.port and (address == one.address or sockets.everywhere(one.address)):
                told[one].append(judged(one, stranger, ours, passes=passes))
    found = {
        one: _worst(said) if said else "is not heard by the front" for one, said in told.items()
    }
    outside = _called(context, host, shut, own, passes, WRITES)
    wrong = {one: found[one] or outside[one] for one in shut}
    unknown = "does not tell whether it is closed"
    return [f"{one} {said or unknown}" for one, said in wrong.items() if said or found[one] is None]


def tried(
    host: Host, texts: dict[str, str], shut: list[UserSocket], own: list[str], *, passes: bool
) -> dict[UserSocket, str]:
    """What is wrong at each user socket, "" where nothing is, by a second HAProxy on *host*."""
    inside = [one for one in own if "/" not in one]
    asked = [(one.address, one.port) for one in shut]
    heard = call(
        host, "trial.made", list(texts.values()), asked, inside, MESSAGE, timeout=TRIAL_SECONDS
    )
    return {
        one: f"cannot be tried (heard: {stranger}, {ours})" if said is None else said
        for one, stranger, ours in zip(shut, heard["stranger"], heard["own"], strict=True)
        for said in (judged(one, stranger, ours, passes=passes),)
    }


def judged(where: UserSocket, stranger: str, own: str, *, passes: bool) -> str | None:
    """What is wrong by what was heard there (see `onhost/knock.py`); None: it does not tell.

    *own* is "" where no host of the cloud has an address to call from.
    """
    shut = "closed" if where.http else "reset"
    if stranger == "open":
        return "answers users"
    if passes and own == "closed":
        return "refuses the cloud's own hosts"
    if not passes and own == "open":
        return "answers hosts of the cloud"
    if stranger != shut or own not in ("", "open" if passes else shut):
        return None
    return ""


def _called(
    context: Context,
    host: Host,
    shut: list[UserSocket],
    own: list[str],
    passes: bool,
    method: str = "GET",
) -> dict[UserSocket, str | None]:
    """The same by calls at *host* itself, from here and from a host of the cloud."""
    here: list[str] = call(host, "addresses.own")
    virtual = [str(one.address) for one in context.source.virtual_ips]
    targets: list[tuple[UserSocket, str]] = []
    for each in shut:
        if sockets.everywhere(each.address):
            targets += [(each, one) for one in (host.address, *virtual) if one in here]
        elif each.address in here:
            targets.append((each, each.address))
    targets = [one for one in targets if _stranger_to(one[1], own)]
    asked = [(address, each.port) for each, address in targets]
    inside = next(iter(context.source.computes), host)
    with ThreadPoolExecutor(2) as pool:
        ours = pool.submit(call, inside, "knock.each", asked, MESSAGE, "", method)
        theirs = pool.submit(knock.each, asked, MESSAGE, "", method)
        pairs = zip(targets, theirs.result(), ours.result(), strict=True)
    found: dict[UserSocket, list[str | None]] = {each: [] for each in shut}
    for (each, _), stranger, own_heard in pairs:
        found[each].append(judged(each, stranger, own_heard, passes=passes))
    return {each: _worst(said) for each, said in found.items()}


def _worst(said: list[str | None]) -> str | None:
    """The first thing that is wrong, else None if anything is not known, else ""."""
    wrong = next((one for one in said if one), None)
    return wrong if wrong or None in said or not said else ""


def _stranger_to(address: str, own: list[str]) -> bool:
    """Whether a call from this machine to *address* comes from none of *own*."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))  # sends nothing
            source = ip_address(probe.getsockname()[0])
        except OSError:
            return False
    return not any(source in ip_network(one) for one in own)
