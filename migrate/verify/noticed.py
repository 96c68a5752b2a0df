"""What users notice: each API asked at each virtual IP while the cloud changes sides, and after.

The calls are made where `migrate` runs, twice a second, beside the run and never in its way. One
more entry for each virtual IP tells whether anybody answers there at all, by TCP: a refused
connection is an answer, as to a ping.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from migrate.cloud import Context, login
from migrate.engine import state_directory
from migrate.errors import JournalError, MigrateError
from migrate.services.base import ApiPort
from migrate.takeover import proxy
from migrate.verify import addresses

FILE = "noticed.json"
INTERVAL = 0.5
PATIENCE = 2.0  # until somebody is reached; a user would not call a later one an outage of less
WAIT = 60.0  # for an answer, as usual clients wait: it may be held while the cloud changes sides
KEEP_SECONDS = 2.0
SILENCES = 1000  # of one thing that are kept: it may come and go all night
CUTOVER, ROLLBACK = "cutover", "rollback"  # whose record it is
ADDRESS = "the address"
PING = "ping"

Call = Callable[[], str]  # what was wrong, "" for an answer
Stream = Callable[[Callable[[float, float, str], None], threading.Event], None]
"""Tells of each call what `Heard.note` notes, until the event is set."""
Note = Callable[[str, str], None]


@dataclass(slots=True)
class Heard:
    """One thing that is asked, and how it answered; `silent_since` is in seconds since 1970.

    A silence is from the beginning of the first call that failed to that of the first good one
    after it; one that has not ended, to the end of the last call. `silences` are the last of them:
    when the first and the last call of each that failed were sent, and how many did.
    """

    what: str
    at: str
    calls: int = 0
    failed: int = 0
    longest: float = 0.0
    slowest: float = 0.0
    silent_since: float | None = None
    wrong: dict[str, int] = field(default_factory=dict)
    silences: list[list[float]] = field(default_factory=list)

    def note(self, began: float, took: float, wrong: str) -> None:
        """A call that began at *began* ended after *took* seconds, "" without anything *wrong*."""
        self.calls += 1
        if wrong:
            self.failed += 1
            self.wrong[wrong] = self.wrong.get(wrong, 0) + 1
            if not (self.silent_since and self.silences):
                self.silences = [*self.silences[1 - SILENCES :], [began, began, 0]]
            self.silences[-1][1:] = began, self.silences[-1][2] + 1
            self.silent_since = self.silent_since or began
        else:
            self.slowest = max(self.slowest, round(took, 2))
        if self.silent_since:
            silence = began + took * bool(wrong) - self.silent_since
            self.longest = max(self.longest, round(silence, 1))
        if not wrong:
            self.silent_since = None


@contextmanager
def recording(
    context: Context,
    command: str,
    note: Note,
    *,
    anew: bool = False,
    streams: Callable[[Context], Iterable[tuple[str, str, Stream]]] | None = None,
) -> Iterator[None]:
    """Ask as long as the block runs, and keep what was heard in `noticed.json` under *command*.

    What a run that died or failed has kept is gone on with; *anew* forgets all of it. What fails
    here, *note* is told, and nobody else: no record is no reason to leave a cloud closed. With
    *streams* these are listened to instead of the APIs.
    """
    before = {} if anew else kept(context.home)
    record, well = _Record(context, command, note, before, streams or _called), False
    record.begin()
    try:
        yield
        well = True
    finally:
        record.end(well=well)


def kept(home: Path) -> dict[str, Any]:
    """By command, what was noticed: {} for nothing, or for what cannot be read.

    `{"cutover": {"from": "2026-…", "to": "2026-…", "ended": True, "heard": [{"what": "nova", "at":
    "10.0.0.10:8774", "calls": 90, "failed": 60, "longest": 30.1, "slowest": 0.4,
    "silent_since": None, "wrong": {"answered 503": 60}}]}}`
    """
    try:
        found = state_directory.recorded(home / FILE)
        for record in found.values():
            record["heard"] = [asdict(Heard(**one)) for one in record["heard"]]
    except (OSError, TypeError, KeyError, AttributeError, JournalError):
        return {}
    return found


def summary(home: Path, command: str) -> str:
    """What was noticed during *command*, in a sentence; "" without a record."""
    heard = kept(home).get(command, {}).get("heard", [])
    heard = [one for one in heard if one["what"] not in (ADDRESS, PING)]
    if not heard:
        return ""
    worst = max(heard, key=lambda one: float(one["longest"]))
    still = ", ".join(one["what"] for one in heard if one["silent_since"])
    text = f"longest silence of an API: {worst['what']} {worst['longest']:.1f} s"
    slow = max(heard, key=lambda one: float(one["slowest"]))
    if slow["slowest"] > PATIENCE:
        text += f", longest wait for an answer: {slow['what']} {slow['slowest']:.1f} s"
    return text + (f", and no answer yet from {still}" if still else "")


class _Record:
    """Threads that ask, a thing each, and one that keeps what they hear.

    Another begins them: what is to be asked is found out on a machine, and nobody waits for it.
    """

    def __init__(
        self,
        context: Context,
        command: str,
        note: Note,
        before: dict[str, Any],
        streams: Callable[[Context], Iterable[tuple[str, str, Stream]]],
    ) -> None:
        self._streams = streams
        self._path, self._command, self._note = context.home / FILE, command, note
        self._context, self._before = context, before
        mine = before.get(command, {})
        self._mine = {} if mine.get("ended") else mine
        self._from = self._mine.get("from") or _now()
        self._asked: list[tuple[Heard, Stream]] = []
        self._over, self._lock = threading.Event(), threading.Lock()
        self._threads: list[threading.Thread] = []
        self._wrong = ""

    def begin(self) -> None:
        self._start(self._set_out)

    def end(self, *, well: bool) -> None:
        self._over.set()
        deadline = time.monotonic() + 2 * PATIENCE
        for thread in self._threads:  # the first of them adds the others
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._asked:
            self._keep(ended=well)

    def _start(self, work: Callable[..., None], *given: Any) -> None:
        thread = threading.Thread(target=work, args=given, name="noticed", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _set_out(self) -> None:
        before = {(one["what"], one["at"]): one for one in self._mine.get("heard", [])}
        try:
            self._asked = [
                (Heard(**before.get((what, at), {"what": what, "at": at})), stream)
                for what, at, stream in self._streams(self._context)
            ]
        except Exception as error:
            self._note("noticed", f"no record is made: {error!r}")
            return
        if self._over.is_set():
            return
        self._keep()
        for one in self._asked:
            self._start(self._ask, *one)
        self._start(self._keep_on)

    def _ask(self, heard: Heard, stream: Stream) -> None:
        def hear(began: float, took: float, wrong: str) -> None:
            with self._lock:
                heard.note(began, took, wrong)

        try:
            stream(hear, self._over)
        except Exception as error:
            self._note("noticed", f"{heard.what} {heard.at} is not heard any more: {error!r}")

    def _keep_on(self) -> None:
        while not self._over.wait(KEEP_SECONDS):
            self._keep()

    def _keep(self, *, ended: bool = False) -> None:
        try:
            with self._lock:
                heard = [asdict(one) for one, _ in self._asked]
            found = {"from": self._from, "to": _now(), "ended": ended, "heard": heard}
            state_directory.record(self._path, {**self._before, self._command: found})
        except Exception as error:  # a full disk
            if self._wrong != (wrong := repr(error)):
                self._wrong = wrong
                self._note("noticed", f"the record is not kept: {wrong}")


def _called(context: Context) -> Iterator[tuple[str, str, Stream]]:
    return ((what, at, _again_and_again(call)) for what, at, call in things(context))


def _again_and_again(call: Call) -> Stream:
    def follow(hear: Callable[[float, float, str], None], over: threading.Event) -> None:
        while not over.is_set():
            began, clock = time.time(), time.monotonic()
            try:
                wrong = call()
            except Exception as error:  # whatever a cloud in between can raise
                wrong = type(error).__name__
            took = time.monotonic() - clock
            hear(began, took, wrong)
            over.wait(max(0.0, INTERVAL - took))

    return follow


def things(context: Context) -> Iterator[tuple[str, str, Call]]:
    """What is asked: its name, where, and the call. APIs of the catalogue, and the address."""
    apis = [api for recipe in context.recipes for api in recipe.apis if api.types]
    where, own = addresses.served(context, _texts(context)), login.certificate(context)
    for one in context.source.virtual_ips:
        address = str(one.address)
        for api in apis:
            if address in where[api.port]:
                yield api.name, f"{address}:{api.port}", asking(api, address, own)
        if apis:
            yield ADDRESS, address, reaching(address, apis[0].port)


def _texts(context: Context) -> list[str]:
    """The source's HAProxy, by which the target's is written; where none runs, nobody answers."""
    try:
        return proxy.source_texts(context)
    except MigrateError:
        return []


def asking(api: ApiPort, address: str, own: addresses.Pair, method: str = "GET") -> Call:
    """A call of an API, in clear or over TLS, as its first good answer came."""
    known = ""

    def call() -> str:
        nonlocal known
        answer = addresses.ask(api, address, own, PATIENCE, known, WAIT, method)
        known = known if answer.wrong else answer.url.partition(":")[0]
        return answer.wrong

    return call


def reaching(address: str, port: int) -> Call:
    """A call that anybody answers who holds *address*."""

    def call() -> str:
        try:
            socket.create_connection((address, port), PATIENCE).close()
        except ConnectionRefusedError:
            return ""
        except OSError:
            return "nobody answers"
        return ""

    return call


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
