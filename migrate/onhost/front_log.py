"""The front's log: a line for each call and each beat, in files that are never more than so many.

HAProxy throws each line at a socket and waits for nobody, so neither a full disk nor a dead reader
stops a call. `python3 -m migrate.onhost.front_log` reads them: of paths no more than the API's own
words is kept, of queries nothing. A line, times in ms, -1 where it never came to that:

    1764428531.123 8774 GET 200 -- 0 0 1 230 231 acts_8774 /v2.1/servers/*
    ended, port, method, status, how it ended, request, queue, connect, answer, all, where, path

A call that was held has it in `request`.

    1764428531.200 beat         it lives
    1764428531.300 lost 12      so many lines could not be kept
"""

import base64
import os
import re
import shutil
import socket
import time
import zlib
from collections import deque
from typing import Any

from migrate.onhost import disk, own_unit, record, systemd

FOLDER = f"{record.FOLDER}/front-log"
PROGRAM = f"{FOLDER}/program"
RUN = "/run/migrate-front"
SOCKET = f"{RUN}/log"
UNIT = "migrate-front-log.service"
BEAT = "beat"
LOST = "lost"
FILE_BYTES, FILES = 8 << 20, 8
LEFT_BYTES = 256 << 20  # of the disk, which are never taken
PAUSE = 0.5  # seconds in which lines are gathered before they are written
WAITING = 200_000  # lines that wait for room on the disk; older ones are lost
MOST = 4 << 20  # bytes that one call reads
NUMBERED = re.compile(r"(\d{8})\.log")
VERSION = re.compile(r"v\d+(\.\d+)?")
PROJECT = re.compile(r"[0-9a-f-]{32,36}")
WORD = re.compile(r"[a-z][a-z_-]{1,23}")
TEXT = f"""[Unit]
Description=What the front of the cloud's APIs logs while it is moved (migrate)

[Service]
Environment=PYTHONPATH={PROGRAM} PYTHONDONTWRITEBYTECODE=1
ExecStart=/usr/bin/python3 -m migrate.onhost.front_log
RuntimeDirectory={os.path.basename(RUN)}
RuntimeDirectoryMode=0711
Restart=always
RestartSec=1
Nice=5

[Install]
WantedBy=multi-user.target
"""


def stand(program: dict[str, str], writer: str) -> None:
    """Have it read; *writer* is the account of the front, "" for root. Safe to repeat."""
    disk.make_private(FOLDER)
    disk.write(f"{FOLDER}/writer", writer, 0o600)
    own_unit.put_up(UNIT, TEXT, PROGRAM, program)


def reads() -> bool:
    """Whether it does."""
    return bool(systemd.members([UNIT]))


def leave() -> None:
    """No trace of it; safe to repeat."""
    own_unit.remove(UNIT)
    shutil.rmtree(FOLDER, ignore_errors=True)
    record.tidy()


def read(number: int, offset: int) -> dict[str, Any]:
    """What was kept from *offset* of the file *number* on, and where to read on.

    {"number": 3, "offset": 4711, "data": lines in base64 of zlib, "more": False}; where that file
    has gone, from the oldest on.
    """
    kept = _numbers(FOLDER)
    later = [one for one in kept if one >= number]
    if not later or later[0] != number:
        number, offset = (later[0] if later else number), 0
    data = b""
    if later:
        with open(_path(FOLDER, number), "rb") as stream:
            stream.seek(offset)
            data = stream.read(MOST)
        data = data[: data.rfind(b"\n") + 1]
        offset += len(data)
        if not data and later[1:]:
            number, offset = later[1], 0
    return {
        "number": number,
        "offset": offset,
        "data": base64.b64encode(zlib.compress(data)).decode(),
        "more": bool(later[1:]) or len(data) > MOST // 2,
    }


def kept(line: str) -> str:
    """*line* of the front as it is kept; "" for what is none."""
    words = line.split()
    if len(words) == 2 and words[1] == BEAT:
        return f"{_seconds(words[0])} {BEAT}"
    if len(words) != 12:
        return ""
    return " ".join([_seconds(words[0]), *words[1:-1], _reduced(words[-1])])


def _seconds(text: str) -> str:
    return f"{text[:-3]}.{text[-3:]}"


def _reduced(path: str) -> str:
    """The version and the first word of *path*; the rest can name what is a user's own."""
    parts = [one for one in path.partition("?")[0].split("/") if one]
    found = []
    for one in parts:
        word = WORD.fullmatch(one)
        found.append(one if word or VERSION.fullmatch(one) else "*")
        if word or (found[-1] == "*" and not PROJECT.fullmatch(one)):
            break
    rest = found[-1:] not in ([], ["*"]) and len(parts) > len(found)
    return "/" + "/".join([*found, "*"] if rest else found)


class Ring:
    """Files in *folder*, of which the oldest goes when there are too many or too little room."""

    def __init__(self, folder: str, size: int = FILE_BYTES, files: int = FILES) -> None:
        self._folder, self._size, self._files = folder, size, files
        self._waiting: deque[str] = deque(maxlen=WAITING)
        self._lost = 0

    def add(self, line: str) -> None:
        """Keep *line* at the next `flush`."""
        self._lost += len(self._waiting) == WAITING
        self._waiting.append(line)

    def flush(self) -> None:
        """Write what waits; where there is no room it waits on, or the oldest of it is lost."""
        if not self._waiting:
            return
        lines = [*self._waiting]
        if self._lost:
            lines.insert(0, f"{time.time():.3f} {LOST} {self._lost}")
        numbers = _numbers(self._folder)
        path = _path(self._folder, numbers[-1] if numbers else 1)
        try:
            if numbers and os.path.getsize(path) > self._size:
                path = _path(self._folder, numbers[-1] + 1)
                for old in numbers[: max(0, len(numbers) - self._files + 1)]:
                    os.unlink(_path(self._folder, old))
            self._write(path, "".join(f"{one}\n" for one in lines).encode())
        except OSError:
            return
        self._waiting.clear()
        self._lost = 0

    def _write(self, path: str, data: bytes) -> None:
        """All of *data* or nothing of it."""
        room = os.statvfs(self._folder)
        if room.f_bavail * room.f_frsize < LEFT_BYTES:
            raise OSError("the disk has no room for a log")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        before = os.fstat(descriptor).st_size
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:
            os.ftruncate(descriptor, before)
            raise
        finally:
            os.close(descriptor)


def follow(line: socket.socket, ring: Ring) -> None:
    """Keep what comes on *line*, for as long as it is there."""
    line.settimeout(PAUSE)
    written = time.monotonic()
    while True:
        try:
            if one := kept(line.recv(65536).decode(errors="replace")):
                ring.add(one)
        except socket.timeout:  # another error than TimeoutError before Python 3.10
            pass
        if time.monotonic() > written + PAUSE:
            ring.flush()
            written = time.monotonic()


def _numbers(folder: str) -> list[int]:
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = (NUMBERED.fullmatch(name) for name in names)
    return sorted(int(one[1]) for one in found if one)


def _path(folder: str, number: int) -> str:
    return f"{folder}/{number:08}.log"


def main() -> None:
    """Read what the front throws here until it is stopped."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    disk.remove(SOCKET)
    line.bind(SOCKET)
    writer = disk.text(f"{FOLDER}/writer")
    shutil.chown(SOCKET, writer or "root")
    os.chmod(SOCKET, 0o600)
    follow(line, Ring(FOLDER))


if __name__ == "__main__" and os.environ.get("PYTHONPATH", "").startswith(FOLDER):
    main()
