"""Backups of a server in use, to a folder and to an S3 server, restored from what is stored."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from migrate.cloud import Context
from migrate.database import connection
from migrate.errors import PreconditionError, SettingsError
from migrate.storage import backup
from migrate.storage.backup import proof, seal, store

pytestmark = pytest.mark.integration

SECRET = "correct horse \u00fc"


@pytest.fixture
def context(two_databases: Context, monkeypatch: pytest.MonkeyPatch) -> Context:
    for name in seal.VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    return two_databases


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty bucket on an S3 server of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        boto3.client("s3").create_bucket(Bucket="backups")
        yield "s3://backups/clouds/one"
    finally:
        server.terminate()
        server.wait()


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_backup_in_a_folder_restores_to_the_source(context: Context, tmp_path: Path) -> None:
    place = tmp_path / "kept here"
    manifest = backup.back_up(context, place.as_uri())
    assert [one["name"] for one in manifest["files"]] == [
        *("databases.sql.gz", "accounts.json", "fingerprint.json"),
        *("etc/pair-old.tar.gz", "packages/pair-old.txt"),
    ]
    assert manifest["counted"]["rows"] > 5000
    assert not manifest["encrypted"]
    folder = place / context.stack / manifest["taken"]
    assert {path.stat().st_mode & 0o77 for path in place.rglob("*")} == {0}
    with tarfile.open(folder / "etc/pair-old.tar.gz") as archive:
        assert {"etc/alpha/alpha.conf", "etc/beta/beta.conf"} <= set(archive.getnames())
    assert re.search(
        r"^mariadb-server \S+ \S+ install$", files(folder)["packages/pair-old.txt"].decode(), re.M
    )
    assert backup.restore_proof(context, place.as_uri()) == []
    target = context.target.controllers[0]
    assert not target.exists(proof.FOLDER)
    assert not target.succeeds("systemctl", "is-active", "-q", proof.UNIT)
    with connection.session(target) as link:  # the target's own server was not touched
        assert connection.rows(link, "SHOW DATABASES LIKE 'alpha%'") == []


def test_a_damaged_or_missing_file_is_found(context: Context, tmp_path: Path) -> None:
    manifest = backup.back_up(context, tmp_path.as_uri())
    folder = tmp_path / context.stack / manifest["taken"]
    for name in (one["name"] for one in manifest["files"]):
        whole = (folder / name).read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        for damaged in (bytes(flipped), whole[:-1], b""):
            (folder / name).write_bytes(damaged)
            with pytest.raises(PreconditionError, match="checksum differs"):
                backup.restore_proof(context, tmp_path.as_uri())
        (folder / name).unlink()
        with pytest.raises(PreconditionError, match="No such file"):
            backup.restore_proof(context, tmp_path.as_uri())
        (folder / name).write_bytes(whole)


def test_what_does_not_restore_is_named(context: Context, tmp_path: Path) -> None:
    """A fingerprint that says something else than the dump, with a manifest that fits."""
    manifest = backup.back_up(context, tmp_path.as_uri())
    folder = tmp_path / context.stack / manifest["taken"]
    told = json.loads((folder / "fingerprint.json").read_text())
    told["tables"]["alpha.things"]["checksum"] += 1
    text = json.dumps(told)
    (folder / "fingerprint.json").write_text(text)
    for one in manifest["files"]:
        if one["name"] == "fingerprint.json":
            one["sha256"] = hashlib.sha256(text.encode()).hexdigest()
            one["size"] = len(text)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (found,) = backup.restore_proof(context, tmp_path.as_uri())
    assert str(found).startswith("row checksum of alpha.things")


def test_a_backup_in_s3_is_encrypted_and_restores(
    context: Context, s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(PreconditionError, match="MIGRATE_BACKUP_PASSPHRASE_FILE"):
        backup.back_up(context, s3)
    secret = tmp_path / "passphrase"
    secret.write_text(SECRET + "\n")
    monkeypatch.setenv("MIGRATE_BACKUP_PASSPHRASE_FILE", str(secret))
    manifest = backup.back_up(context, s3)
    assert manifest["encrypted"]
    assert store.at(s3).gateway() == ""  # no cluster of Ceph is behind it
    client = boto3.client("s3")
    for one in manifest["files"]:
        key = f"clouds/one/{context.stack}/{manifest['taken']}/{one['name']}"
        stored = client.get_object(Bucket="backups", Key=key)["Body"].read()
        assert stored.startswith(seal.MAGIC)
        assert len(stored) == one["size"]
    assert backup.restore_proof(context, s3) == []
    secret.write_text("another\n")
    with pytest.raises(PreconditionError, match="passphrase is not the one"):
        backup.restore_proof(context, s3)


def test_dump_and_fingerprint_are_of_one_instant_while_clients_write(
    context: Context, tmp_path: Path
) -> None:
    """Without the common snapshot the heartbeats of a server in use never agree."""
    source = context.source.controllers[0]
    source.shell(
        "systemd-run -q --unit=test-writer --collect -- bash -c 'while :; do mariadb -e "
        '"UPDATE alpha.heartbeats SET beats = beats + 1;'
        " INSERT INTO alpha.parts SELECT MAX(id) + 1, 1 FROM alpha.parts\" || sleep 0.1; done'"
    )
    try:
        for attempt in range(2):
            url = (tmp_path / str(attempt)).as_uri()
            backup.back_up(context, url)
            assert backup.restore_proof(context, url) == []
        with connection.session(source) as link:
            assert connection.value(link, "SELECT beats FROM alpha.heartbeats") > 10
    finally:
        source.run("systemctl", "stop", "test-writer")
        source.run("mariadb", "-e", "DELETE FROM alpha.parts WHERE id > 100")


def test_places_that_are_none(tmp_path: Path) -> None:
    for url in ("ftp://x/y", "s3:///key", "file://host/x", "/plain/path"):
        with pytest.raises(SettingsError, match=re.escape(url)):
            store.at(url)
    (tmp_path / "file").write_text("")
    with pytest.raises(PreconditionError, match="cannot be written"):
        store.at((tmp_path / "file" / "below").as_uri()).put("a", [b"x"])


def test_a_stream_that_breaks_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 1000
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.at(tmp_path.as_uri()).put("name", broken())
    assert list(tmp_path.iterdir()) == []


def test_seals(tmp_path: Path) -> None:
    for size in (0, 1, seal.CHUNK - 1, seal.CHUNK, seal.CHUNK + 1, 3 * seal.CHUNK):
        plain = os.urandom(size)
        sealed = b"".join(seal.sealed([plain[:7], plain[7:]], SECRET))
        assert b"".join(seal.opened([sealed], SECRET)) == plain
        for damaged in (sealed[:-1], sealed[: -seal.TAG], sealed + b"x"):
            with pytest.raises(PreconditionError):
                b"".join(seal.opened([damaged], SECRET))
    whole = b"".join(seal.sealed([bytes(3 * seal.CHUNK)], SECRET))
    piece = seal.CHUNK + seal.TAG
    head, pieces = whole[: seal.HEADER], whole[seal.HEADER :]
    swapped = head + pieces[piece : 2 * piece] + pieces[:piece] + pieces[2 * piece :]
    shorter = head + pieces[: 2 * piece]
    for damaged in (swapped, shorter):
        with pytest.raises(PreconditionError, match="damaged, cut short"):
            b"".join(seal.opened([damaged], SECRET))
