"""Where a backup is kept: a folder of the operator's machine, or a bucket of any S3 server."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from migrate.errors import PreconditionError, SettingsError

PIECE = 2**20


class Store(Protocol):
    """Named streams of bytes below one URL."""

    url: str

    def put(self, name: str, parts: Iterable[bytes]) -> None:
        """Keep *parts* as *name*; it is there only when it is whole."""
        ...

    def get(self, name: str) -> Iterator[bytes]:
        """The bytes of *name*; PreconditionError where it is missing."""
        ...


def at(url: str) -> Store:
    """The store of a `file://` or `s3://bucket/prefix` URL."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path != "/":
        return Folder(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return Bucket(parts.netloc, unquote(parts.path.strip("/")))
    raise SettingsError(f"{url}: a backup goes to file:///folder or s3://bucket/prefix")


class Folder:
    """Files that only the operator may read."""

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, path.absolute().as_uri()

    def put(self, name: str, parts: Iterable[bytes]) -> None:
        place = self.path / name
        staged = place.with_name(f".{place.name}.partial")
        try:
            for folder in (*reversed(place.parent.parents), place.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(descriptor)
            staged.rename(place)
        except OSError as error:
            raise PreconditionError(f"{place} cannot be written: {error.strerror}") from error
        finally:
            with suppress(OSError):
                staged.unlink()

    def get(self, name: str) -> Iterator[bytes]:
        try:
            with (self.path / name).open("rb") as file:
                while part := file.read(PIECE):
                    yield part
        except OSError as error:
            raise PreconditionError(f"{self.path / name}: {error.strerror}") from error


class Bucket:
    """Objects below a prefix. Endpoint and credentials are boto3's: environment or profile.

    The settings are those that servers other than Amazon's (Ceph's radosgw) understand.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket, self.prefix = bucket, prefix
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        config = Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
            retries={"max_attempts": 5, "mode": "standard"},
        )
        try:
            self._client: Any = boto3.client("s3", config=config)
        except (BotoCoreError, ValueError) as error:
            raise PreconditionError(f"{self.url}: {error}") from error

    def put(self, name: str, parts: Iterable[bytes]) -> None:
        # two parts of 16 MiB in memory at once; S3 shows an object only when all parts are there
        transfer = TransferConfig(multipart_chunksize=16 * 2**20, max_concurrency=2)
        reader = io.BufferedReader(Pieces(parts), PIECE)
        try:
            self._client.upload_fileobj(reader, self.bucket, self._key(name), Config=transfer)
        except (BotoCoreError, ClientError) as error:
            raise PreconditionError(f"{self.url}/{name} cannot be written: {error}") from error

    def get(self, name: str) -> Iterator[bytes]:
        try:
            body = self._client.get_object(Bucket=self.bucket, Key=self._key(name))["Body"]
            yield from body.iter_chunks(PIECE)
        except (BotoCoreError, ClientError) as error:
            raise PreconditionError(f"{self.url}/{name} cannot be read: {error}") from error

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


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
