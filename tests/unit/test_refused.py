"""A host that answers and does not let us in is not dead."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, NoReturn

import paramiko
import pytest

from migrate.cloud.host import SshHost
from migrate.cloud.hosts import living
from migrate.engine.journal import Journal
from migrate.errors import RefusedError, UnreachableError
from migrate.phases import rollback
from migrate.phases.plan import compose
from migrate.phases.session import Session
from migrate.takeover.gate import close
from tests.unit import fakes


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (paramiko.AuthenticationException("Authentication failed."), True),
        (paramiko.BadAuthenticationType("Bad authentication type", ["password"]), True),
        (paramiko.SSHException("No authentication methods available"), True),
        (paramiko.SSHException("No existing session"), True),  # after too many keys
        (paramiko.SSHException("Server 'new' not found in known_hosts"), True),
        (paramiko.AuthenticationException("Authentication timeout."), False),
        (paramiko.SSHException("Error reading SSH protocol banner"), False),
        (EOFError(), False),
        (TimeoutError("timed out"), False),
    ],
)
def test_what_ssh_says(monkeypatch: pytest.MonkeyPatch, error: Exception, refused: bool) -> None:
    def connect(_: SshHost) -> NoReturn:
        raise error

    monkeypatch.setattr(SshHost, "_connect", connect)
    host = SshHost("new", "10.0.0.12", user="root", key=None, known_hosts=None)
    with pytest.raises(UnreachableError, match=r"^new \(root@10\.0\.0\.12\): ") as caught:
        host.run("true")
    assert isinstance(caught.value, RefusedError) is refused


def test_who_does_not_answer_is_told_by_the_system_s_own_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # without a known_hosts, which is no reason
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))  # nobody listens
        port = line.getsockname()[1]
        host = SshHost("new", "127.0.0.1", user="root", key=None, known_hosts=None, port=port)
        with pytest.raises(UnreachableError) as caught:
            host.run("true")
    told = f"new (root@127.0.0.1): cannot be reached: Connection refused, port {port}"
    assert str(caught.value) == told


class Shut(fakes.FakeHost):
    def _note(self, what: str) -> None:
        raise RefusedError(f"{self.name}: ssh refused the key", self.name)


def test_a_target_that_does_not_let_us_in_is_not_passed_over(tmp_path: Path) -> None:
    context, hosts = fakes.context(tmp_path)
    hosts["new2"].__class__ = Shut
    journal = Journal(tmp_path / "journal", "rollback")
    session = Session(context, compose(context), journal)
    with pytest.raises(RefusedError, match=r"ssh refused the key\. It lives.*switch the machine"):
        rollback.rollback(session, lambda *_: None)
    assert journal.is_empty()
    journal.close()
    assert [host.asked for host in hosts.values()] == [[], [], ["true"], []]


def test_the_target_is_closed_without_a_host_that_cannot_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fakes.ANSWERS, "addresses.own", ["10.0.0.2"])
    context, hosts = fakes.context(tmp_path, "new2")
    hosts["compute"].__class__ = Shut
    assert close.own_addresses(context, living=True) == ["10.0.0.2", "127.0.0.0/8"]
    with pytest.raises(UnreachableError):
        close.own_addresses(context)


def test_all_that_do_not_let_us_in_are_told_as_such(tmp_path: Path) -> None:
    context, hosts = fakes.context(tmp_path)
    for host in hosts.values():
        host.__class__ = Shut
    those: Any = context.target.controllers
    with pytest.raises(RefusedError, match="new: ssh refused the key; new2: ssh refused") as caught:
        living(those, lambda host: host.run("true"))
    assert caught.value.hosts == {"new", "new2"}
