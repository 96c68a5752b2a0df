"""The operator's side of the door to the services on a clone: `onhost/shadow_gate.py`.

It is used as a session of keystoneauth is: calls with a token that the source gave, to read.
"""

import json
from collections.abc import Mapping
from queue import Empty, LifoQueue
from threading import BoundedSemaphore
from types import SimpleNamespace, TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from migrate.cloud.api import Api
from migrate.cloud.host import Host

WAYS = 3  # streams beside those of databases; sshd gives ten


class UnansweredError(OSError):
    """The door itself gave no answer."""


class Gate:
    """Several streams to the door of *host*, at most `WAYS`, made as they are needed."""

    def __init__(self, host: Host, path: str) -> None:
        self._host, self._path = host, path
        self._places = BoundedSemaphore(WAYS)
        self._idle: LifoQueue[Any] = LifoQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def ask(
        self, method: str, url: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Status and text; status 0 where the service did not answer."""
        line = json.dumps({"method": method, "url": url, "headers": dict(headers or {})})
        with self._places:
            stream = self._stream()
            try:
                stream.sendall(line.encode() + b"\n")
                told = _line(stream)
            except BaseException:
                stream.close()
                raise
            self._idle.put(stream)
        answer = json.loads(told)
        return int(answer["status"]), str(answer["text"])

    def _stream(self) -> Any:
        try:
            return self._idle.get_nowait()
        except Empty:
            return self._host.unix_stream(self._path)


def _line(stream: Any) -> bytes:
    found = bytearray()
    while not found.endswith(b"\n"):
        part = stream.recv(262144)
        if not part:
            raise UnansweredError("the door to the services on the clone is shut")
        found += part
    return bytes(found)


class Answer:
    """As much of an answer as `Api` reads."""

    def __init__(self, status: int, text: str) -> None:
        self.status_code, self.text = status, text

    def json(self) -> Any:
        """What the text says."""
        return json.loads(self.text)


class Session:
    """Calls through *gate* with the token of *access*, which no call can renew."""

    def __init__(self, gate: Gate, access: Any) -> None:
        self._gate, self._access = gate, access
        self.auth = self

    def get_access(self, _session: object) -> Any:
        """The source's answer to the login, with its catalogue."""
        return self._access

    def get(
        self, url: str, *, params: Mapping[str, str], headers: Mapping[str, str], **_: object
    ) -> Answer:
        """What is told at *url*."""
        return self._asked("GET", url, params, headers)

    def head(
        self, url: str, *, params: Mapping[str, str], headers: Mapping[str, str], **_: object
    ) -> Answer:
        """Whether it is told."""
        return self._asked("HEAD", url, params, headers)

    def _asked(
        self, method: str, url: str, params: Mapping[str, str], headers: Mapping[str, str]
    ) -> Answer:
        asked = f"{url}{'&' if '?' in url else '?'}{urlencode(params)}" if params else url
        own = {**headers, "X-Auth-Token": str(self._access.auth_token)}
        try:
            return Answer(*self._gate.ask(method, asked, own))
        except OSError as error:
            return Answer(0, str(error))


def api(gate: Gate, of: Api, address: str) -> Api:
    """The user that *of* is to the source, asking what is behind *gate* at its own *address*."""
    connection = of.connection
    access = connection.session.auth.get_access(connection.session)
    asking = SimpleNamespace(session=Session(gate, access), config=connection.config)
    return Api(asking, address=address)
