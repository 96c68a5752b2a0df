"""Import another host's databases by several streams, all of one instant of that host's server.

Every stream is ready before anything waits. Then a gate there lets nobody commit for as long as
they take to begin their dumps, each of which tells the place in the log of what it sees: nothing is
imported unless all are at the same. Nobody's word is taken for the instant but the dumps' own.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import IO, Any

from migrate.onhost import copy

TABLE_COST = 200_000  # bytes that take as long as what a table costs by itself
NEXT = re.compile(rb" AUTO_INCREMENT=[0-9]+")
# What comes is in the source's log, not ours: nobody follows this server from before its seed.
OWN = ("--init-command=SET SESSION sql_log_bin = 0",)


class Stream:
    """What a command sends, and what it and who reads it complain of.

    What was *asked* is in the mark that says that it was whole.
    """

    def __init__(self, command: list[str], asked: list[str], stack: ExitStack) -> None:
        self.asked = asked
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        stack.callback(self.errors.close)
        self.running: subprocess.Popen[Any] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0
        )
        stack.callback(self._end)

    def line(self) -> str:
        """Its next line, and nothing beyond: the rest is an importer's."""
        assert self.running.stdout is not None
        text = b""
        while not text.endswith(b"\n"):
            part = os.read(self.running.stdout.fileno(), 1)
            if not part:
                raise RuntimeError(f"{self.asked[0]}: {self.complaint() or 'it has ended'}")
            text += part
        return text[:-1].decode()

    def say(self, text: str) -> None:
        assert self.running.stdin is not None
        self.running.stdin.write(f"{text}\n".encode())

    def let_go(self) -> None:
        """Say nothing any more, and wait until it has ended."""
        assert self.running.stdin is not None
        self.running.stdin.close()
        self.running.wait()

    def all(self) -> bytes:
        """What it still sends."""
        assert self.running.stdout is not None
        return bytes(self.running.stdout.read())

    def load(self, text: bytes = b"") -> str:
        """Import all that it still sends, or sent as *text*; "" when it was whole, else why not."""
        return copy.load_from(self.running, self.errors, self.asked, *OWN, text=text)

    def complaint(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace").strip()[-500:]

    def _end(self) -> None:
        self.running.kill()
        self.running.wait()


def bring(commands: dict[str, list[str]], names: list[str], ways: int) -> dict[str, str]:
    """Import the databases *names*, the rows by so many *ways*, from who *commands* ask by part.

    `{"wrong": "", "place": "binlog.000001 1138"}`.
    """

    def stream(part: str) -> Stream:
        return Stream(commands[part], [part, *names], stack)

    try:
        with ExitStack() as stack:
            made, wrong = _defined(stream("definitions"))
            if wrong:
                return {"wrong": wrong, "place": ""}
            again, last = stream("definitions"), stream("acting")
            between = [stream("rows") for _ in range(ways)]
            place = _begin(lambda: stream("gate"), [again, last], between)
            if lasting(again.all()) != lasting(made):
                return {"wrong": "tables were changed while the copy began: again", "place": ""}
            with ThreadPoolExecutor(ways) as pool:
                said = [text for text in pool.map(Stream.load, between) if text]
            return {"wrong": "; ".join(said) or last.load(), "place": place}
    except (RuntimeError, BrokenPipeError) as error:
        return {"wrong": str(error), "place": ""}


def _defined(first: Stream) -> tuple[bytes, str]:
    """Import definitions before anything waits for them; what came, and what is wrong.

    A dump whose rows nobody takes for a minute is ended by its server (net_write_timeout).
    """
    first.line()
    first.say("without")
    first.line()
    text = first.all()
    return text, first.load(text)


def _begin(gate: Callable[[], Stream], whole: list[Stream], between: list[Stream]) -> str:
    """Have all begin while nobody commits; the place that they are at."""
    every = [*whole, *between]
    for one in every:
        one.line()
    held = gate()
    sizes: dict[str, int] = {}
    while (line := held.line()) != "held":
        name, _, size = line.partition("\t")
        sizes[name] = int(size) + TABLE_COST
    for one in whole:
        one.say("without")
    for one, share in zip(between, split(sizes, len(between))):
        one.say(" ".join(["without", *(name for name in sizes if name not in share)]))
    places = [one.line() for one in every]
    held.let_go()
    if len(set(places)) > 1:
        raise RuntimeError(f"the streams are of several instants: {', '.join(sorted(places))}")
    return places[0]


def lasting(dump: bytes) -> bytes:
    """What a dump of definitions says but for when, and the next automatic numbers."""
    lines = (one for one in dump.splitlines() if not one.startswith(b"--"))
    return NEXT.sub(b"", b"\n".join(lines))


def split(sizes: dict[str, int], ways: int) -> list[list[str]]:
    """The tables in so many groups of about the same size."""
    groups: list[list[str]] = [[] for _ in range(ways)]
    taken = [0] * ways
    for name in sorted(sizes, key=lambda one: -sizes[one]):
        least = taken.index(min(taken))
        groups[least].append(name)
        taken[least] += sizes[name]
    return groups
