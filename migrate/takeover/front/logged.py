"""What the front logs of each call: how long, what became of it, nothing that was asked for."""

from collections.abc import Iterator

from migrate.cloud.host import Host
from migrate.onhost import call, sources
from migrate.onhost.front_log import BEAT, SOCKET
from migrate.onhost.knock import ASKS
from migrate.takeover.gate.haproxy import Section

ENDED = "%[date(0,ms)]"
HTTP = f"{ENDED} %f %HM %ST %ts %TR %Tw %Tc %Tr %Ta %b %HP"
TCP = f"{ENDED} %f - 0 %ts 0 %Tw %Tc -1 %Tt %b -"


def everywhere() -> Iterator[str]:
    """For all of it, in `global`: who waits for nobody who reads."""
    yield f"    log {SOCKET} format raw daemon"


def by_default() -> Iterator[str]:
    """For every frontend."""
    yield from ("    log global", "    option dontlognull")


def calls(*, http: bool) -> Iterator[str]:
    """For one frontend of calls."""
    yield f'    log-format "{HTTP if http else TCP}"'
    if http:  # whether it is closed is asked by us, and by nobody who wants to be served
        yield f"    http-request set-log-level silent if {{ req.hdr({ASKS}) -m found }}"


def beats() -> Iterator[str]:
    """For that of its own beat, which tells that nobody calls from nobody logs."""
    yield f'    log-format "{ENDED} {BEAT}"'


def writer(found: list[Section]) -> str:
    """The account that the front drops to, which is the operator's; "" where it stays root."""
    lines = (words for s in found if s.kind == "global" for words in s.lines)
    return next((words[1] for words in lines if words[0] == "user" and words[1:]), "")


def stand(host: Host, found: list[Section]) -> None:
    """Somebody on *host* who keeps what the front there logs, before it does."""
    call(host, "front_log.stand", dict(sources("front_log")), writer(found), timeout=60)
