"""A picture of all that matters on the machines, and what differs between two of them.

What may differ between two runs that did the same is data, each with its reason: `allowed.yaml`.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import connection
from migrate.database.fingerprint import fingerprint
from migrate.database.ownership import SYSTEM
from migrate.errors import MigrateError, UnreachableError

Picture = dict[str, dict[str, Any]]

LOOK = resources.files(__package__).joinpath("look.py").read_text()
ALLOWED: dict[str, list[dict[str, str]]] = yaml.safe_load(
    Path(__file__).with_name("allowed.yaml").read_text()
)


def picture(context: Context) -> Picture:
    """`{"rig-old": {"files": {...}, "units": {...}, "tables": {...}, ...}, "rig-new": ...}`."""
    hosts = [*context.source.hosts, *context.target.controllers]
    with ThreadPoolExecutor(len(hosts)) as pool:
        return dict(zip((host.name for host in hosts), pool.map(_one, hosts), strict=True))


def _one(host: Host) -> dict[str, Any]:
    try:
        seen: dict[str, Any] = host.python(LOOK, timeout=120)
    except UnreachableError:
        return {"machine": {host.name: "cannot be reached"}}
    return seen | _databases(host)


def _databases(host: Host) -> dict[str, Any]:
    """The logical fingerprint of everything in the server, by its own kinds."""
    try:
        with connection.session(host) as link:
            names = [str(name) for (name,) in connection.rows(link, "SHOW DATABASES")]
            users = [str(user) for (user,) in connection.rows(link, "SELECT user FROM mysql.user")]
    except MigrateError as error:
        return {"database": {"server": f"does not answer: {error}"[:80]}}
    found = fingerprint(host, sorted(set(names) - SYSTEM), users)
    for column in ALLOWED["columns"]:
        database, table, name = column["what"].split(".")
        if one := found["tables"].get(f"{database}.{table}"):
            one["checksum"] = _checksum_without(host, database, table, name)
    return {
        "database": dict.fromkeys(names, "there") | found["settings"] | found["databases"],
        "tables": {
            name: f"{table['rows']} rows, checksum {table['checksum']}, next {table['next']}, "
            f"{hash_of(table['definition'])}"
            for name, table in found["tables"].items()
        },
        "objects": {
            f"{kind} {name}": hash_of(text)
            for kind in ("views", "triggers", "routines", "events")
            for name, text in found[kind].items()
        },
        "logins": {
            name: f"{one['login'][:12]} {'; '.join(one['grants'])}"
            for name, one in found["accounts"].items()
        },
    }


def _checksum_without(host: Host, database: str, table: str, name: str) -> str:
    """A checksum of the rows as they would be without the column *name*."""
    place = connection.quoted(database, table)
    with connection.session(host) as link:
        columns = [str(row[0]) for row in connection.rows(link, f"SHOW COLUMNS FROM {place}")]
        assert name in columns, f"{database}.{table} has no {name}"
        others = ", ".join(connection.quoted(column) for column in columns if column != name)
        rows = connection.rows(link, f"SELECT {others} FROM {place}")
        return hash_of(repr(sorted(map(repr, rows))))


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]


def differences(one: Picture, other: Picture, *kinds: str) -> list[str]:
    """One line for each thing in which the two differ, those that *kinds* allow left out.

    `rig-old files /etc/haproxy/haproxy.cfg: first 644 root root 1f.., second 644 root root 2e..`
    """
    found = []
    for host in sorted({*one, *other}):
        for part in sorted({*one.get(host, {}), *other.get(host, {})}):
            old, new = one.get(host, {}).get(part, {}), other.get(host, {}).get(part, {})
            found += [
                f"{host} {part} {name}: first {_shown(old.get(name))}, "
                f"second {_shown(new.get(name))}"
                for name in sorted({*old, *new})
                if old.get(name) != new.get(name)
            ]
    # a machine's identity shows that it was thrown away in between
    anew = ("anew",) if any(" files /etc/machine-id: " in line for line in found) else ()
    names = ("always", *kinds, *anew)
    patterns = [re.compile(entry["what"]) for name in names for entry in ALLOWED[name]]
    return [line for line in found if not any(pattern.search(line) for pattern in patterns)]


def _shown(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)
