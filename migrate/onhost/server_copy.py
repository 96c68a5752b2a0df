"""Another host's whole database server in place of this host's own, taken by mariadb-backup.

Nothing is done to the server here before what came was prepared by the tool that took it, given
this server's own accounts, upgraded, and let root in, as a private server. Then what stands in the
data folder goes aside, within it, and the other moves in. It is noted before, and put back unless
it was kept. All of it is inside the data folder, which may be a file system of its own.
"""

import errno
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import Any

from migrate.onhost import disk, record, systemd
from migrate.onhost.systemd import run

RECORD = "server-copy"  # {"folder": ..., "phase": one of these}
MAKING, ASIDE, IN, KEPT = "making", "aside", "in", "kept"
UNIT, SERVER = "migrate-server-copy", "mariadb"
SOCKET = f"/run/{UNIT}/socket"
INSIDE = ".migrate-server-copy"
STAYS = (INSIDE, "lost+found")
PLACES = ("mariadb_backup_binlog_info", "xtrabackup_binlog_info")  # newer and older tools'
# all that says who may do what; as this server has it, whatever the other's was like
ACCOUNTS = (
    *("global_priv", "db", "tables_priv", "columns_priv", "procs_priv", "proxies_priv"),
    "roles_mapping",
)
STARTS, OPEN_FILES = 300, 65536
TOOL = re.compile(r"(\d+\.\d+\.\d+)-MariaDB")


def look() -> dict[str, str]:
    """What this host has of it: `{"machine": "x86_64", "tool": "11.8.6", "unpacks": "yes"}`.

    `tool` is "" where there is no mariadb-backup, which is never installed for this.
    """
    said = None
    if shutil.which("mariadb-backup"):
        argv = ["sh", "-c", "mariadb-backup --version 2>&1"]  # of which end is told it is not sure
        said = TOOL.search(run(*argv, check=False))
    return {
        "machine": platform.machine(),
        "tool": said.group(1) if said else "",
        "unpacks": "yes" if shutil.which("mbstream") else "",
    }


def receive(commands: dict[str, list[str]], folder: str, upgrade: bool) -> dict[str, str]:
    """Make all ready beside what is in the data *folder*, from who *commands* ask by part.

    `{"wrong": "", "place": "binlog.000001 1138"}`: where in the other's log it is of.
    """
    put_back()
    record.save(RECORD, {"folder": folder, "phase": MAKING})
    room = os.path.join(folder, INSIDE)
    data, tool = os.path.join(room, "data"), os.path.join(room, "tool")
    for one in (room, data, tool):
        os.mkdir(one, 0o700)
    unpack: dict[str, list[str]] = {
        "tool": ["tar", "-x", "-C", tool],
        "backup": ["mbstream", "-x", "-C", data],
    }
    for part, into in unpack.items():
        if wrong := _piped(commands[part], into):
            return {"wrong": f"{part}: {wrong}", "place": ""}
    (loader,) = (one for one in os.listdir(tool) if one.startswith("ld-"))
    by_itself = [os.path.join(tool, loader), "--library-path", tool]
    prepare = ["--prepare", f"--target-dir={data}", f"--use-memory={_memory()}M"]
    said = ""
    try:
        said = "the copy could not be prepared"
        run("nice", "-n", "10", *by_itself, os.path.join(tool, "mariadb-backup"), *prepare)
        said = "a private server over the copy"
        place = _place(data)
        run("chown", "-R", "mysql:mysql", room)
        _private(room, upgrade=upgrade)
    except RuntimeError as error:
        return {"wrong": f"{said}: {error}", "place": ""}
    return {"wrong": "", "place": place}


def _piped(command: list[str], into: list[str]) -> str:
    """*command*'s output into *into*; "" when both ended well, else what is wrong."""
    with tempfile.TemporaryFile() as errors, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
    ) as sent:
        done = subprocess.run(into, stdin=sent.stdout, stderr=errors, check=False)
        assert sent.stdout is not None
        sent.stdout.close()
        status = sent.wait(), done.returncode
        if status == (0, 0):
            return ""
        errors.seek(0)
        text = errors.read().decode(errors="replace").strip()
    return f"ssh {status[0]}, {into[0]} {status[1]}: {text[-500:]}"


def _place(data: str) -> str:
    for name in PLACES:
        if text := disk.text_if_there(os.path.join(data, name)):
            return " ".join(text.split()[:2])
    raise RuntimeError("it tells no place in the other's binary log")


def _private(room: str, *, upgrade: bool) -> None:
    """Have the copy know this server's accounts, and no others, and be of this server's version."""
    data = os.path.join(room, "data")
    own = run("mariadb-dump", "--single-transaction", "mysql", *ACCOUNTS)
    pool = f"--innodb-buffer-pool-size={_memory()}M"
    properties = (
        *("User=mysql", f"RuntimeDirectory={UNIT}", "RuntimeDirectoryMode=0700"),
        *("PrivateNetwork=yes", f"LimitNOFILE={OPEN_FILES}", "TimeoutStopSec=3600"),
        *("ProtectSystem=strict", f"ReadWritePaths={room}"),
    )
    marked = [word for one in properties for word in ("-p", one)]
    server = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    run(
        *("systemd-run", "-q", f"--unit={UNIT}", "--collect", *marked, "--", server),
        *(f"--defaults-file={data}/backup-my.cnf", f"--datadir={data}", f"--socket={SOCKET}"),
        *(f"--tmpdir={room}", f"--pid-file={room}/pid", f"--log-error={room}/log"),
        *("--skip-networking", "--skip-log-bin", "--skip-slave-start", "--event-scheduler=OFF"),
        *("--skip-grant-tables", "--max-allowed-packet=1G", pool),
    )
    client = ("mariadb", "--no-defaults", f"--socket={SOCKET}")
    try:
        _wait(lambda: _answers(*client), lambda: not systemd.active([UNIT]))
        # from the last statement on who comes is asked who he is
        run(*client, "mysql", stdin=f"{own}\nFLUSH PRIVILEGES;\n")
        run(*client, "-e", "SELECT 1")
        extent = () if upgrade else ("--upgrade-system-tables",)
        run("mariadb-upgrade", "--no-defaults", f"--socket={SOCKET}", "--force", *extent)
        _refuse_other(own, run("mariadb-dump", *client[1:], "mysql", *ACCOUNTS))
        run("systemctl", "stop", UNIT)
    except RuntimeError as error:
        last = disk.text_if_there(os.path.join(room, "log")).strip().splitlines()[-3:]
        raise RuntimeError(f"{error}; {' / '.join(last)}") from error
    run("chown", "-R", "mysql:mysql", data)  # of the upgrade


def _refuse_other(own: str, other: str) -> None:
    here, there = (
        sorted(line.rstrip(",;") for line in dump.splitlines() if line.startswith(("INSERT", "(")))
        for dump in (own, other)
    )
    if here != there:
        raise RuntimeError("its accounts are not those of this host's server")


def _answers(*client: str) -> bool:
    asked = subprocess.run([*client, "-e", "SELECT 1"], capture_output=True, check=False)
    return asked.returncode == 0


def _wait(answers: Callable[[], bool], gone: Callable[[], bool]) -> None:
    deadline = time.monotonic() + STARTS
    while not answers():
        if gone() or time.monotonic() > deadline:
            raise RuntimeError("the server did not start")
        time.sleep(0.2)


def _memory() -> int:
    """MiB for a pool of pages: a quarter of what is free, within bounds."""
    free = int(run("awk", "/^MemAvailable/ { print $2 }", "/proc/meminfo")) // 4096
    return max(64, min(4096, free))


def swap() -> None:
    """Put what was received in the place of what is in the data folder, and start the server.

    Where that fails, all is as it was. It cannot be started by a boot while half of it has moved.
    """
    kept = _noted()
    folder = kept["folder"]
    room = os.path.join(folder, INSIDE)
    data, before = os.path.join(room, "data"), os.path.join(room, "before")
    try:
        os.mkdir(before, 0o700)
        _phase(kept, ASIDE)
        run("systemctl", "stop", SERVER)
        systemd.mask([SERVER])
        _move(folder, before, room)
        _phase(kept, IN)
        _move(data, folder, room)
        _start()
    except BaseException:
        put_back()
        raise


def _start() -> None:
    systemd.unmask([SERVER])
    run("systemctl", "reset-failed", SERVER, check=False)
    run("systemctl", "start", SERVER)
    _wait(lambda: _answers("mariadb"), lambda: not systemd.active([SERVER]))


def _move(here: str, there: str, room: str) -> None:
    """All that is *here*; what is *there* already is half of a move that was killed."""
    for name in os.listdir(here):
        if name not in STAYS:
            one, other = os.path.join(here, name), os.path.join(there, name)
            _remove(other)
            try:
                os.rename(one, other)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _copy(one, other, os.path.join(room, "part"))
    disk.durable(here)
    disk.durable(there)


def _copy(one: str, other: str, part: str) -> None:
    """A folder that an overlay has from below cannot be renamed: whole there, then gone here."""
    _remove(part)
    run("cp", "-a", "--", one, part)
    os.rename(part, other)
    _remove(one)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _noted() -> dict[str, Any]:
    kept = record.load(RECORD)
    if kept is None:
        raise RuntimeError("nothing was received")
    return kept


def _phase(kept: dict[str, Any], phase: str) -> None:
    kept["phase"] = phase
    record.save(RECORD, kept)


def keep() -> None:
    """What was aside is wanted by nobody any more."""
    kept = _noted()
    _phase(kept, KEPT)
    put_back()


def put_back() -> bool:
    """The server as it was before, unless the other was kept; whether anything was left of it.

    Safe to repeat, and to be killed in: what is in the data folder is removed in one phase, and
    what was there comes back in the next.
    """
    kept = record.load(RECORD)
    if kept is None:
        return False
    folder = kept["folder"]
    room = os.path.join(folder, INSIDE)
    before = os.path.join(room, "before")
    run("systemctl", "kill", "-s", "KILL", UNIT, check=False)
    run("systemctl", "stop", UNIT, check=False)
    if kept["phase"] in (ASIDE, IN):
        run("systemctl", "stop", SERVER)
        systemd.mask([SERVER])
        if kept["phase"] == IN:
            _clear(folder)
            _phase(kept, ASIDE)
        _move(before, folder, room)
        _phase(kept, MAKING)
    if kept["phase"] != KEPT:
        _start()  # where it was masked, too
    shutil.rmtree(room, ignore_errors=True)
    record.forget(RECORD)
    return True


def _clear(folder: str) -> None:
    for name in os.listdir(folder):
        if name not in STAYS:
            _remove(os.path.join(folder, name))
    disk.durable(folder)
