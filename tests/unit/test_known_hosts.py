"""`known_hosts` as sites have it: a line that cannot be read trusts nobody and ends nothing."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest
from paramiko.hostkeys import HostKeys

from migrate.cloud import known_hosts


@pytest.fixture(scope="module")
def key() -> paramiko.PKey:
    return paramiko.RSAKey.generate(1024)


@pytest.mark.parametrize(
    "beside",
    [
        b"@cert-authority *.example.com ssh-ed25519 AAAA not base64",
        b"old ssh-rsa AAAAB3",
        b"# M\xfcller",
        b"\x00\xff\xfe half a key",
        b"old ssh-dss !!!!",
    ],
)
def test_a_line_beside_it_does_not_matter(
    tmp_path: Path, key: paramiko.PKey, beside: bytes
) -> None:
    path = tmp_path / "known_hosts"
    line = f"ctl,10.0.0.2 ssh-rsa {key.get_base64()} a comment".encode()
    path.write_bytes(beside + b"\n" + line + b"\n" + beside)
    found = HostKeys()
    known_hosts.add(found, path)
    for name in ("ctl", "10.0.0.2"):
        assert found.check(name, key)
    assert set(found) == {"ctl", "10.0.0.2"}


def test_a_revoked_key_is_trusted_nowhere(tmp_path: Path, key: paramiko.PKey) -> None:
    path = tmp_path / "known_hosts"
    text = f"ssh-rsa {key.get_base64()}"
    path.write_text(f"ctl {text}\n@revoked * {text}\n")
    found = HostKeys()
    known_hosts.add(found, path)
    assert not found.check("ctl", key)
