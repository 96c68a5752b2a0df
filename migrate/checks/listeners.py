"""What users reach at the source's proxy is what the target's will serve, listener by listener."""

from collections.abc import Iterator

from migrate.checks import scope, scope_facts, traces
from migrate.cloud import Context
from migrate.engine.finding import Finding, error, warning
from migrate.errors import CommandError
from migrate.onhost import call, sockets
from migrate.takeover import certificates, listeners, proxy
from migrate.takeover.gate import haproxy

UNSERVED = (
    "See sidestep:source.virtualIps and sidestep:services; serve it at an API's own port of a "
    "virtual IP, with a bind by that address, or take the bind out"
)
ENDED = "Let HAProxy end TLS there, as the target's will: mode http, and bind ... ssl crt ..."

# what users would lose, and how not to: by address and port
Losses = dict[tuple[str, int], tuple[str, str]]


def run(context: Context) -> list[Finding]:
    """Addresses, ports and lines of the source's HAProxy that the target's would not have."""
    texts = proxy.source_texts(context)
    served = listeners.listeners(
        haproxy.sections(*texts), context.recipes, context.source.virtual_ips
    )
    proxy.keepalived(context)  # says itself what it cannot read
    lost = unserved(context, served) | passed_through(context, served)
    named = scope.ports(scope_facts.endpoints(context)) if lost else {}
    where = context.source.holder.name
    findings = list(judge(lost, named, context.settings.leave, where))
    for section, line in listeners.losses(texts, context.recipes, context.source.virtual_ips):
        message = f"{section} says {line!r}, which the target's HAProxy would not have"
        remedy = "Take the line out, or write it without what stands elsewhere"
        findings.append(error(message, remedy, where))
    if not findings:  # else a line that is told may be why a file is not found
        findings += _files(context, texts)
    return findings


def _files(context: Context, texts: list[str]) -> Iterator[Finding]:
    try:
        certificates.listed(context, texts)
    except CommandError as failure:
        message = f"its files of TLS cannot be carried: {failure.stderr.strip().splitlines()[-1]}"
        remedy = "See that each is there, and name it by its whole path"
        yield error(message, remedy, context.source.holder.name)


def judge(
    lost: Losses, named: dict[int | None, str], leave: tuple[str, ...], where: str
) -> Iterator[Finding]:
    """A finding for each of *lost*, no error where *leave* names it; *named* are `scope.ports`.

    What no recipe serves has the name that the check of the scope gives it; at a port that one
    does, only its address tells it from what stays.
    """
    words: set[str] = set()
    for (address, port), (message, remedy) in lost.items():
        word = f"{address}:{port}"
        if port not in scope.SERVED:
            word = scope.called("haproxy.service", "haproxy", port, named)
        words.add(word)
        if word in leave:
            yield warning(message, "Nothing: sidestep:leave says so", where)
        else:
            said = f"{remedy}; if it may be lost, sidestep:leave: ['{word}']"
            yield error(message, said, where)
    for word in leave:
        if traces.is_socket(word) and word not in words:
            said = f"sidestep:leave names {word}, where users lose nothing"
            yield warning(said, "Take it out, or correct it")


def unserved(context: Context, served: list[listeners.Listener]) -> Losses:
    """What users reach and the target would not have, or not as the source serves it."""
    host = context.source.holder
    state = call(host, "haproxy.state")["original"]
    held = [(address, port) for address, port in call(host, "haproxy.listens")["own"]]
    known = {(address, one.api.port) for one in _read(served) for address in one.addresses}
    every = [str(one.address) for one in context.source.virtual_ips]
    reached = {
        (address, one.port)
        for one in haproxy.user_sockets(state, held)
        for address in (every if sockets.everywhere(one.address) else [one.address])
    }
    return {
        (address, port): (
            f"users reach {address}:{port} there, which the target would not serve",
            UNSERVED,
        )
        for address, port in sorted(reached - known)
    }


def passed_through(context: Context, served: list[listeners.Listener]) -> Losses:
    """APIs that HAProxy passes on as TCP and whose servers speak something else than plain HTTP.

    The target's servers speak that alone, behind its HAProxy.
    """
    asked = [
        (address, one.api.port)
        for one in _read(served)
        if not one.section.http and "ssl" not in one.params.split()
        for address in one.addresses
    ]
    spoken = call(context.source.holder, "knock.spoken", asked)
    return {
        (address, port): (
            f"users speak TLS at {address}:{port}, which HAProxy passes on as TCP; the target's "
            "would answer there in clear",
            ENDED,
        )
        if said == "tls"
        else (
            f"HAProxy passes {address}:{port} on as TCP, and no HTTP is heard there: it cannot be "
            "compared with what the target would serve",
            "See that the API answers there; write it with mode http",
        )
        for (address, port), said in zip(asked, spoken, strict=True)
        if said != "http"
    }


def _read(served: list[listeners.Listener]) -> list[listeners.Listener]:
    """Those that a bind of the source was found for; it serves the others nowhere, if it can be
    read."""
    return [one for one in served if one.section.name]
