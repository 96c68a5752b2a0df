"""Where a backup is kept: a folder of the operator's machine, or a bucket of any S3 server."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

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

    def gateway(self) -> str:
        """The host to which one turns there, if a gateway of Ceph answers; "" of anything else."""
        ...


def at(url: str) -> Store:
    """The store of a `file://` or `s3://bucket/prefix` URL."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path != "/":
        return Folder(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        from migrate.storage.backup.bucket import Bucket  # noqa: PLC0415  boto3 costs every command 0.3 s

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

    def gateway(self) -> str:
        return ""
