"""MariaDB of this host as its own root: made read-only for good, and writable again."""

import os
import re
import secrets
import socket
import time
from typing import Any

from migrate.onhost import disk, logins, record, silent, systemd
from migrate.onhost.systemd import run

RECORD = "database"
UNITS = ("mariadb", "mysql", "mysqld")
INCLUDES = ("/etc/mysql/mariadb.conf.d", "/etc/mysql/conf.d", "/etc/my.cnf.d")
NAME = "zz-migrate-fence.cnf"
TEXT = "# written by migrate, which removes it on its way back\n[mysqld]\nread_only = 1\n"
REFUSED = re.compile(r"ERROR 1290 ")
NOBODY = re.compile(r"ERROR 200[23] ")


def present() -> bool:
    """Whether a MariaDB of systemd runs here."""
    return bool(systemd.active(UNITS))


def sql(statement: str) -> list[list[str]]:
    """The rows of *statement*, as root through the socket."""
    text = run("mariadb", "--batch", "--skip-column-names", stdin=statement)
    return [line.split("\t") for line in text.splitlines()]


def fence() -> None:
    """read_only now and after a restart; what it was is recorded first."""
    with record.locked():
        kept = record.load(RECORD)
        if kept is None or not kept["present"]:  # it may have been started since
            kept = _found()
            record.save(RECORD, kept)
        if kept["present"]:
            disk.write(kept["file"], TEXT, 0o644)
            sql("SET SESSION lock_wait_timeout = 10; SET GLOBAL read_only = 1")
    if wrong := unfenced():
        raise RuntimeError("; ".join(wrong))


def _found() -> dict[str, Any]:
    if not present():
        return {"present": False}
    folder = next(one for one in INCLUDES if os.path.isdir(one))
    before = sql("SELECT @@global.read_only")[0][0]
    file, token = f"{folder}/{NAME}", secrets.token_hex(8)
    return {"present": True, "before": before, "file": file, "token": token}


def unfenced() -> list[str]:
    """Why this database can be written, now or after a restart; [] is fenced."""
    kept = record.load(RECORD)
    if kept is None:
        return ["the database is not fenced"]
    if not kept["present"]:
        return ["it was started after the fence was put up"] if present() else []
    wrong = []
    if sql("SELECT @@global.read_only")[0][0] in ("0", "OFF"):
        wrong.append("read_only is off")
    read = run("my_print_defaults", "mysqld", "server", "mariadb", "mariadbd").splitlines()
    last = [line for line in read if line.startswith(("--read_only", "--read-only"))]
    if not last or last[-1].partition("=")[2].lower() not in ("", "1", "on"):
        wrong.append(f"{kept['file']} is not what a restart would follow")
    return wrong


def lift() -> None:
    """As it was before the fence."""
    kept = record.load(RECORD)
    if kept is None:
        return
    if kept["present"]:
        disk.remove(kept["file"])
        if present():
            before = kept["before"] if re.fullmatch(r"\w+", kept["before"]) else "0"
            sql(f"SET GLOBAL read_only = {before}")
    record.forget(RECORD)


def writers(asked: list[list[Any]], moving: list[str]) -> list[str]:
    """Which service accounts can still write; *asked* are [who, {"user": ..., "host": ...}].

    Each account tries to delete nothing: a read-only server refuses that with error 1290. Nobody
    need answer at those of *moving*, the virtual IPs, that this host does not carry.
    """
    return [f"{who}: {said}" for who, login in asked for said in _attempt(login, moving)]


def sessions(users: list[str], seconds: float) -> list[str]:
    """Sessions of *users* with this server that are there after *seconds*, a line each; [] soon."""
    deadline = time.monotonic() + seconds
    named = ", ".join(f"x'{one.encode().hex()}'" for one in users)
    asked = f"SELECT user, host FROM information_schema.processlist WHERE user IN ({named})"  # noqa: S608
    while found := sql(asked) if users and present() else []:
        if time.monotonic() > deadline:
            return sorted(f"{user} has a session from {host}" for user, host in found)
        time.sleep(0.1)
    return []


def _attempt(url: Any, moving: list[str]) -> list[str]:
    tables = logins.client(url, "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'")
    if tables.returncode and NOBODY.search(tables.stderr) and _moved(url["host"], moving):
        return []  # the address has moved to the target, which lets nobody of this host in
    if tables.returncode:
        return [f"{url['user']} cannot log in: {tables.stderr.strip()[:200]}"]
    if not tables.stdout.strip():
        return []
    table = tables.stdout.split("\t")[0].replace("`", "``")
    tried = logins.client(url, f"DELETE FROM `{table}` WHERE FALSE")  # noqa: S608
    if REFUSED.search(tried.stderr):
        return []
    return [
        f"{url['user']} was not refused by read_only: {tried.stderr.strip()[:200] or 'it wrote'}"
    ]


def _moved(name: str, moving: list[str]) -> bool:
    """Whether *name* is one of *moving*, which this host does not carry, or silently."""
    try:
        address = socket.gethostbyname(name)
    except OSError:
        return False  # nobody knows: then it counts
    carried = run("ip", "-o", "address", "show", "to", address).strip()
    return address in moving and (not carried or silent.leads_on(address))
