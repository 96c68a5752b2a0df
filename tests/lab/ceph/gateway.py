"""What users of a cloud keep in the cluster's gateway, and their client: boto3, as they have it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from random import Random
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from migrate.cloud import wait
from tests.lab.ceph import cluster
from tests.lab.remote import ssh
from tests.lab.settings import CephLab

PORT, TLS_PORT, TENANT, BUCKET = 8080, 8443, "tenant", "kept"
CERTIFICATE = "/etc/ceph/gateway.pem"
FORGOTTEN_SECONDS = 180
PART = 5 * 2**20
SIZES = {"empty": 0, "small": 4096, "a folder/\u00fc + %": 100_000, "parts": PART + 1_000_000}


def url(rig: CephLab, name: str) -> str:
    """Where the gateway of machine *name* listens."""
    return f"http://{rig.addresses[name]}:{PORT}"


def login(rig: CephLab, name: str) -> Mapping[str, str]:
    """The tenant's keys, as the machine *name* tells them, by boto3's names."""
    said = json.loads(ssh(rig, name, f"radosgw-admin user info --uid={TENANT}"))
    (keys,) = said["keys"]
    return {"aws_access_key_id": keys["access_key"], "aws_secret_access_key": keys["secret_key"]}


def client(rig: CephLab, name: str, keys: Mapping[str, str]) -> Any:
    """The tenant's client of the gateway of machine *name*, which asks once."""
    config = Config(
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",  # what a server of any age knows
        response_checksum_validation="when_required",
        retries={"total_max_attempts": 1},
        proxies={},
    )
    where = {"endpoint_url": url(rig, name), "region_name": "default"}
    return boto3.client("s3", config=config, **where, **keys)


def stand_up(rig: CephLab) -> None:
    """A gateway on the monitor's machine, and the tenant's objects, one of them in parts."""
    values = {"NAME": rig.monitor, "PORT": str(PORT), "TENANT": TENANT}
    cluster.run(rig, rig.monitor, "gateway.sh", **values)
    s3 = client(rig, rig.monitor, login(rig, rig.monitor))
    s3.create_bucket(Bucket=BUCKET)
    for name in SIZES:
        put(s3, name, content(name))


@contextmanager
def by_tls(rig: CephLab, certificate: str) -> Iterator[str]:
    """The gateway listens by TLS too, with these PEM blocks; its URL there."""
    values = {"NAME": rig.monitor, "PORT": str(PORT), "TLS_PORT": str(TLS_PORT)}
    values |= {"CERTIFICATE": CERTIFICATE}
    try:
        cluster.put(rig, rig.monitor, {CERTIFICATE: certificate}, "640", "ceph")
        cluster.run(rig, rig.monitor, "gateway-tls.sh", **values)
        yield f"https://{rig.addresses[rig.monitor]}:{TLS_PORT}"
    finally:
        cluster.run(rig, rig.monitor, "gateway-plain.sh", **values)


def wait_until_told_once(rig: CephLab) -> None:
    """Return when the cluster tells of one gateway: it does so of an ended one for a minute."""

    def once() -> bool:
        told = json.loads(ssh(rig, rig.monitor, "ceph -f json versions"))
        return bool(sum(told.get("rgw", {}).values()) == 1)

    wait.until(once, FORGOTTEN_SECONDS, "the cluster tells of gateways that have ended")


def content(name: str) -> bytes:
    """What is in the object *name*: the same each time."""
    return Random(name).randbytes(SIZES[name])


def put(s3: Any, name: str, content: bytes) -> None:
    """Keep *content* as *name*, in parts where it is long."""
    transfer = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    s3.upload_fileobj(BytesIO(content), BUCKET, name, Config=transfer)


def checksums(s3: Any) -> dict[str, str]:
    """What is in each object of the bucket."""
    names = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    bodies = {name: s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names}
    return {name: sha256(body).hexdigest() for name, body in bodies.items()}
