"""One machine reached over ssh. The only module that imports fabric and paramiko."""

import json
import shlex
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import fabric
import paramiko

from migrate import onhost
from migrate.cloud import known_hosts
from migrate.cloud.admission import Run
from migrate.errors import CommandError, HostKeyError, RefusedError, SettingsError, UnreachableError

CONNECT_SECONDS = 10
ALIVE_SECONDS, LINE_SECONDS = 5, 20  # something is sent so often; not acknowledged so long is dead
SESSIONS = 8  # sshd's MaxSessions is 10 by default, and a stream or two may be open beside these
MARK = "--- result of migrate ---"
# what paramiko says of a host that answers, beside `AuthenticationException`
NOT_LET_IN = ("No authentication methods available", "No existing session")


def refuse_missing(key: Path | None, known_hosts: Path | None) -> None:
    """SettingsError for a file of ssh that is not there: a slip, not a host that is down."""
    if known_hosts is not None and not known_hosts.is_file():
        raise SettingsError(
            f"sidestep:ssh.knownHosts: there is no file {known_hosts}; compare the hosts' keys "
            "with their consoles and write them there"
        )
    if key is not None and not key.is_file():
        raise SettingsError(f"sidestep:ssh.key: there is no file {key}")


class Host(onhost.Machine, Protocol):
    """What the program may ask of a machine; everything runs as root. Tests pass a fake."""

    name: str
    address: str

    def run(self, *argv: str, stdin: str = "", timeout: float = 60) -> str:
        """Run *argv*, return its stdout. Raises CommandError (non-zero) or UnreachableError."""
        ...

    def succeeds(self, *argv: str, timeout: float = 60) -> bool:
        """Whether *argv* exits 0; an unreachable host still raises."""
        ...

    def shell(self, script: str, *args: str, timeout: float = 60) -> str:
        """Run *script* by bash with errexit, nounset and pipefail; *args* are `$1` and on.

        The script travels by stdin, so it may hold what must not show in a process list.
        """
        ...

    def read(self, path: str) -> str:
        """The text of *path*. Raises CommandError where it is missing."""
        ...

    def write(
        self, path: str, content: str, *, mode: int = 0o640, owner: str = "root:root"
    ) -> None:
        """Replace *path* atomically and durably; never readable by more than *mode* lets."""
        ...

    def exists(self, path: str) -> bool:
        """Whether *path* is there, of any kind, a dangling link too."""
        ...

    def unix_stream(self, path: str) -> Any:
        """A socket-like channel to the unix socket *path* of the host; the caller closes it."""
        ...

    def channel(self, *argv: str) -> Any:
        """*argv* running, as a channel for bulk: `recv`, `sendall`, `recv_exit_status`, `close`."""
        ...


class SshHost:
    """A host over one ssh connection, made at first use and made again after it broke."""

    def __init__(
        self,
        name: str,
        address: str,
        *,
        user: str,
        key: Path | None,
        known_hosts: Path | None,
        port: int = 22,
        run: Run | None = None,
        patience: float = CONNECT_SECONDS,
    ) -> None:
        self.name, self.address = name, address
        self._run, self._patience = run, patience
        self._user, self._key, self._known_hosts, self._port = user, key, known_hosts, port
        self._lock = threading.Lock()
        self._sessions = threading.BoundedSemaphore(SESSIONS)
        self._connections: dict[str, fabric.Connection] = {}

    def run(self, *argv: str, stdin: str = "", timeout: float = 60) -> str:
        status, out, err = self._execute(argv, stdin, timeout)
        if status:
            raise CommandError(self.name, shlex.join(argv)[:200], status, err or out)
        return out

    def succeeds(self, *argv: str, timeout: float = 60) -> bool:
        return self._execute(argv, "", timeout)[0] == 0

    def shell(self, script: str, *args: str, timeout: float = 60) -> str:
        argv = ("bash", "-euo", "pipefail", "-s", "--", *args)
        # a group is read whole before it runs: half a script of a run that died does nothing
        status, out, err = self._execute(argv, f"{{\n{script}\n}}\n", timeout)
        if status:
            first = next((line for line in script.splitlines() if line.strip()), "")
            raise CommandError(self.name, f"script {first.strip()[:80]!r}", status, err or out)
        return out

    def python(
        self,
        source: str,
        payload: object = None,
        timeout: float = 60,
        interpreter: Sequence[str] = ("python3",),
    ) -> Any:
        # one literal: half of it, of a run that died, is a syntax error and does nothing
        script = (
            f"import json\npayload = json.loads({json.dumps(payload)!r})\nresult = None\n"
            f"exec(compile({source!r}, '<migrate>', 'exec'))\n"
            f"print({MARK!r})\nprint(json.dumps(result))\n"
        )
        status, out, err = self._execute((*interpreter, "-"), script, timeout)
        _, found, answer = out.rpartition(MARK)
        if status or not found:
            first = next((line for line in source.splitlines() if line.strip()), "")
            raise CommandError(self.name, f"python {first.strip()[:80]!r}", status, err or out)
        return json.loads(answer)

    def read(self, path: str) -> str:
        return self.run("cat", "--", path)

    def write(
        self, path: str, content: str, *, mode: int = 0o640, owner: str = "root:root"
    ) -> None:
        user, _, group = owner.partition(":")
        self.run(
            *("bash", "-euc"),
            'staged=$(mktemp "$1.XXXXXXXX"); trap \'rm -f "$staged"\' EXIT; cat >"$staged"; '
            # a writer that died half-way looks like one that has ended
            'test "$(stat -c %s "$staged")" = "$5" || { echo "it came cut short" >&2; exit 1; }; '
            'chown "$2:$3" "$staged"; chmod "$4" "$staged"; sync "$staged"; mv -fT "$staged" "$1"; '
            'trap - EXIT; sync "$(dirname "$1")"',  # it may be what an act is undone by
            *("write", path, user, group or user, f"{mode:o}", str(len(content.encode()))),
            stdin=content,
        )

    def exists(self, path: str) -> bool:
        return self.succeeds("test", "-e", path) or self.succeeds("test", "-L", path)

    def unix_stream(self, path: str) -> paramiko.Channel:
        return self.channel("python3", "-c", onhost.source("bridge"), path)

    def channel(self, *argv: str) -> paramiko.Channel:
        with self._explained():
            command = self._as_root(argv)
            opened = self._channel("streams")
            opened.exec_command(command)
            return opened

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        with self._lock:
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()

    def _as_root(self, argv: tuple[str, ...]) -> str:
        command = shlex.join(self._run.command(self.name, argv) if self._run else argv)
        return command if self._user == "root" else f"sudo -n -- {command}"

    def _execute(self, argv: tuple[str, ...], stdin: str, timeout: float) -> tuple[int, str, str]:
        # the far side ends the command too: a dropped operator must not leave it running for ever
        bounded = ("timeout", "--kill-after=5", f"{timeout:g}", *argv)
        with self._sessions, self._explained():
            command = self._as_root(bounded)
            channel = self._channel("commands")
            try:
                channel.exec_command(command)
                ended = self._converse(channel, stdin.encode(), time.monotonic() + timeout + 10)
            finally:
                channel.close()
        if self._run:
            self._run.check(self.name, ended[0], ended[2])
        return ended

    def _converse(
        self, channel: paramiko.Channel, stdin: bytes, deadline: float
    ) -> tuple[int, str, str]:
        out, err, began = bytearray(), bytearray(), time.monotonic()
        channel.settimeout(0.0)
        pending = memoryview(stdin)
        closed = False
        while True:
            moved = _taken(channel, out, err)
            if pending and channel.send_ready():
                try:
                    sent = channel.send(bytes(pending[:32768]))
                    pending = pending[sent:]
                    moved = moved or sent > 0
                except OSError:
                    pending = pending[:0]  # the command ended without reading all: its status tells
            elif not pending and not closed:
                channel.shutdown_write()
                closed = moved = True
            if moved:
                continue
            if channel.closed or (channel.exit_status_ready() and channel.eof_received):
                break
            if time.monotonic() > deadline:
                return 124, out.decode(errors="replace"), "it gave no answer before its deadline"
            # a short command is noticed at once, a long one costs no core that looks at it
            time.sleep(min(0.05, max(0.002, (time.monotonic() - began) / 20)))
        return self._ended(channel, out, err)

    def _ended(
        self, channel: paramiko.Channel, out: bytearray, err: bytearray
    ) -> tuple[int, str, str]:
        _taken(channel, out, err)
        status = channel.recv_exit_status() if channel.exit_status_ready() else -1
        if status < 0:  # no number: a signal ended `timeout` itself, or the connection broke
            if channel.get_transport().is_active():
                return 143, out.decode(errors="replace"), "it was ended by a signal"
            self._forget()
            raise UnreachableError(
                f"{self.name}: the ssh connection broke while a command ran", self.name
            )
        return status, out.decode(errors="replace"), err.decode(errors="replace")

    def _channel(self, use: str) -> paramiko.Channel:
        with self._lock, self._explained():
            connection = self._connections.get(use)
            if connection is None or not connection.is_connected:
                connection = self._connections[use] = self._connect()
            transport = connection.transport
            channel: paramiko.Channel = transport.open_session(timeout=self._patience)
            return channel

    def _connect(self) -> fabric.Connection:
        refuse_missing(self._key, self._known_hosts)
        keys: dict[str, Any] = {
            "look_for_keys": self._key is None,
            "allow_agent": self._key is None,
        }
        if self._patience < CONNECT_SECONDS:
            keys |= {"banner_timeout": self._patience, "auth_timeout": self._patience}
        if self._key is not None:
            keys["key_filename"] = str(self._key)
        connection = fabric.Connection(
            self.address,
            user=self._user,
            port=self._port,
            connect_timeout=self._patience,
            connect_kwargs=keys,
            config=fabric.Config(lazy=True),
        )
        # fabric installs AutoAddPolicy and loads no known_hosts (fabric#2071): undo both
        known_hosts.add(
            connection.client.get_host_keys(), self._known_hosts or known_hosts.of_the_user()
        )
        connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        connection.open()
        self._watch(connection.transport)
        return connection

    @staticmethod
    def _watch(transport: paramiko.Transport) -> None:
        """A line on which nothing comes back any more ends long before most commands' deadlines."""
        transport.set_keepalive(ALIVE_SECONDS)
        line, option = transport.sock, getattr(socket, "TCP_USER_TIMEOUT", None)
        if isinstance(line, socket.socket) and option is not None:  # Linux has it
            line.setsockopt(socket.IPPROTO_TCP, option, LINE_SECONDS * 1000)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what a failed connection means to the operator."""
        where = f"{self.name} ({self._user}@{self.address})"
        try:
            yield
        except paramiko.BadHostKeyException as error:
            raise HostKeyError(
                f"{where}: its ssh host key has changed; find out why, then correct known_hosts",
                self.name,
            ) from error
        except paramiko.PasswordRequiredException as error:
            raise SettingsError(
                f"{where}: the key of sidestep:ssh has a passphrase; give it to ssh-agent and "
                "leave `key` out"
            ) from error
        except paramiko.ChannelException as error:
            raise RefusedError(
                f"{where}: it gives no session ({error}); see MaxSessions of its sshd", self.name
            ) from error
        except (paramiko.SSHException, EOFError) as error:
            if _not_let_in(error):
                raise RefusedError(
                    f"{where}: ssh refused the key or the user; put the key of sidestep:ssh into "
                    "its authorized_keys",
                    self.name,
                ) from error
            if "not found in known_hosts" in str(error):
                raise RefusedError(
                    f"{where}: its ssh host key is unknown; add it to known_hosts", self.name
                ) from error
            self._forget()
            raise UnreachableError(f"{where}: ssh failed: {error}", self.name) from error
        except (TimeoutError, socket.gaierror, OSError) as error:
            self._forget()
            why = _why(error)
            raise UnreachableError(f"{where}: cannot be reached: {why}", self.name) from error

    def _forget(self) -> None:
        self._connections.clear()


def _why(error: OSError) -> str:
    """The system's own word where paramiko tells only that it has one for each address."""
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        (address, reason), *_ = error.errors.items()
        return f"{getattr(reason, 'strerror', None) or reason}, port {address[1]}"
    return str(error)


def _taken(channel: paramiko.Channel, out: bytearray, err: bytearray) -> bool:
    """Take what has come from *channel*; whether anything had."""
    before = len(out) + len(err)
    while channel.recv_ready():
        out += channel.recv(262144)
    while channel.recv_stderr_ready():
        err += channel.recv_stderr(262144)
    return len(out) + len(err) > before


def _not_let_in(error: Exception) -> bool:
    """Whether the host has answered with its key, and not taken ours."""
    if isinstance(error, paramiko.AuthenticationException):
        # it hangs, or died at this instant
        return not any(word in str(error) for word in ("timeout", "saw EOF"))
    return str(error) in NOT_LET_IN
