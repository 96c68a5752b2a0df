"""Another host's whole database server made ready beside this host's own, by mariadb-backup.

Nothing is done to the server here before what came was prepared by the tool that took it, given
this server's own accounts, upgraded, and let root in, as a private server. `server_swap` puts it in
the place of the other.
"""

import os
import platform
import re
import shutil
import subprocess
import tempfile

from migrate.onhost import disk, record, server_swap, systemd
from migrate.onhost.server_swap import INSIDE, MAKING, RECORD, UNIT
from migrate.onhost.systemd import run

SOCKET = f"/run/{UNIT}/socket"
PLACES = ("mariadb_backup_binlog_info", "xtrabackup_binlog_info")  # newer and older tools'
# all that says who may do what; as this server has it, whatever the other's was like
ACCOUNTS = (
    *("global_priv", "db", "tables_priv", "columns_priv", "procs_priv", "proxies_priv"),
    "roles_mapping",
)
OPEN_FILES = 65536
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

    `{"wrong": "", "place": "binlog.000001 1138"}`: where in the other's log it is of. Where it is
    wrong nothing of it stays: it may be what fills the disk.
    """
    server_swap.put_back()
    found = _received(commands, folder, upgrade)
    if found["wrong"]:
        server_swap.put_back()
    os.sync()  # the server that was there goes for it
    return found


def _received(commands: dict[str, list[str]], folder: str, upgrade: bool) -> dict[str, str]:
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
        server_swap.wait(lambda: server_swap.answers(*client), lambda: not systemd.active([UNIT]))
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


def _memory() -> int:
    """MiB for a pool of pages: a quarter of what is free, within bounds."""
    free = int(run("awk", "/^MemAvailable/ { print $2 }", "/proc/meminfo")) // 4096
    return max(64, min(4096, free))
