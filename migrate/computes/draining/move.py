"""One server is brought to where it is wanted, by nova, which is asked how far it is."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from migrate.cloud import Context
from migrate.cloud.api import PASSING, Api, ApiError
from migrate.cloud.host import Host
from migrate.computes import reading
from migrate.computes.draining import servers, timings, turns
from migrate.computes.facts import Kind, Server
from migrate.errors import PreconditionError

PAUSE = 2.0
GRACE_SECONDS = 60.0  # for nova to take an abort to its end, or to begin what it did not answer
TOO_MANY = 429
CONFIRM: dict[str, Any] = {"confirmResize": None}
COMPLETE: dict[str, Any] = {"force_complete": None}

Request = dict[str, Any]  # the body of a server's action
REVERT = "revertResize"
MOVES = {"os-migrateLive": "live", "migrate": "cold"}
HOW = {**MOVES, REVERT: "revert", "os-stop": "stop", "os-start": "start"}

# what is to be asked for a server that rests, or why nothing may be; "": it is where it is wanted
Want = Callable[[Server], Request | str]


def live(to: str = "") -> Request:
    """Move while it runs: where the scheduler finds best, or to the host *to*."""
    return {"os-migrateLive": {"host": to or None, "block_migration": "auto"}}


def cold(to: str = "") -> Request:
    """Shut down, move, start."""
    return {"migrate": {"host": to} if to else None}


def onto(request: Request, host: str) -> Request:
    """*request* of a move by which the server is to come to *host*, which nova looks at first."""
    ((action, body),) = request.items()
    return {action: {**(body or {}), "host": host}}


def revert() -> Request:
    """Back to the host and the flavor of before a resize that its user has not confirmed."""
    return {REVERT: None}


def stop() -> Request:
    return {"os-stop": None}


def start() -> Request:
    return {"os-start": None}


@dataclass(slots=True, kw_only=True)
class Move:
    """A server that leaves `host`, or comes home to it.

    It may be in the middle already, by a run before this one or by its user: that is waited for.
    """

    context: Context
    api: Api
    host: Host
    server: str
    want: Want
    called: str = ""  # what nova calls `host`, where it has another name for it
    to: str = ""  # where nova is asked to bring it first; else wherever it finds best
    other: str = ""  # the host at the other end of its way, where it is known and is not `to`
    arrived: Callable[[], object] = lambda: None  # what is noted once it is there
    limit: float = 0.0  # seconds; the stack file's where none are given
    until: float = math.inf  # on the monotonic clock: then its time is over whatever `limit` says
    confirms: Callable[[Server], bool] = lambda _: True  # whether a cold one that waits is to stay
    name: str = ""  # for people, once nova has told it
    asked: str = ""  # the action that nova was asked for
    again: bool = False  # asked once more, and to bring it anywhere
    said: str = ""  # what nova said to what was asked
    unanswered: float = 0.0  # when it said nothing to it
    rested: float = 0.0  # since when nova tells of a migration off the host that it rests on
    seen: Server | None = None  # at the last look
    silent: str = ""  # what nova said instead of how it has it
    pressed: bool = False  # nova completes it, whatever its server writes meanwhile
    over: bool = False  # its time
    aborted: bool = False  # what can be: nothing but a live migration

    @property
    def seconds(self) -> float:
        return self.limit or self.context.settings.settle.timeout_seconds

    def run(self) -> str:
        """Bring it there; why it is not there and how nova has it, "" where it is, or is gone."""
        if self._missed:
            return self._missed  # a nova that hangs is asked for nobody any more: it takes minutes
        deadline = min(time.monotonic() + self.seconds, self.until)
        while (wrong := self._wrong()) is None:
            turns.refuse_interrupted(self.context, f"{self.host.name}: {self.name or self.server}")
            if time.monotonic() > deadline:
                if self._press():
                    deadline = time.monotonic() + self.seconds
                    continue
                if self.over:
                    wrong = self.silent or "still in the middle of something"
                    wrong += f" {self._late}{self._abort_told}"
                    break
                self.over = True
                deadline = min(time.monotonic(), self.until) + GRACE_SECONDS
            if self.over and not self.aborted:
                self._abort()  # again until it can be: nova tells of none that it only prepares
            time.sleep(PAUSE)
        timings.ended(self.context, self.api, self.host.name, self.server, self.seen, wrong)
        if wrong:
            return wrong + self._how
        self.arrived()
        return ""

    @property
    def _late(self) -> str:
        return f"after {self.seconds:.0f} s"

    @property
    def _missed(self) -> str:
        return "its turn did not come in time" if time.monotonic() > self.until else ""

    @property
    def _abort_told(self) -> str:
        return " and an abort" if self.aborted else ""

    @property
    def _how(self) -> str:
        if self.seen is None:
            return ""
        words = [self.seen.status, self.seen.task, f"on {self.seen.host}"]
        return f" (nova has it {', '.join(filter(None, words))})"

    def _wrong(self) -> str | None:
        """Why it is not where it is wanted; None while it is on its way, or nova is silent."""
        try:
            found, self.silent = self._look(), ""
        except ApiError as error:
            if error.status < 500 and error.status not in (*PASSING, TOO_MANY):
                return str(error)  # the others have their turn all the same
            found, self.silent = None, str(error)
        except PreconditionError as error:
            return str(error)
        return found

    def _look(self) -> str | None:
        server = servers.one(self.api, self.server)
        if server is None:
            return ""
        self.name, self.seen = f"{server.name} ({server.id})", server
        if server.kind is Kind.ERROR:
            return f"in ERROR: {servers.failure(self.api, self.server)}"
        if server.kind is Kind.BUSY:
            return self._down(server)
        if server.status == servers.UNCONFIRMED and self.confirms(server) and self._confirmed():
            return None
        request = self.want(server)
        if request == "" and self._held(server):
            return None
        return request if isinstance(request, str) else self._ask(server, request)

    def _held(self, server: Server) -> bool:
        """Whether a migration of *server*, which is where it is to be, has not ended on both hosts.

        Where it never left, nova is about to take that back: after the host's death it never does.
        """
        sources = set(servers.in_flight(self.api, self.server).values())
        if sources != {server.host}:
            return bool(sources)
        self.rested = self.rested or time.monotonic()
        return time.monotonic() < self.rested + GRACE_SECONDS

    def _down(self, server: Server) -> str | None:
        """What says that nothing becomes of what is asked for *server*; None where it may."""
        if servers.is_down(self.api, server.host):
            return f"nova-compute on {server.host} is down"
        return None

    def _confirmed(self) -> bool:
        """Whether the move was ours: then it is confirmed, or nova is at it."""
        stands = servers.confirmation(self.api, self.server, self.called or self.host.name)
        if stands == "finished":
            with suppress(ApiError):  # it is confirmed by now, or asked again
                self._send(CONFIRM)
        return bool(stands)

    def _ask(self, server: Server, request: Request) -> str | None:
        """Ask once, or once more where nova does not bring it `to`; what it refuses then is told.

        Where it is silent, the server will show.
        """
        if self.over:
            return f"not moved {self._late}{', and aborted' * self.aborted}"
        action = next(iter(request))
        if action not in MOVES:
            self.to = ""
        if self.asked == REVERT != action:  # it is back where its resize began, and goes on
            timings.ended(self.context, self.api, self.host.name, self.server, server, "")
            self.asked = ""
        if self.asked:
            if self.said and time.monotonic() < self.unanswered + GRACE_SECONDS:
                return None  # it may be at it all the same, and has not said so yet
            if not self._elsewhere():
                return self.said or servers.failure(self.api, self.server)
        if wrong := self._missed or self._down(server):
            return wrong
        turns.refuse_interrupted(self.context, f"{self.host.name}: {self.name}")
        self.asked = action
        if not self.again:
            timings.asked(self.context, self.host.name, server, HOW[action])
        try:
            self._send(onto(request, self.to) if self.to else request)
        except ApiError as error:
            self.said, self.unanswered = str(error), time.monotonic()
            silent = error.status in (*PASSING, 404)
            return None if silent or self._elsewhere() else self.said
        return None

    def _elsewhere(self) -> bool:
        """Whether it is asked for once more: it was wanted on a host that does not take it."""
        if not self.to:
            return False
        self.to, self.said, self.asked, self.again = "", "", "", True
        return True

    def _send(self, request: Request) -> None:
        where = f"/servers/{self.server}/action"
        self.api.send("POST", "compute", where, request, microversion=reading.COMPUTE)

    def _press(self) -> bool:
        """Have nova complete its live migration, where the stack file says so; whether it does.

        It goes on by post-copy where its host permits that, else its server is paused meanwhile.
        """
        if self.pressed or self.over or self.context.settings.settle.late != "complete":
            return False
        self.pressed = True
        try:
            numbers = list(servers.in_flight(self.api, self.server))
            for number in numbers:
                where = f"/servers/{self.server}/migrations/{number}/action"
                self.api.send("POST", "compute", where, COMPLETE, microversion=reading.COMPUTE)
        except ApiError as error:  # it only prepares, or has just ended
            self.said = str(error)
            return False
        return bool(numbers)

    def _abort(self) -> None:
        """End its live migration, where it can be ended: it runs on where it was.

        A cold one cannot be: nova takes it to its end, and may yet do so.
        """
        try:
            for number in servers.in_flight(self.api, self.server):
                where = f"/servers/{self.server}/migrations/{number}"
                self.api.send("DELETE", "compute", where, microversion=reading.COMPUTE)
                self.aborted = True
        except ApiError as error:
            self.said = str(error)
