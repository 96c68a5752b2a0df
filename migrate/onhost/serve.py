"""What the transfer key opens on a source controller: these words and nothing else.

It is copied to the host and run there by sshd as a forced command; its only argument is what the
other side asked for. `allowed.json` beside it says which databases and folders may be asked for.

    hello                     the SHA-256 of this program: does the key work, and to what
    databases NAME...         a dump whose last line is a mark of completeness
    tables DATABASE.NAME...   the same of some tables, with their triggers
    gate NAME...              the tables of databases; then nobody commits until a line on stdin
    definitions NAME...       one part of a dump, begun at a line on stdin: which tables not. First
    rows NAME...              it tells the place in the log at which it sees them. What acts are
    acting NAME...            triggers and events
    files FOLDER              a tar stream of the files named on stdin, each ended by a zero byte
    tree FOLDER               a tar stream of all that is in it
    socket PATH               a session with a database that listens there, which ends, and is
                              refused, while its disk is too full to keep its log for a replica
    backup SOCKET             all of that server, by mariadb-backup, as a stream of its own
    tool SOCKET               a tar stream of that tool, with the libraries that it is run by
"""

import hashlib
import json
import os
import re
import resource
import select
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

DUMP = (
    *("mariadb-dump", "--single-transaction", "--hex-blob", "--triggers"),
    *("--default-character-set=utf8mb4", "--max-allowed-packet=1G"),
)
WHOLE = ("--routines", "--events", "--databases", "--")
# Rows go in by themselves, between definitions and what would act on them. No lock: two streams
# would wait for each other over a foreign key. Not one transaction a table: a server's bulk load,
# which that begins, took three times the CPU.
ONLY_ROWS = ("--skip-triggers", "--skip-add-locks", "--skip-disable-keys", "--skip-no-autocommit")
PARTS = {
    "definitions": ("--no-data", "--skip-triggers", "--routines"),
    "rows": ("--no-create-info", "--no-create-db", *ONLY_ROWS),
    "acting": ("--no-data", "--no-create-info", "--no-create-db", "--events"),
}
PLACE = re.compile(rb"MASTER_LOG_FILE='([^']+)', MASTER_LOG_POS=([0-9]+)")
HELD = 30  # seconds, at most, for which commits wait
HOLD = """
SET SESSION lock_wait_timeout = 60;
BACKUP STAGE START;
BACKUP STAGE BLOCK_DDL;
SELECT CONCAT(table_schema, '.', table_name), COALESCE(data_length + index_length, 0)
  FROM information_schema.tables
  WHERE table_type <> 'VIEW' AND table_schema IN ({});
BACKUP STAGE BLOCK_COMMIT;
SELECT 'held';
"""
HEAD = 2**16  # bytes of a dump, in which it has told its place
NAME = re.compile(r"[0-9A-Za-z_$-]{1,64}")
TABLE = re.compile(rf"{NAME.pattern}\.{NAME.pattern}")
SHARE, LEAST, MOST = 0.05, 2**31, 1 / 3  # of a disk to be free: the greater, at most the last
DISK_FULL = 1021  # the database's own number for it
TOOL = "mariadb-backup"
STILL = 30  # seconds for which nobody takes any of a backup, at whose end commits wait
LIBRARY = re.compile(r"(/\S+) \(0x")  # in what ldd says; the loader is among them
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
    if word in DATABASES and rest and set(rest) <= set(allowed["databases"]):
        return DATABASES[word](rest)
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


def whole(asked: list[str], dumps: list[list[str]], *, placed: bool = False) -> int:
    """Dump; only when every dump ended well the last statement says so to the importer."""
    for arguments in dumps:
        if arguments[0] == "--":
            sys.stdout.write(f"USE `{arguments[1]}`;\n")
            sys.stdout.flush()
        if status := dump(arguments, placed=placed):
            return status
    sys.stdout.write(f"SELECT 'complete {' '.join(asked)}';\n")
    sys.stdout.flush()
    return 0


def dump(arguments: list[str], *, placed: bool = False) -> int:
    """Pass one dump on; not 0 unless it exits so and ends in its own last line.

    Of one that is *placed* the first line is the place in the log of what it sees.
    """
    tail = head = b""
    with subprocess.Popen([*DUMP, *arguments], stdout=subprocess.PIPE, bufsize=0) as running:
        assert running.stdout is not None
        while part := running.stdout.read(2**20):
            if placed:
                head += part
                found = PLACE.search(head)
                if not found and len(head) < HEAD:
                    continue
                if not found:
                    return refuse("the dump tells no place")
                part, placed = b" ".join(found.groups()) + b"\n" + head, False
            sys.stdout.buffer.write(part)
            if head:
                sys.stdout.buffer.flush()
                head = b""
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


def gate(names: list[str]) -> int:
    """Tell the tables of *names*, then let nobody commit until the other side says or is gone."""
    client = ["mariadb", "--batch", "--skip-column-names", "--unbuffered"]
    with subprocess.Popen(
        client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(HOLD.format(", ".join(f"'{name}'" for name in names)).encode())
        for line in running.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
            if line == b"held\n":
                select.select([0], [], [], HELD)
                running.stdin.close()  # the session ends, and all that it held
    return running.returncode


def seed(part: str, names: list[str]) -> int:
    """Dump a *part* of *names* when the other side says so, after the place that it is of."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    without = sys.stdin.readline().split()
    if without[:1] != ["without"] or not all(map(TABLE.fullmatch, without[1:])):
        return refuse("nobody said which tables are not wanted")
    ignored = [f"--ignore-table={one}" for one in without[1:]]
    arguments = ["--master-data=2", *PARTS[part], *ignored, "--databases", "--", *names]
    return whole([part, *names], [arguments], placed=True)


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


def backup(path: str) -> int:
    """Stream all of the server at *path*; it goes on meanwhile, and nothing is kept here."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # it holds every table's file open
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        argv = ["nice", "-n", "10", TOOL, "--backup", "--stream=mbstream", "--user=root"]
        argv += [f"--socket={path}", f"--target-dir={folder}"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=said, bufsize=0) as running:
            assert running.stdout is not None
            try:
                pass_on(running.stdout.fileno())
            except OSError as error:
                running.kill()  # its session ends, and all that it held
                return refuse(f"the backup was not taken: {error}")
        status = running.returncode
        said.seek(max(0, said.seek(0, os.SEEK_END) - 1000))
        last = said.read().decode(errors="replace").strip()
    return 0 if not status and last.endswith("completed OK!") else refuse(last)


def pass_on(there: int) -> None:
    """Pass on all that *there* has; OSError where nobody takes it, who may be dead without a word.

    The network would be sure of that after a quarter of an hour.
    """
    os.set_blocking(1, False)
    while part := os.read(there, 2**20):
        while part:
            if not select.select([], [1], [], STILL)[1]:
                raise TimeoutError(f"nobody took any of it for {STILL} seconds")
            part = part[os.write(1, part) :]


def tool(path: str) -> int:
    """Stream what takes that backup: who prepares it must be of the same version."""
    program = shutil.which(TOOL) or TOOL
    listed = subprocess.run(["ldd", program], stdout=subprocess.PIPE, check=True).stdout.decode()
    argv = ["tar", "-c", "-h", "-P", "-f", "-", "--transform", "s|.*/||", program]
    return subprocess.run([*argv, *LIBRARY.findall(listed)], check=False).returncode


DATABASES: dict[str, Callable[[list[str]], int]] = {
    "databases": lambda names: whole(names, [[*WHOLE, *names]]),
    "gate": gate,
    **{part: partial(seed, part) for part in PARTS},
}
# of what the rest asks for one: by which list it is allowed, who serves it
PLACES: dict[str, tuple[str, Callable[[str], int]]] = {
    "files": ("folders", files),
    "tree": ("trees", tree),
    "socket": ("sockets", session),
    "backup": ("backups", backup),
    "tool": ("backups", tool),
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
