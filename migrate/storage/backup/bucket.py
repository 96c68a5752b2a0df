"""A backup in a bucket of any S3 server: a module of its own, since boto3 loads slowly."""

import io
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, SSLError

from migrate.errors import PreconditionError

PIECE = 2**20
# how radosgw alone numbers requests: which, when, by which client of the cluster, in which zone
REQUEST = re.compile(r"tx[0-9a-f]{21}-[0-9a-f]{10,}-[0-9a-f]+-")


class Bucket:
    """Objects below a prefix. Endpoint and credentials are boto3's: environment or profile.

    The settings are those that servers other than Amazon's (Ceph's radosgw) understand.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket, self.prefix = bucket, prefix
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._client = self._made(Config(retries={"max_attempts": 5, "mode": "standard"}))

    def _made(self, more: Config) -> Any:
        config = Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        )
        try:
            return boto3.Session().client("s3", config=config.merge(more))
        except (BotoCoreError, ValueError) as error:
            raise PreconditionError(f"{self.url}: {error}") from error

    def gateway(self) -> str:
        asker = self._made(
            Config(
                signature_version=UNSIGNED,  # a refusal is an answer, too
                connect_timeout=5,
                read_timeout=10,
                retries={"total_max_attempts": 1},
            )
        )
        where = urlsplit(asker.meta.endpoint_url).hostname or ""
        if where.endswith("amazonaws.com"):
            return ""
        try:
            said = asker.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            said = error.response
        except BotoCoreError as error:
            raise PreconditionError(f"{self.url} does not answer: {_why(error)}") from error
        headers = said["ResponseMetadata"].get("HTTPHeaders", {})
        return where if REQUEST.match(headers.get("x-amz-request-id", "")) else ""

    def put(self, name: str, parts: Iterable[bytes]) -> None:
        # two parts of 16 MiB in memory at once; S3 shows an object only when all parts are there
        transfer = TransferConfig(multipart_chunksize=16 * 2**20, max_concurrency=2)
        reader = io.BufferedReader(Pieces(parts), PIECE)
        try:
            self._client.upload_fileobj(reader, self.bucket, self._key(name), Config=transfer)
        except (BotoCoreError, ClientError) as error:
            raise PreconditionError(
                f"{self.url}/{name} cannot be written: {_why(error)}"
            ) from error

    def get(self, name: str) -> Iterator[bytes]:
        try:
            body = self._client.get_object(Bucket=self.bucket, Key=self._key(name))["Body"]
            yield from body.iter_chunks(PIECE)
        except (BotoCoreError, ClientError) as error:
            raise PreconditionError(f"{self.url}/{name} cannot be read: {_why(error)}") from error

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


def _why(error: Exception) -> str:
    if not isinstance(error, SSLError):
        return str(error)
    return (
        f"{error}: AWS_CA_BUNDLE has to name the file of the authority that signed its "
        "certificate, AWS_ENDPOINT_URL a name that stands in this"
    )


class Pieces(io.RawIOBase):
    """An iterable of bytes as a file that is read once."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self._held = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._held:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._held = part
        size = min(len(buffer), len(self._held))
        buffer[:size] = self._held[:size]
        self._held = self._held[size:]
        return size
