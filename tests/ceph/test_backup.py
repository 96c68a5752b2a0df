"""A backup on a real S3 server: the cluster's own gateway, of the release that is replaced."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from migrate.checks import backup as check
from migrate.cloud import Cloud, Context
from migrate.cloud.host import Host
from migrate.cloud.settings import parse
from migrate.errors import PreconditionError
from migrate.onhost import call
from migrate.storage.backup import collect, proof, seal, store
from migrate.storage.backup.take import Writer
from tests.ceph.conftest import Reach
from tests.certificates import Authority
from tests.lab.ceph import gateway
from tests.lab.ceph.settings import CephRig
from tests.unit import fakes

pytestmark = [pytest.mark.integration, pytest.mark.in_set("ceph")]

SECRET = "correct horse \u00fc"
BUCKET = "backups"
URL = f"s3://{BUCKET}/clouds/one"
BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


@pytest.fixture(scope="module")
def bucket(rig: CephRig) -> Iterator[Any]:
    """An empty bucket of the tenant's, by a client of its own."""
    client = gateway.client(rig, rig.monitor, gateway.login(rig, rig.monitor))
    client.create_bucket(Bucket=BUCKET)
    yield client
    names = [one["Key"] for one in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    for name in names:
        client.delete_object(Bucket=BUCKET, Key=name)
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture(autouse=True)
def environment(rig: CephRig, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an operator sets for it, no region among that."""
    keys = gateway.login(rig, rig.monitor)
    monkeypatch.setenv("AWS_ENDPOINT_URL", gateway.url(rig, rig.monitor))
    monkeypatch.setenv("NO_PROXY", rig.addresses[rig.monitor])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["aws_secret_access_key"])
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE", *BUNDLES):
        monkeypatch.delenv(name, raising=False)


def names(bucket: Any) -> set[str]:
    return {one["Key"] for one in bucket.list_objects_v2(Bucket=BUCKET).get("Contents", [])}


def pieces(size: int) -> Iterator[bytes]:
    """As a host's channel gives them."""
    while size:
        part = os.urandom(min(size, collect.PIECE - 7))
        size -= len(part)
        yield part


@pytest.mark.parametrize("size", [0, 1, 8 * 2**20, 40 * 2**20 + 5])
def test_what_is_put_is_given(bucket: Any, size: int) -> None:
    kept, whole = store.at(URL), sha256()

    def counted() -> Iterator[bytes]:
        for part in pieces(size):
            whole.update(part)
            yield part

    kept.put(f"a folder/{size} + \u00fc %", counted())
    got = sha256()
    for part in kept.get(f"a folder/{size} + \u00fc %"):
        got.update(part)
    assert got.hexdigest() == whole.hexdigest()
    kept.put(f"a folder/{size} + \u00fc %", [b"anew"])
    assert b"".join(kept.get(f"a folder/{size} + \u00fc %")) == b"anew"


def test_a_hosts_files_are_stored_sealed_and_found_when_they_are_damaged(
    bucket: Any, old: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(seal.VARIABLES[0], SECRET)
    written = Writer(store.at(URL), "test/now", SECRET)
    written.put("etc.tar.gz", collect.of(old, collect.FOLDERS, "/etc/ceph", "/usr/share/perl"))
    written.put("packages.txt", collect.of(old, collect.PACKAGES))
    manifest = {"files": written.files, "encrypted": True}
    opened = b"".join(proof.verified(store.at(URL), "test/now", manifest, "packages.txt"))
    assert b"\nradosgw 16.2.15" in opened
    for one in written.files:
        key = f"clouds/one/test/now/{one['name']}"
        stored = bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        assert stored.startswith(seal.MAGIC)
        assert len(stored) == one["size"]
        assert b"".join(proof.verified(store.at(URL), "test/now", manifest, one["name"]))
        bucket.put_object(Bucket=BUCKET, Key=key, Body=stored[:-1])
        with pytest.raises(PreconditionError, match="checksum differs"):
            b"".join(proof.verified(store.at(URL), "test/now", manifest, one["name"]))


def test_a_stream_that_breaks_leaves_no_object_and_no_parts(bucket: Any) -> None:
    def broken() -> Iterator[bytes]:
        yield from pieces(40 * 2**20)
        raise RuntimeError("the host died")

    before = names(bucket)
    with pytest.raises(RuntimeError, match="the host died"):
        store.at(URL).put("broken", broken())
    assert names(bucket) == before
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket=BUCKET)


def test_the_clusters_maps_keys_and_configuration_are_whole(old: Host) -> None:
    whole = io.BytesIO(b"".join(collect.of(old, collect.CLUSTER)))
    with tarfile.open(fileobj=whole) as archive:
        found = {one.name: stream.read() for one in archive if (stream := archive.extractfile(one))}
    assert all(found.values())
    assert {"monmap", "osdmap", "crushmap"} < found.keys()
    keys = {*re.findall(r"\[(.+)\]", found["auth.keyring"].decode())}
    assert {"client.admin", "osd.0"} <= keys
    assert json.loads(found["report.json"])["osdmap"]["osds"]
    assert json.loads(found["config.json"])
    assert not old.shell("ls -d /run/tmp.* 2>/dev/null || true").strip()


def test_what_cannot_be_is_one_sentence(rig: CephRig, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PreconditionError, match=r"nothing cannot be read: .*NoSuchKey"):
        b"".join(store.at(URL).get("nothing"))
    with pytest.raises(PreconditionError, match=r"s3://another/x cannot be written: .*NoSuchBuc"):
        store.at("s3://another").put("x", [b"x"])
    with monkeypatch.context() as wrong:
        wrong.setenv("AWS_SECRET_ACCESS_KEY", "another")
        with pytest.raises(PreconditionError, match=r"cannot be written: .*SignatureDoesNotMatch"):
            store.at(URL).put("x", [b"x"])
    with monkeypatch.context() as wrong:
        wrong.setenv("AWS_ENDPOINT_URL", f"http://{rig.addresses[rig.target]}:1")
        with pytest.raises(PreconditionError, match="does not answer: Could not connect"):
            store.at(URL).gateway()


def test_a_backup_in_the_cluster_that_is_moved_is_told(
    rig: CephRig, reach: Reach, tmp_path: Path
) -> None:
    old, client, new = (reach(name) for name in (rig.monitor, rig.client, rig.target))
    address = rig.addresses[rig.monitor]
    assert store.at(URL).gateway() == address
    # a service's user is told too, and a host that is no client says so
    assert call(client, "ceph.gateways", [[], ["-n", "client.glance"]]) == [address]
    assert call(new, "ceph.gateways", [[]]) is None

    def told(host: Host, url: str) -> list[str]:
        settings = parse({**fakes.STACK, "backup": url}, "test", tmp_path)
        source = Cloud("source", "2025.1", (host,), (), ())
        context = Context("test", settings, source, source, tmp_path, ())
        return [f"{one.severity}: {one.message}" for one in check.run(context)]

    assert told(client, tmp_path.as_uri()) == []
    (found,) = told(new, URL)
    assert found.startswith(f"info: {URL} is in a Ceph cluster, at {address}: if that leads")
    (found,) = told(old, URL)
    assert found.startswith(f"warning: {URL} is in the cloud's own Ceph cluster")


def refusals() -> list[str]:
    """What the look at a place and the first write there say, which are both refused."""
    place, said = store.at(URL), []
    for way in (place.gateway, lambda: place.put("x", [b"x"])):
        with pytest.raises(PreconditionError) as refused:
            way()
        said.append(str(refused.value))
    return said


def test_by_tls_with_the_operators_authority_alone(
    rig: CephRig, bucket: Any, old: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours, before = Authority(), names(bucket)
    address, conf = rig.addresses[rig.monitor], "/etc/ceph/ceph.conf"
    plain = old.read(conf)
    for name, other in (("ours", ours), ("another", Authority())):
        (tmp_path / name).write_text(other.pem)
    with gateway.by_tls(rig, ours.signed(address)) as url:
        assert "ssl_port" in old.read(conf)
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        for known in (None, "another"):
            if known:
                monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / known))
            for said in refusals():
                assert "certificate verify failed" in said
                assert "AWS_CA_BUNDLE has to name the file of the authority" in said
                assert "\n" not in said
        assert names(bucket) == before
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ours"))
        assert store.at(URL).gateway() == address
        for size in (0, 1, 40 * 2**20 + 5):
            content = b"".join(pieces(size))
            store.at(URL).put(f"tls/{size}", [content])
            assert b"".join(store.at(URL).get(f"tls/{size}")) == content
            stored = bucket.get_object(Bucket=BUCKET, Key=f"clouds/one/tls/{size}")
            assert stored["Body"].read() == content  # by plain HTTP
    before = names(bucket)
    with gateway.by_tls(rig, ours.signed("elsewhere.example")):
        for said in refusals():
            assert f"'{address}' doesn't match 'elsewhere.example'" in said
            assert "AWS_ENDPOINT_URL a name that stands in this" in said
        assert names(bucket) == before
    assert old.read(conf) == plain
    assert not old.exists(gateway.CERTIFICATE)
    gateway.wait_until_told_once(rig)  # who comes next counts them
