"""What ends while it is looked at is nobody's connection: our own checks' clients come and go."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from migrate.onhost import processes, sockets

LINE = '0 0 10.0.0.10:{port} 10.0.0.10:3306 users:(("{program}",pid={pid},fd=4))\n'


def connected(monkeypatch: pytest.MonkeyPatch, *holders: tuple[int, int]) -> list[int]:
    """The ports of what is told, where *holders* are (port, pid)."""
    text = "".join(LINE.format(port=port, program="p", pid=pid) for port, pid in holders)
    monkeypatch.setattr(sockets, "run", lambda *_: text)
    monkeypatch.setattr(sockets, "LOGIN", "no such program")  # these tests may run by ssh
    return [row["local"][1] for row in sockets.connected([3306])]


def ended() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_who_has_ended_is_connected_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connected(monkeypatch, (1001, os.getpid()), (1002, ended())) == [1001]


def test_who_ends_between_two_looks_at_him_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = ended()
    monkeypatch.setattr(processes, "groups", lambda: {gone: ["system.slice", "ssh.service"]})
    assert connected(monkeypatch, (1002, gone)) == []


def test_what_nobody_holds_is_told_when_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = "0 0 10.0.0.10:{port} 10.0.0.10:3306\n".format
    looks = [bare(port=1001) + bare(port=1002), bare(port=1002) + bare(port=1003)]
    monkeypatch.setattr(sockets, "PAUSE", 0)
    monkeypatch.setattr(sockets, "run", lambda *_: looks.pop(0))
    assert [row["local"][1] for row in sockets.connected([3306])] == [1002]


def test_who_listens_is_told_in_one_form_whatever_the_family() -> None:
    both = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    four = socket.create_server(("127.0.0.1", 0))
    with both, four:
        bound = {one.getsockname()[:2] for one in (both, four)}
        assert bound <= set(sockets.held([os.getpid()]))
        assert not bound & set(sockets.held([os.getppid()]))
        comm = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
        assert {(*one, comm) for one in bound} <= set(sockets.others([]))
        assert not [one for one in sockets.others([os.getpid()]) if one[:2] in bound]
        assert {port for _, port in bound} <= set(sockets.open_ports())


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("*", "::"),
        ("[::]", "::"),
        ("0.0.0.0", "0.0.0.0"),
        ("[::ffff:10.0.0.1]", "10.0.0.1"),
        ("[fe80::1]%eth0", "fe80::1"),
        ("127.0.0.53%lo", "127.0.0.53"),
    ],
)
def test_an_address_is_told_in_one_form(told: str, meant: str) -> None:
    assert sockets.plain(told) == meant
