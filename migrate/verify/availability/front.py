"""The front's log, brought here while the cloud changes sides: what its host loses is not lost.

Times are those of this machine: each host's clock is compared as its log is read.
"""

import base64
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from math import inf
from pathlib import Path

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.engine import state_directory
from migrate.onhost import call
from migrate.onhost.front_log import BEAT, LOST
from migrate.services.reads import METHODS
from migrate.verify.availability.calls import Call

FILE = "front-log.json"  # how far each was read, and between what its clock is behind ours
SECONDS = 10.0  # between two looks, in which a host that dies takes its lines with it
KEPT_BYTES = 64 << 20
Note = Callable[[str, str], None]


def path(home: Path, host: str) -> Path:
    """Where the lines of *host* are kept."""
    return home / f"front-{host}.log"


class Following(threading.Thread):
    """Brings here what the fronts log; what fails is told once, and tried again."""

    def __init__(self, context: Context, note: Note) -> None:
        super().__init__(name="front-log", daemon=True)
        self._context, self._note = context, note
        self._over = threading.Event()
        self._told = ""

    def run(self) -> None:
        while not self._over.wait(SECONDS):
            self.bring()

    def end(self) -> None:
        """Bring the last of it."""
        self._over.set()
        self.join(timeout=30)
        self.bring()

    def bring(self) -> None:
        """All that is new on every source controller."""
        try:
            hosts.gather(self._context.source.controllers, lambda host: bring(self._context, host))
        except Exception as error:  # no record is no reason to leave a cloud closed
            if (said := str(error)) != self._told:
                self._told = said
                self._note("front-log", f"not read for now: {said}")


_AT = threading.Lock()


def bring(context: Context, host: Host) -> None:
    """What is new on *host*."""
    places = state_directory.recorded(context.home / FILE)
    place = dict(places.get(host.name) or {"number": 0, "offset": 0, "behind": [-inf, inf]})
    place["behind"] = _behind(host, *place["behind"])
    while True:
        got = call(host, "front_log.read", place["number"], place["offset"])
        _append(path(context.home, host.name), zlib.decompress(base64.b64decode(got["data"])))
        place["number"], place["offset"] = got["number"], got["offset"]
        with _AT:
            places = state_directory.recorded(context.home / FILE)
            state_directory.record(context.home / FILE, {**places, host.name: place})
        if not got["more"]:
            return


def _behind(host: Host, least: float, most: float) -> list[float]:
    """By how much the clock of *host* is behind ours: no less and no more than that."""
    before = time.time()
    there = float(host.run("date", "+%s.%N"))
    after = time.time()
    low, high = max(least, before - there), min(most, after - there)
    return [low, high] if low <= high else [before - there, after - there]  # it was set


def forget(context: Context) -> None:
    """What was read before; the next is read from the oldest that the hosts have."""
    state_directory.forget(context.home / FILE)
    for host in context.source.controllers:
        state_directory.forget(path(context.home, host.name))


def _append(file: Path, data: bytes) -> None:
    if not data:
        return
    file.touch(mode=0o600)
    with file.open("ab") as stream:
        stream.write(data)
    if file.stat().st_size > KEPT_BYTES:
        half = file.read_bytes()[-KEPT_BYTES // 2 :].partition(b"\n")[2]
        state_directory.keep(file, half.decode())


def heard(
    context: Context, names: Mapping[str, str]
) -> Iterator[tuple[str, list[float], list[Call]]]:
    """By host: when a line came, and the calls; *names* are of APIs by their ports."""
    places = state_directory.recorded(context.home / FILE)
    for host in context.source.controllers:
        file = path(context.home, host.name)
        if not file.exists():
            continue
        low, high = places[host.name]["behind"]
        behind = 0.0 if low <= 0 <= high else (low + high) / 2
        yield host.name, *parsed(file.read_text(), names, behind)


def parsed(text: str, names: Mapping[str, str], behind: float) -> tuple[list[float], list[Call]]:
    """When lines came, and the calls of *text* as `onhost/front_log` keeps it."""
    times, calls = [], []
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        ended = float(words[0]) + behind
        if words[1] == LOST:
            continue
        times.append(ended)
        if words[1] != BEAT:
            calls.append(_call(ended, words, names))
    return times, calls


def _call(ended: float, words: list[str], names: Mapping[str, str]) -> Call:
    _, port, method, status, how, request, queue, connect, _, took, _, at = words
    waited = max(0, int(request)) + max(0, int(queue))  # a held call is one whose request lasts
    http = method != "-"
    failed = not 0 < int(status) < 500 if http else how[0] not in "-C"
    # one that is ended before it was passed on was held, and its client had gone
    left = failed and (how[0] in "Cc" or (how[0] == "K" and connect == "-1"))
    kind = "tcp"
    if http:
        kind = "read" if method in METHODS else "token" if at.endswith("/auth/*") else "write"
    wrong = f"answered {status}" if int(status) > 0 else f"no answer ({how})"
    good = None if left else not failed
    api = names.get(port, port)
    return Call(ended, int(took) / 1000, api, kind, good, wrong * failed, waited / 1000)
