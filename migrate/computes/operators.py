"""A command of the operator's own, as the stack file names it.

What it says may hold secrets: it is kept in a file that only its user reads, and no error tells it.

`kill -9` of migrate leaves it running. So there is a file from before it starts until it has ended,
whose lock is handed down to it: the kernel keeps that until all of it has ended. What it starts
carries its mark, no other command's, by which it is found and ended. Where it has ended by itself,
what it has left is meant to stay, as a machine that it has started: so the file says, behind the
mark, which process it is, until we begin to end it.
"""

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine import state_directory
from migrate.errors import LockedError, RefusedError, UnreachableError
from migrate.onhost import disk, processes

LOOK_SECONDS, END_SECONDS = 0.2, 10.0
RUNNING = ".running"  # of the file's name
MARK = "MIGRATE_COMMAND"
NOT_OURS = (
    "still runs and is not ours to end: `sudo fuser -v {}` names its processes, end these first"
)


def run(context: Context, asked: Sequence[str], name: str, seconds: float) -> str:
    """What went wrong with the command *asked*, "" where nothing did; its log is *name*.log."""
    path, log = _home(context) / f"{name}{RUNNING}", context.home / f"{name}.log"
    with _lock(path) as lock:
        if lock is None:
            return f"{asked[0]} was started before and {NOT_OURS.format(path)}"
        state_directory.keep(log, "")
        try:
            running = _start(asked, path, lock, log)
        except OSError as error:
            state_directory.forget(path)
            return f"{asked[0]} cannot be run: {error.strerror}"
    wrong = _ended(context, running, path, seconds)
    return f"{asked[0]} {wrong}; what it said is in {log}" if wrong else ""


def end_left(context: Context) -> list[str]:
    """End commands that a killed run has left running here; which they were.

    LockedError where one cannot be ended: what it does to a host would meet what comes now. Only
    for whoever holds the lock of the state directory.
    """
    told = []
    for path in sorted(_home(context).glob(f"*{RUNNING}")):
        if _is_free(path) or _has_ended(path):
            state_directory.forget(path)
            continue
        left = [str(pid) for pid in _marked(path)]
        if not _end(path):
            raise LockedError(
                f"the command of {path.stem} outlived its run and {NOT_OURS.format(path)}"
            )
        if left:
            told.append(f"the command of {path.stem}, process {', '.join(left)}")
    return told


def runs(context: Context, name: str) -> bool:
    """Whether the command *name* was begun here and is not known to have ended."""
    return (_home(context) / f"{name}{RUNNING}").exists()


def _start(asked: Sequence[str], path: Path, lock: int, log: Path) -> subprocess.Popen[bytes]:
    mark = f"{path} {secrets.token_hex(8)}"
    os.ftruncate(lock, 0)
    os.write(lock, f"{mark}\n".encode())
    with log.open("a") as written:
        running = subprocess.Popen(
            asked,
            # a shell closes the one to what it starts in the background, sudo the other; nothing
            # is to be read there
            stdin=lock,
            pass_fds=[lock],
            stdout=written,
            stderr=subprocess.STDOUT,
            env={**os.environ, MARK: mark},
            start_new_session=True,  # Ctrl-C is ours to act on
        )
    with suppress(OSError):  # a full disk
        os.write(lock, _process(running.pid).encode())
    return running


def _ended(context: Context, running: subprocess.Popen[bytes], path: Path, seconds: float) -> str:
    """Wait for it, as long as nobody interrupts the run; what is wrong with how it ended."""
    deadline = time.monotonic() + seconds
    try:
        while (status := running.poll()) is None:
            if context.run and context.run.interrupted.wait(LOOK_SECONDS):
                return _cut_off(path, "was interrupted")
            if time.monotonic() > deadline:
                return _cut_off(path, f"did not end within {seconds} s")
            if not context.run:
                time.sleep(LOOK_SECONDS)
    except BaseException:
        _end(path)
        raise
    state_directory.forget(path)
    return f"exited {status}" if status else ""


def _cut_off(path: Path, why: str) -> str:
    return f"{why}, and " + (
        "was ended with all that it had started" if _end(path) else NOT_OURS.format(path)
    )


def _end(path: Path) -> bool:
    """TERM for all of the command, then KILL for what is left; whether nothing is."""
    with suppress(FileNotFoundError):
        os.truncate(path, len(f"{_mark(path)}\n".encode()))  # it does not end by itself
    for sent in (signal.SIGTERM, signal.SIGKILL):
        deadline, told = time.monotonic() + END_SECONDS, set[int]()
        while (left := _marked(path)) or not _is_free(path):
            for pid in set(left) - told:
                with suppress(PermissionError):
                    processes.kill(pid, sent)
            told.update(left)
            if time.monotonic() > deadline:
                break
            time.sleep(LOOK_SECONDS)
        else:
            state_directory.forget(path)
            return True
    return False


def _marked(path: Path) -> list[int]:
    """Living processes of the command, of those that we may look at."""
    found, mark = [], _mark(path)
    for pid in processes.ids() if mark else ():
        with suppress(OSError):
            if f"{MARK}={mark}" in processes.strings(pid, "environ"):
                found.append(pid)
    return found


def _mark(path: Path) -> str:
    return disk.text_if_there(str(path)).partition("\n")[0]


def _process(pid: int) -> str:
    """What tells process *pid* of this machine from any other; "" where it has ended."""
    try:
        return f"{socket.gethostname()} {pid} {processes.started(pid)}"
    except OSError:
        return ""


def _has_ended(path: Path) -> bool:
    """Whether the command itself has, which began on this machine, and nobody was ending it."""
    told = disk.text_if_there(str(path)).partition("\n")[2]
    desk, _, rest = told.partition(" ")
    return desk == socket.gethostname() and _process(int(rest.split()[0])) != told


def _is_free(path: Path) -> bool:
    with _lock(path) as lock:
        return lock is not None


@contextmanager
def _lock(path: Path) -> Iterator[int | None]:
    """A descriptor that holds the lock *path*, None where somebody else does.

    It lasts as long as any copy of the descriptor: whoever inherited one has it too.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise state_directory.unwritten(path, error.strerror or str(error)) from error
    try:
        yield descriptor if _taken(descriptor) else None
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _home(context: Context) -> Path:
    return context.home.resolve()  # in the mark, whatever folder the next command begins in


def answers(reach: Callable[[], Host]) -> bool:
    """Whether the host does after it; RefusedError where it lets nobody in: no waiting helps."""
    try:
        reach().run("true", timeout=10)
    except RefusedError:
        raise
    except UnreachableError:
        return False
    return True
