"""What the transfer key opens on a source controller: these words and nothing else.

It is copied to the host and run there by sshd as a forced command; its only argument is what the
other side asked for. `allowed.json` beside it says which databases and folders may be asked for.

    hello                     the SHA-256 of this program: does the key work, and to what
    databases NAME...         a dump whose last line is a mark of completeness
    tables DATABASE.NAME...   the same of some tables, with their triggers
    seed NAME...              a dump of databases that tells its importer whence to follow
    files FOLDER              a tar stream of the files named on stdin, each ended by a zero byte
    tree FOLDER               a tar stream of all that is in it
    socket PATH               a session with a database that listens there, which ends, and is
                              refused, while its disk is too full to keep its log for a replica
"""

import hashlib
import json
import os
import re
import select
import shlex
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

DUMP = (
    *("mariadb-dump", "--single-transaction", "--hex-blob", "--triggers"),
    *("--default-character-set=utf8mb4", "--max-allowed-packet=1G"),
)
WHOLE = ("--routines", "--events", "--databases", "--")
DUMPS = {"databases": WHOLE, "seed": ("--master-data=1", "--gtid", *WHOLE)}
NAME = re.compile(r"[0-9A-Za-z_$-]{1,64}")
SHARE, LEAST, MOST = 0.05, 2**31, 1 / 3  # of a disk to be free: the greater, at most the last
DISK_FULL = 1021  # the database's own number for it
LOOK, NOTICED = 5, 7  # seconds; a server sees by its heartbeat that a replica has gone
# What the server's own rules let go of goes. From 11.4 on nothing would while no replica is there,
# which until now was ours.
PURGE = """
SET @needed = 0 /*M!110400 + @@global.slave_connections_needed_for_purge */;
SET @x = 0 /*M!110400 , GLOBAL slave_connections_needed_for_purge = IF(@needed = 1, 0, @needed) */;
FLUSH NO_WRITE_TO_BINLOG BINARY LOGS;
SET @x = 0 /*M!110400 , GLOBAL slave_connections_needed_for_purge = @needed */;
"""


def main(asked: str) -> int:
    """Serve *asked*; the exit status is 0 only when all of it was sent."""
    word, *rest = shlex.split(asked) or [""]
    allowed = permitted()
    if word == "hello" and not rest:
        sys.stdout.write(hashlib.sha256(Path(__file__).read_bytes()).hexdigest())
        return 0
    if word in DUMPS and rest and set(rest) <= set(allowed["databases"]):
        return whole(rest, [[*DUMPS[word], *rest]])
    if word == "tables" and rest:
        return tables(rest, allowed["databases"])
    if word in PLACES and len(rest) == 1:
        kind, serve = PLACES[word]
        if rest[0] in allowed.get(kind, ()):  # a file of an older run has no sockets
            return serve(rest[0])
    return refuse(f"not served: {asked[:200]!r}")


def permitted() -> dict[str, list[str]]:
    """What may be asked for."""
    found: dict[str, list[str]] = json.loads(
        Path(__file__).with_name("allowed.json").read_text(encoding="utf-8")
    )
    return found


def refuse(why: str) -> int:
    """Tell the other side why."""
    sys.stderr.write(f"{why}\n")
    return 2


def whole(asked: list[str], dumps: list[list[str]]) -> int:
    """Dump; only when every dump ended well the last statement says so to the importer."""
    for arguments in dumps:
        if arguments[0] == "--":
            sys.stdout.write(f"USE `{arguments[1]}`;\n")
            sys.stdout.flush()
        if status := dump(arguments):
            return status
    sys.stdout.write(f"SELECT 'complete {' '.join(asked)}';\n")
    sys.stdout.flush()
    return 0


def dump(arguments: list[str]) -> int:
    """Pass one dump on; not 0 unless it exits so and ends in its own last line."""
    tail = b""
    with subprocess.Popen([*DUMP, *arguments], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        while part := running.stdout.read(2**20):
            sys.stdout.buffer.write(part)
            tail = (tail + part)[-300:]
    sys.stdout.buffer.flush()
    if running.returncode:
        return running.returncode
    return 0 if b"\n-- Dump completed" in tail else refuse("the dump is cut short")


def tables(asked: list[str], databases: list[str]) -> int:
    """Dump the tables named `database.table`."""
    of: dict[str, list[str]] = {}
    for one in asked:
        database, _, table = one.partition(".")
        if database not in databases or not NAME.fullmatch(table):
            return refuse(f"not served: {one!r}")
        of.setdefault(database, []).append(table)
    return whole(asked, [["--", database, *names] for database, names in of.items()])


def session(path: str) -> int:
    """Carry bytes between our own ends and who listens at *path*, until either has no more."""
    folders = permitted().get("volumes", [])
    if said := short(folders):
        give_back(path)
        sys.stdout.buffer.write(greeting(said))
        return refuse(said)
    with socket.socket(socket.AF_UNIX) as there:
        there.connect(path)
        ended = threading.Event()

        def watch() -> None:  # our own ends may stand still for ever: a thread of its own
            while not short(folders):
                time.sleep(LOOK)
            ended.set()
            there.shutdown(socket.SHUT_RDWR)
            give_back(path)
            os._exit(2)

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        carry(there)
        if ended.is_set():
            watching.join()
    return 0


def carry(there: socket.socket) -> None:
    """Pass on what either end has, until one has no more."""
    ways = {there.fileno(): 1, 0: there.fileno()}
    while True:
        for ready in select.select(list(ways), [], [])[0]:
            part = os.read(ready, 2**16)
            if not part:
                return
            while part:
                part = part[os.write(ways[ready], part) :]


def short(folders: list[str]) -> str:
    """Why no log is kept for a replica: a disk of *folders* that is too full; "" where none is."""
    for folder in folders:
        at = os.statvfs(folder)
        free, whole = at.f_bavail * at.f_frsize, at.f_blocks * at.f_frsize
        least = min(max(SHARE * whole, LEAST), MOST * whole)
        if free < least:
            return (
                f"the disk of the source's {folder} has {free >> 20} MiB left, and its binary log "
                f"is not read below {int(least) >> 20}"
            )
    return ""


def give_back(path: str) -> None:
    """Have the server at *path* remove what it kept for a replica that has gone."""
    time.sleep(NOTICED)
    client = ["mariadb", f"--socket={path}", "--batch", "--execute", PURGE]
    try:
        subprocess.run(client, stdin=subprocess.DEVNULL, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        pass  # where its disk is full to the last byte it may not answer


def greeting(why: str) -> bytes:
    """A database's first word to a client, which shows it as the error of its connection."""
    said = b"\xff" + struct.pack("<H", DISK_FULL) + why.encode()
    return struct.pack("<I", len(said))[:3] + b"\0" + said


def files(folder: str) -> int:
    """Stream the named files; none may lie outside *folder*, by whatever way."""
    base = os.path.realpath(folder)
    names = [os.fsdecode(name) for name in sys.stdin.buffer.read().split(b"\0") if name]
    for name in names:
        place = os.path.realpath(os.path.join(base, name))
        if os.path.commonpath([base, place]) != base or not os.path.isfile(place):
            return refuse(f"{name!r} is no file in {folder}")
    with tempfile.TemporaryFile() as listed:
        listed.write(b"".join(os.fsencode(name) + b"\0" for name in names))
        listed.seek(0)
        argv = ["tar", "-c", "-f", "-", "-C", base, "--no-recursion", "--null", "-T", "-"]
        return subprocess.run([*argv], stdin=listed, check=False).returncode


def tree(folder: str) -> int:
    """Stream all of it."""
    return subprocess.run(["tar", "-c", "-f", "-", "-C", folder, "."], check=False).returncode


# of what the rest asks for one: by which list it is allowed, who serves it
PLACES = {"files": ("folders", files), "tree": ("trees", tree), "socket": ("sockets", session)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
