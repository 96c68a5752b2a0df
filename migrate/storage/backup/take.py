"""Take a backup and write its manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from migrate.cloud import Context
from migrate.database import connection, holders, merged, servers
from migrate.database.fingerprint import Fingerprint, summary
from migrate.database.service_databases import service_databases
from migrate.errors import PreconditionError
from migrate.onhost import call
from migrate.onhost.retired import ASIDE
from migrate.storage.backup import collect, seal, store
from migrate.storage.ceph import leaving, members

Manifest = dict[str, Any]


def back_up(context: Context, url: str) -> Manifest:
    """Store everything below *url*; the manifest, whose presence says that all of it is there.

    {"stack": "prod", "taken": "20261121T121500Z", "release": "2025.1", "encrypted": true,
     "files": [{"name": "databases.sql.gz", "size": 73312, "sha256": "..."}], "counted": {...}}
    """
    secret = seal.passphrase()
    if url.startswith("s3:") and not secret:
        raise PreconditionError(
            "a backup that leaves the operator's machine is encrypted: set "
            f"{seal.VARIABLES[0]}_FILE to a file with a passphrase, and keep it elsewhere too"
        )
    taken = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    kept = Writer(store.at(url), f"{context.stack}/{taken}", secret)
    fingerprint = databases(context, kept)
    for host in (*context.source.hosts, *context.storage):
        configured = collect.of(host, collect.FOLDERS, *collect.folders(context.recipes))
        kept.put(f"etc/{host.name}.tar.gz", configured)
        kept.put(f"packages/{host.name}.txt", collect.of(host, collect.PACKAGES))
    if members.moves(context):
        cluster(context, kept)
    written: Manifest = {
        "stack": context.stack,
        "taken": taken,
        "release": context.source.release,
        "server": fingerprint["server"],
        "encrypted": bool(secret),
        "files": kept.files,
        "counted": summary(fingerprint),
    }
    kept.plain("manifest.json", json.dumps(written, indent=1))
    kept.store.put(f"{context.stack}/latest", [f"{taken}\n".encode()])
    return written


def databases(context: Context, kept: Writer) -> Fingerprint:
    """The databases, their accounts and the fingerprint, all of one instant of each server."""
    found = service_databases(context.source, context.recipes)
    parts, taken = [], []
    for number, (source, own) in enumerate(holders.each_server(context.source, found)):
        with connection.session(source) as link:
            names = sorted(database.name for database in own)
            users = (database.user for database in own)
            parts.append(servers.part(link, source.name, names, users))
        with collect.snapshot(source, own) as (dump, lazy):
            kept.put(f"{collect.DATABASES}{f'-{source.name}' if number else ''}.sql.gz", dump)
            taken.append(lazy.fingerprint())
    carried, fingerprint = merged.accounts(parts), merged.fingerprints(taken)
    logins = [{"name": a.name, "create": a.create, "grants": a.grants} for a in carried]
    kept.put("accounts.json", [json.dumps(logins).encode()])
    kept.put("fingerprint.json", [json.dumps(fingerprint).encode()])
    return fingerprint


def cluster(context: Context, kept: Writer) -> None:
    """Maps, keys and configuration of the Ceph whose daemons come over; no object of its pools.

    Of old monitors that were removed their stores, too, which nobody writes any more.
    """
    gone = leaving.no_way_back(context)
    asks = members.asks(context) if gone else members.old(context)
    kept.put("ceph.tar.gz", collect.of(asks, collect.CLUSTER))
    for old in members.olds(context) if gone else ():
        if call(old, "retired.is_so"):
            kept.put(f"ceph-retired/{old.name}.tar.gz", collect.of(old, collect.FOLDERS, ASIDE))


def manifest(context: Context, url: str) -> tuple[str, Manifest]:
    """The folder of the newest backup below *url*, and its manifest."""
    kept = store.at(url)
    latest = b"".join(kept.get(f"{context.stack}/latest")).decode().strip()
    folder = f"{context.stack}/{latest}"
    found: Manifest = json.loads(b"".join(kept.get(f"{folder}/manifest.json")))
    return folder, found


class Writer:
    """Puts files below one folder of a store and remembers what it put."""

    def __init__(self, kept: store.Store, folder: str, secret: str) -> None:
        self.store, self.folder, self.secret = kept, folder, secret
        self.files: list[dict[str, Any]] = []

    def put(self, name: str, parts: Iterable[bytes]) -> None:
        """Store *parts*, encrypted where there is a passphrase; its sum is of what is stored."""
        whole = sha256()
        size = 0

        def counted(stored: Iterable[bytes]) -> Iterator[bytes]:
            nonlocal size
            for part in stored:
                whole.update(part)
                size += len(part)
                yield part

        stored = seal.sealed(parts, self.secret) if self.secret else parts
        self.store.put(f"{self.folder}/{name}", counted(stored))
        self.files.append({"name": name, "size": size, "sha256": whole.hexdigest()})

    def plain(self, name: str, text: str) -> None:
        """Store *text* as it is."""
        self.store.put(f"{self.folder}/{name}", [text.encode()])
