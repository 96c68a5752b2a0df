"""What is a host's own is gathered over a real sshd, is root's alone there, and is read back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from migrate.cloud import trusting
from migrate.cloud.host import SshHost
from migrate.cloud.settings import Ssh
from migrate.computes.reinstalling import anew
from migrate.errors import HostKeyError
from migrate.onhost import call
from tests.integration import sshd
from tests.unit import fakes

pytestmark = pytest.mark.integration
FOLDER = "/var/lib/migrate/kept/cmp1"


def test_a_fresh_system_is_trusted_by_the_key_that_was_told_and_no_other(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path)
    with sshd.running(tmp_path, "127.0.77.6") as server:
        other = tmp_path / "other"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
        key = " ".join(other.with_suffix(".pub").read_text().split()[:2])
        known = tmp_path / "known"
        known.write_text(f"[{server.address}]:{sshd.PORT} {key}\n")  # of the system before it
        ssh = Ssh(key=server.key, known_hosts=known, port=sshd.PORT)
        settings = context.settings.model_copy(update={"ssh": ssh})
        context = replace(context, settings=settings)
        host = trusting(context, Before("cmp1", server.address), known)
        with pytest.raises(HostKeyError):
            host.run("true")
        assert anew.reached(context, host) is host
        told = context.home / "fresh-cmp1.known_hosts"
        told.write_text(server.known_hosts.read_text())
        assert anew.reached(context, host).run("echo", "in") == "in\n"
        told.write_text(known.read_text())
        assert anew.reached(context, host) is host


class Before(fakes.FakeHost):
    """Only by name and address."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__(name)
        self.address = address


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SshHost]:
    with sshd.running(tmp_path, "127.0.77.5", apart=True) as server:
        found = SshHost(
            "cmp1",
            server.address,
            user="root",
            key=server.key,
            known_hosts=server.known_hosts,
            port=sshd.PORT,
        )
        yield found
        found.close()


def test_it_is_gathered_read_back_and_removed(host: SshHost, tmp_path: Path) -> None:
    own = tmp_path / "nova"
    own.mkdir(mode=0o750)
    (own / "nova.conf").write_bytes(b"password = \xff secret\n")
    subprocess.run(["chown", "nobody", own / "nova.conf"], check=True)
    before = call(host, "kept.system")
    told = call(host, "kept.gather", FOLDER, [[str(own), "back"]], ["root"], [[], []], "token")
    assert "secret" not in str(told)
    (row,) = (one for one in told["rows"] if one["path"].endswith("nova.conf"))
    assert (row["user"], row["how"]) == ("nobody", "back")
    assert call(host, "kept.manifest", FOLDER) == told
    assert told["system"] == {**before, "token": "token"}
    modes = host.shell('find "$1" -printf "%m %U %y\n" | sort -u', "/var/lib/migrate/kept/cmp1")
    assert modes.splitlines() == ["600 0 f", "700 0 d"]
    assert call(host, "kept.wrong_in", FOLDER) == []
    host.run("cp", "/dev/null", f"{FOLDER}/files/{row['at']}")
    assert call(host, "kept.wrong_in", FOLDER) == [row["path"]]
    call(host, "kept.mark", "token")
    assert call(host, "kept.system") == told["system"]
    call(host, "record.forget", "reinstall")
    call(host, "kept.remove", FOLDER)
    assert not host.exists("/var/lib/migrate")
