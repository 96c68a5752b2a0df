"""SshHost against a real sshd: what it promises, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from migrate.cloud.host import SshHost
from migrate.errors import CommandError, UnreachableError
from tests.integration import sshd as real

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def sshd() -> Iterator[real.Sshd]:
    # pytest's own folder is closed to the plain user, as whom sshd reads authorized_keys
    with tempfile.TemporaryDirectory(prefix="sshd-") as folder:
        Path(folder).chmod(0o755)
        with real.running(Path(folder)) as server:
            yield server


def connect(sshd: real.Sshd, user: str = "root", known_hosts: Path | None = None) -> SshHost:
    known = known_hosts or sshd.known_hosts
    return SshHost(
        "ctl-0", sshd.address, user=user, key=sshd.key, known_hosts=known, port=real.PORT
    )


@pytest.fixture
def host(sshd: real.Sshd) -> Iterator[SshHost]:
    connected = connect(sshd)
    yield connected
    connected.close()


@pytest.fixture
def plain_user() -> Iterator[str]:
    name = "sidestep-plain"
    subprocess.run(
        ["useradd", "--no-create-home", "--password", "*", "--shell", "/bin/bash", name], check=True
    )
    yield name
    subprocess.run(["pkill", "-u", name], check=False)
    subprocess.run(["userdel", "--force", name], check=True)


AWKWARD = "a b'c\"d\\e$f`g%h;i\nj\té"


def test_arguments_arrive_as_they_are(host: SshHost) -> None:
    assert host.run("printf", "%s", AWKWARD) == AWKWARD


def test_scripts_and_stdin_arrive_as_they_are(host: SshHost) -> None:
    assert host.shell('printf %s "$1"', AWKWARD) == AWKWARD
    assert host.run("cat", stdin=AWKWARD * 50_000) == AWKWARD * 50_000


def test_python_takes_and_gives_values(host: SshHost) -> None:
    assert host.python("result = {'got': payload}", {"text": AWKWARD}) == {"got": {"text": AWKWARD}}


def test_large_output_is_not_quadratic(host: SshHost) -> None:
    start = time.monotonic()
    assert len(host.run("head", "-c", "8000000", "/dev/zero")) == 8_000_000
    assert time.monotonic() - start < 60


def test_a_script_stops_at_its_first_error(host: SshHost) -> None:
    with pytest.raises(CommandError, match=r"exited 3: bad") as caught:
        host.shell("false | true || { echo bad >&2; exit 3; }; echo never")
    assert caught.value.status == 3


def test_a_command_ends_at_its_deadline_on_the_host_too(host: SshHost) -> None:
    with pytest.raises(CommandError, match="did not end in time"):
        host.run("sleep", "41.25", timeout=0.5)
    assert not host.succeeds("pgrep", "-f", "^sleep 41.25")


def test_written_files_are_never_open_to_others(host: SshHost, tmp_path: Path) -> None:
    path = tmp_path / "secret file"
    old = os.umask(0)
    try:
        host.write(str(path), "pass word", mode=0o600)
    finally:
        os.umask(old)
    assert path.read_text() == "pass word"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_many_threads_share_one_connection(host: SshHost) -> None:
    with ThreadPoolExecutor(30) as pool:
        said = list(pool.map(lambda n: host.run("echo", str(n)).strip(), range(60)))
    assert said == [str(n) for n in range(60)]


def test_unix_stream_reaches_a_socket(host: SshHost, tmp_path: Path) -> None:
    import socket

    path = str(tmp_path / "socket")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def echo() -> None:
        peer, _ = server.accept()
        peer.sendall(peer.recv(100).upper())
        peer.close()

    thread = threading.Thread(target=echo)
    thread.start()
    stream = host.unix_stream(path)
    stream.sendall(b"hello")
    assert stream.recv(100) == b"HELLO"
    stream.close()
    thread.join()
    server.close()


def test_an_unknown_host_key_is_refused(sshd: real.Sshd, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.touch()
    with pytest.raises(UnreachableError, match="host key is unknown; add it to known_hosts"):
        connect(sshd, known_hosts=empty).run("true")


def test_a_changed_host_key_is_refused(sshd: real.Sshd, tmp_path: Path) -> None:
    other = sshd.key.with_suffix(".pub").read_text().split()[:2]
    changed = tmp_path / "known_hosts"
    changed.write_text(f"[{sshd.address}]:{real.PORT} {' '.join(other)}\n")
    with pytest.raises(UnreachableError, match="host key has changed"):
        connect(sshd, known_hosts=changed).run("true")


def test_a_user_without_sudo_is_one_clear_line(sshd: real.Sshd, plain_user: str) -> None:
    host = connect(sshd, user=plain_user)
    with pytest.raises(CommandError, match="sudo"):
        host.run("true")
    host.close()


def test_a_host_that_does_not_answer_is_named(sshd: real.Sshd) -> None:
    host = SshHost("gone", "127.0.77.2", user="root", key=sshd.key, known_hosts=sshd.known_hosts)
    with pytest.raises(UnreachableError, match=r"gone \(root@127.0.77.2\): cannot be reached"):
        host.run("true")


@pytest.fixture
def deaf(sshd: real.Sshd) -> Iterator[Callable[[], object]]:
    """What makes every answer of the host get lost; until the test ends."""
    table = f"""
table inet sidestep_line {{
  chain lost {{
    type filter hook input priority 0;
    ip saddr {sshd.address} tcp sport {real.PORT} drop
  }}
}}
"""
    yield lambda: subprocess.run(["nft", "-f", "-"], input=table, text=True, check=True)
    subprocess.run(["nft", "delete", "table", "inet", "sidestep_line"], check=False)


def test_a_line_that_goes_dead_is_told_before_the_commands_deadline(
    host: SshHost, deaf: Callable[[], object]
) -> None:
    host.run("true")
    with ThreadPoolExecutor() as pool:
        long = pool.submit(host.run, "sleep", "300", timeout=300)
        time.sleep(0.5)
        deaf()
        with pytest.raises(UnreachableError, match="connection broke while a command ran"):
            long.result()


def test_a_broken_connection_is_told_and_made_again(sshd: real.Sshd, host: SshHost) -> None:
    failures: list[BaseException] = []

    def long() -> None:
        try:
            host.run("sleep", "300", timeout=300)
        except UnreachableError as error:
            failures.append(error)

    host.run("true")
    thread = threading.Thread(target=long)
    thread.start()
    time.sleep(0.5)
    subprocess.run(["pkill", "-P", str(sshd.pid)], check=True)
    thread.join(timeout=100)
    assert failures
    assert host.run("echo", "back") == "back\n"
