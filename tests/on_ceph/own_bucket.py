"""A bucket in the cloud's own cluster, for a backup of it as an operator has one made."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from migrate.storage.backup import proof, seal, store
from tests.infra.engine import STACK
from tests.lab.ceph import gateway
from tests.lab.settings import CephLab
from tests.on_ceph.test_source import tenant

BUCKET, BELOW = "the-cloud", "kept/below"
URL = f"s3://{BUCKET}/{BELOW}"
SECRET = "correct horse \u00fc"
OTHERS = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_CONFIG_FILE"),
    *(f"{name}{end}" for name in seal.VARIABLES for end in ("", "_FILE")),
    *("http_proxy", "https_proxy", "no_proxy"),  # they would count for more than those set
)


@contextmanager
def made(lab: CephLab) -> Iterator[Any]:
    """The tenant's client, for as long as there is the bucket."""
    client = tenant(lab)
    client.create_bucket(Bucket=BUCKET)
    try:
        yield client
    finally:
        for name in stored(client):
            client.delete_object(Bucket=BUCKET, Key=name)
        client.delete_bucket(Bucket=BUCKET)


def stored(client: Any) -> dict[str, bytes]:
    """Every object as it lies there."""
    names = [one["Key"] for one in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return {name: client.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names}


@contextmanager
def environment(lab: CephLab, folder: Path, keys: Mapping[str, str]) -> Iterator[None]:
    """What the operator sets, behind a proxy that leads nowhere; secrets by files."""
    secrets = {
        "credentials": "\n".join(["[default]", *(f"{n} = {one}" for n, one in keys.items()), ""]),
        "passphrase": f"{SECRET}\n",
    }
    for name, text in secrets.items():
        (folder / name).touch(0o600)
        (folder / name).write_text(text)
    proxy = "http://127.0.0.1:1"
    variables = {
        "AWS_ENDPOINT_URL": gateway.url(lab, lab.monitor),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
        f"{seal.VARIABLES[0]}_FILE": str(folder / "passphrase"),
        "NO_PROXY": ",".join(lab.hosts.values()),
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), proxy),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in OTHERS:
            patch.delenv(name, raising=False)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def assert_sealed(
    found: Mapping[str, bytes], folder: str, manifest: Mapping[str, Any], words: list[str]
) -> None:
    """All that the manifest names is there, and nobody reads a word of it without the passphrase.

    Some of the words do stand in it: who has the passphrase reads them.
    """
    files = {one["name"] for one in manifest["files"]}
    sealed = {f"{BELOW}/{folder}/{name}" for name in files}
    plain = {f"{BELOW}/{folder}/manifest.json", f"{BELOW}/{STACK}/latest"}
    assert set(found) == sealed | plain
    assert [name for name in sealed if not found[name].startswith(seal.MAGIC)] == []
    bare = [word.encode() for word in words]
    assert [n for n, one in found.items() if any(word in one for word in bare)] == []
    (archive,) = (name for name in files if name.startswith("etc/ctl-"))
    opened = b"".join(proof.verified(store.at(URL), folder, dict(manifest), archive))
    assert any(word in gzip.decompress(opened) for word in bare)
