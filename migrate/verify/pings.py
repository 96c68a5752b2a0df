"""Pings of the addresses that `settle.watch` names, ten a second, from where `migrate` runs."""

import re
import subprocess
import threading
from collections.abc import Callable, Iterator

from migrate.cloud import Context
from migrate.errors import StepError
from migrate.verify.noticed import PING, Stream

INTERVAL = 0.1
PATIENCE = 2.0  # an answer that comes later counts as lost
LOST = "no answer"
ROUND = 1 << 16  # ping counts to there, and from 0 again
TOLD = re.compile(r"^\[(?P<at>[\d.]+)\] .*icmp_seq=(?P<number>\d+)(.* time=(?P<took>[\d.]+) ms)?")

Hear = Callable[[float, float, str], None]  # when it was sent, after how long, what was wrong


def streams(context: Context) -> Iterator[tuple[str, str, Stream]]:
    """What is listened to, as `noticed.recording` wants it."""
    for address in map(str, context.settings.settle.watch):
        yield PING, address, _stream(address)


def _stream(address: str) -> Stream:
    def follow(hear: Hear, over: threading.Event) -> None:
        told = InOrder(hear)
        with subprocess.Popen(
            ["ping", "-n", "-D", "-O", "-i", str(INTERVAL), address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # a Ctrl-C is ours
        ) as process:
            try:
                for line in process.stdout or ():
                    told.line(line)
                    if over.is_set():
                        return
                raise StepError("ping has ended: nothing more is known of it")
            finally:
                process.kill()

    return follow


class InOrder:
    """Tells *hear* of each ping in the order in which they were sent, once it is known."""

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self._next, self._last = 1, 0
        self._sent: dict[int, float] = {}
        self._took: dict[int, float] = {}

    def line(self, text: str) -> None:
        """One line of `ping -D -O`: an answer, or that there is none yet."""
        if not (found := TOLD.match(text)):
            return
        at, number = float(found["at"]), int(found["number"])
        number += round((self._last - number) / ROUND) * ROUND
        for one in range(self._last + 1, number + 1):
            self._sent[one] = at - (number - one) * INTERVAL
        self._last = max(self._last, number)
        if found["took"] and number in self._sent:
            self._took[number] = float(found["took"]) / 1000
        while (sent := self._sent.get(self._next)) is not None:
            took = self._took.pop(self._next, None)
            if took is None and at - sent < PATIENCE:
                return
            late = took is None or took > PATIENCE
            self._hear(sent, INTERVAL if took is None else took, LOST if late else "")
            del self._sent[self._next]
            self._next += 1
