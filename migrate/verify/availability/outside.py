"""A client outside: every API read and written all the time, and the address asked for.

A call begins when its time has come, whether or not those before it were answered: so it is seen
when the first fails and when the first is answered again, however long others wait. A write is one
without a token: it goes the way of a user's and changes nothing.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from migrate.cloud import Context, login
from migrate.verify import noticed
from migrate.verify.availability.calls import LATE, Call
from migrate.verify.noticed import Stream

FILE = "outside.log"
READS, WRITES, ADDRESS = 0.15, 0.3, 0.1  # seconds between two calls of one thing
MOST_CALLS = 20.0  # a second, of all things together: more APIs are asked more seldom
# calls of one thing that wait for an answer; those that write come upon the target all at once
READS_AT_ONCE, WRITES_AT_ONCE = 12, 3
KEPT_BYTES = 64 << 20
ROUND = 16 << 10

Hear = Callable[[float, float, str], None]


def path(home: Path) -> Path:
    """Where each call is kept."""
    return home / FILE


def streams(context: Context) -> Iterator[tuple[str, str, Stream]]:
    """What `noticed` hears: the reads, and the address; all of it is kept beside."""
    own = login.certificate(context)
    things = list(noticed.things(context))
    apis = {f"{api.port}": api for recipe in context.recipes for api in recipe.apis if api.types}
    slower = max(1.0, len(things) * (1 / READS + 1 / WRITES) / MOST_CALLS)
    sink = _Sink(path(context.home))
    for what, at, read in things:
        address, _, port = at.partition(":")
        if what == noticed.ADDRESS:
            yield what, at, _paced([_Asked(what, "tcp", ADDRESS, READS_AT_ONCE, read)], sink)
            continue
        write = noticed.asking(apis[port], address, own, "POST")
        asked = [
            _Asked(what, "read", READS * slower, READS_AT_ONCE, read),
            _Asked(what, "write", WRITES * slower, WRITES_AT_ONCE, write),
        ]
        yield what, at, _paced(asked, sink)


def heard(home: Path) -> list[Call]:
    """Every call that was made."""
    try:
        lines = path(home).read_text().splitlines()
    except FileNotFoundError:
        return []
    return [one for line in lines if (one := _parsed(line))]


def _parsed(line: str) -> Call | None:
    words = line.split("\t")
    if len(words) != 5:  # of a run that was killed
        return None
    ended, took, api, kind, wrong = words
    waited = float(took) if float(took) >= LATE else 0.0
    return Call(float(ended), float(took), api, kind, not wrong, wrong, waited)


class _Asked:
    """One thing: how often it is asked, how many calls wait, and what is heard in their order."""

    def __init__(self, api: str, kind: str, pause: float, at_once: int, call: noticed.Call) -> None:
        self.api, self.kind, self.pause, self._at_once, self._call = api, kind, pause, at_once, call
        self._began: list[int] = []
        self._done: dict[int, tuple[float, float, str]] = {}
        self._next = 0
        self._lock = threading.Lock()

    def ask(self, hear: Hear, sink: "_Sink", over: threading.Event) -> None:
        """Make a call, unless too many wait."""
        with self._lock:
            if len(self._began) >= self._at_once:
                return
            self._next += 1
            self._began.append(self._next)
            number = self._next
        given = (number, hear, sink, over)
        threading.Thread(target=self._made, args=given, name="outside", daemon=True).start()

    def _made(self, number: int, hear: Hear, sink: "_Sink", over: threading.Event) -> None:
        began, clock = time.time(), time.monotonic()
        try:
            wrong = self._call()
        except Exception as error:  # whatever a cloud in between can raise
            wrong = type(error).__name__
        took = time.monotonic() - clock
        if over.is_set():
            return
        sink.add(f"{began + took:.3f}\t{took:.4f}\t{self.api}\t{self.kind}\t{wrong}")
        with self._lock:
            self._done[number] = (began, took, wrong)
            while self._began and self._began[0] in self._done:
                hear(*self._done.pop(self._began.pop(0)))


def _paced(things: list[_Asked], sink: "_Sink") -> Stream:
    """Of *things* only the first is told to who listens."""

    def follow(hear: Hear, over: threading.Event) -> None:
        due = [time.monotonic()] * len(things)
        while not over.wait(max(0.0, min(due) - time.monotonic())):
            for number, one in enumerate(things):
                now = time.monotonic()
                if now >= due[number]:
                    due[number] = max(due[number] + one.pause, now)
                    one.ask(hear if number == 0 else _nobody, sink, over)
        sink.flush()

    return follow


def _nobody(began: float, took: float, wrong: str) -> None:
    pass


class _Sink:
    """A file that lines are added to, a second's worth at a time."""

    def __init__(self, file: Path) -> None:
        self._file, self._lines = file, list[str]()
        self._lock, self._written = threading.Lock(), time.monotonic()

    def add(self, line: str) -> None:
        with self._lock:
            self._lines.append(line.replace("\n", " "))
            if time.monotonic() > self._written + 1:
                self._flush()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        self._written = time.monotonic()
        try:
            self._file.touch(mode=0o600)
            if self._file.stat().st_size < KEPT_BYTES:
                with self._file.open("a") as stream:
                    stream.writelines(f"{one}\n" for one in self._lines)
            self._lines.clear()
        except OSError:  # a full disk; some are kept for later
            del self._lines[:-ROUND]
