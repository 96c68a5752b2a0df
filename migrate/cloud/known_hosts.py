"""Which ssh host keys are trusted: `known_hosts` as OpenSSH writes it, line by line."""

from pathlib import Path

from paramiko import SSHException
from paramiko.hostkeys import HostKeyEntry, HostKeys, InvalidHostKey


def of_the_user() -> Path:
    """Where OpenSSH keeps them."""
    return Path("~/.ssh/known_hosts").expanduser()


def add(keys: HostKeys, path: Path) -> None:
    """Add to *keys* what *path* says: nothing where it is not there.

    A line that cannot be read trusts nobody: paramiko's own reader ends with it, and a site with
    a certificate authority has lines (`@cert-authority`) that it does not know. A key that is
    `@revoked` is trusted nowhere.
    """
    entries: list[HostKeyEntry] = []
    revoked: set[str] = set()
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    for line in lines:
        mark, _, rest = line.strip().partition(" ")
        if mark == "@revoked" and (one := _entry(rest)):
            revoked.add(one.key.get_base64())
        elif not mark.startswith(("@", "#")) and (one := _entry(line)):
            entries.append(one)
    for one in entries:
        if one.key.get_base64() not in revoked:
            for name in one.hostnames:
                keys.add(name, one.key.get_name(), one.key)


def _entry(line: str) -> HostKeyEntry | None:
    try:
        return HostKeyEntry.from_line(line.strip())
    except (InvalidHostKey, SSHException, ValueError):
        return None
