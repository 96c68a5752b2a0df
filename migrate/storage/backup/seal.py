"""Encryption of a stream of bytes under a passphrase, with constant memory.

AES-256-GCM over chunks (the STREAM construction): a chunk that was changed, moved, left out or cut
off at the end is found when it is read. The key comes from the passphrase by scrypt; a stream is
the header below, then chunks.

    SIDESTEP-1 | salt, 16 | nonce prefix, 7 | chunks of up to 1 MiB, each with its tag of 16
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from migrate.errors import PreconditionError

MAGIC = b"SIDESTEP-1"
SALT, PREFIX, TAG = 16, 7, 16
HEADER = len(MAGIC) + SALT + PREFIX
CHUNK = 2**20
VARIABLES = ("MIGRATE_BACKUP_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE")


def passphrase() -> str:
    """The operator's: of its own variable or Pulumi's, or of the file that `..._FILE` names."""
    for name in VARIABLES:
        if path := os.environ.get(f"{name}_FILE"):
            try:
                return Path(path).read_text().rstrip("\n")
            except OSError as error:
                raise PreconditionError(f"{name}_FILE names {path}: {error.strerror}") from error
        if value := os.environ.get(name):
            return value
    return ""


def sealed(plain: Iterable[bytes], secret: str) -> Iterator[bytes]:
    """*plain* encrypted."""
    salt, prefix = os.urandom(SALT), os.urandom(PREFIX)
    header = MAGIC + salt + prefix
    cipher = AESGCM(_key(secret, salt))
    yield header
    previous: bytes | None = None
    number = 0
    for chunk in even(plain, CHUNK):
        if previous is not None:
            yield cipher.encrypt(_nonce(prefix, number, last=False), previous, header)
            number += 1
        previous = chunk
    yield cipher.encrypt(_nonce(prefix, number, last=True), previous or b"", header)


def opened(stored: Iterable[bytes], secret: str) -> Iterator[bytes]:
    """The plain bytes of a sealed stream; PreconditionError at the first that is not as written."""
    stream = even(stored, CHUNK + TAG, first=HEADER)
    header = next(stream, b"")
    if len(header) != HEADER or not header.startswith(MAGIC):
        raise PreconditionError("this is not an encrypted file of this program")
    salt, prefix = header[len(MAGIC) : -PREFIX], header[-PREFIX:]
    cipher = AESGCM(_key(secret, salt))
    try:
        previous: bytes | None = None
        number = 0
        for chunk in stream:
            if previous is not None:
                yield cipher.decrypt(_nonce(prefix, number, last=False), previous, header)
                number += 1
            previous = chunk
        yield cipher.decrypt(_nonce(prefix, number, last=True), previous or b"", header)
    except InvalidTag as error:
        raise PreconditionError(
            "an encrypted file is damaged, cut short, or the passphrase is not the one it was "
            "written with"
        ) from error


def even(parts: Iterable[bytes], size: int, first: int = 0) -> Iterator[bytes]:
    """The same bytes in pieces of *size*; the first piece of *first*, the last may be shorter."""
    held = bytearray()
    wanted = first or size
    for part in parts:
        held += part
        while len(held) >= wanted:
            yield bytes(held[:wanted])
            del held[:wanted]
            wanted = size
    if held:
        yield bytes(held)


def _key(secret: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(secret.encode())


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])
