"""Connections past the front, with real sockets: each is ended while it is idle, and not before."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import pytest

from migrate.onhost import bypassing
from tests.wait import waits_for

pytestmark = pytest.mark.integration

ANSWER = b"an answer of more than sixteen bytes"


class Pair:
    """A client and what it is connected to."""

    def __init__(self, listener: socket.socket) -> None:
        self.client = socket.create_connection(listener.getsockname())
        self.server, _ = listener.accept()

    def ask(self) -> None:
        self.client.sendall(b"a question")

    def answer(self) -> None:
        self.server.recv(100)
        self.server.sendall(ANSWER)
        self.client.recv(100)

    def ended(self) -> bool:
        """Whether the client's next call would find out."""
        self.client.settimeout(0.2)
        try:
            return self.client.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def left(listener: socket.socket, *, idle: bool = True, pids: tuple[int, ...] = ()) -> list[str]:
    return bypassing.end([listener.getsockname()], "127.0.0.77", pids, idle=idle)


def test_an_idle_one_is_ended_and_a_busy_one_when_it_is_idle(listener: socket.socket) -> None:
    idle, busy, new = Pair(listener), Pair(listener), Pair(listener)
    idle.ask()
    idle.answer()
    busy.ask()
    time.sleep(0.1)
    told = left(listener)
    assert idle.ended()
    where = [f"127.0.0.1:{one.client.getsockname()[1]} at " for one in (busy, new)]
    assert sorted(line.partition(" at ")[0] + " at " for line in told) == sorted(where)
    busy.answer()
    assert waits_for(
        lambda: len(left(listener)) == 1
    )  # one that has not asked anything is not idle
    assert busy.ended()
    assert left(listener, idle=False) == []
    assert new.ended()


def test_what_the_front_has_is_spared(listener: socket.socket) -> None:
    mine = Pair(listener)
    mine.ask()
    mine.answer()
    time.sleep(0.1)
    assert left(listener, pids=(os.getpid(),)) == []
    assert not mine.ended()
