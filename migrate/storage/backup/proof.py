"""Restore what is stored into a MariaDB of its own, and compare it with what was backed up."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import IO, Any

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import accounts, connection, servers, settings
from migrate.database.difference import Difference, differences
from migrate.database.fingerprint import fingerprint
from migrate.errors import CommandError, PreconditionError
from migrate.storage.backup import seal, store
from migrate.storage.backup.collect import DATABASES, PIECE
from migrate.storage.backup.take import Manifest, manifest

UNIT = "migrate-proof"
FOLDER = "/var/lib/migrate-proof"
SOCKET = f"/run/{UNIT}/socket"
# a snapshot of a server in use: the counter of automatic numbers stands outside of it
OUTSIDE = frozenset({"next automatic number"})

# another port than any server of this host listens on: MariaDB's own identity depends on it
START = """
folder=$1 unit=$2 socket=$3
systemctl stop "$unit" 2>/dev/null || true
rm -rf -- "$folder"
install -d -m 0700 -o mysql -g mysql "$folder"
mariadb-install-db --no-defaults --user=mysql --datadir="$folder/data" --skip-test-db \\
  --auth-root-authentication-method=socket >"$folder/log" 2>&1
systemctl reset-failed -q "$unit" 2>/dev/null || true
systemd-run -q --unit="$unit" --collect -p User=mysql -p RuntimeDirectory="$unit" -- \\
  /usr/sbin/mariadbd --no-defaults --datadir="$folder/data" --socket="$socket" --skip-networking \\
  --port=63306 --skip-log-bin --max-allowed-packet=1G --innodb-flush-log-at-trx-commit=0
for _ in $(seq 300); do
  mariadb --no-defaults --socket="$socket" -e 'SELECT 1' >/dev/null 2>&1 && exit 0
  sleep 0.1
done
echo "a private MariaDB did not start; see journalctl -u $unit" >&2
exit 1
"""

STOP = """
systemctl stop "$2" 2>/dev/null || true
rm -rf -- "$1"
"""

LOAD = 'gunzip -c | mariadb --no-defaults --socket="$1" --batch --skip-column-names \
--max-allowed-packet=1G --default-character-set=utf8mb4'


def restore_proof(context: Context, url: str) -> list[Difference]:
    """What of the newest backup below *url* does not restore to what it was taken from.

    It is restored from the stored files into a private server on the target, which has no network
    and is gone afterwards. Raises PreconditionError where a file is missing or damaged.
    """
    folder, found = manifest(context, url)
    kept = store.at(url)
    fetched = {one["name"]: one for one in found["files"]}
    dumps = [name for name in fetched if name.startswith(DATABASES)]
    for name in fetched:
        if name not in {*dumps, "accounts.json", "fingerprint.json"}:
            for _ in verified(kept, folder, found, name):
                pass
    expected = json.loads(b"".join(verified(kept, folder, found, "fingerprint.json")))
    logins = json.loads(b"".join(verified(kept, folder, found, "accounts.json")))
    target = context.target.database
    with second_server(context) as socket:
        with connection.session(target, socket) as link:
            settings.apply(link, expected["settings"])
            carried = [
                accounts.Account(one["name"], one["create"], tuple(one["grants"])) for one in logins
            ]
            accounts.create(link, carried)
        for name in dumps or [f"{DATABASES}.sql.gz"]:
            load(target, socket, verified(kept, folder, found, name))
        with connection.session(target, socket) as link:
            accounts.grant(link, carried)
        users = {name.partition("@")[0].strip("'") for name in expected["accounts"]}
        restored = fingerprint(target, expected["databases"], users, socket)
    missing = differences(expected, restored, ("backup", "restored"))
    return [one for one in missing if one.kind not in OUTSIDE]


def verified(kept: store.Store, folder: str, found: Manifest, name: str) -> Iterator[bytes]:
    """The plain bytes of a stored file, given out only after its sum was right."""
    expected = next((one for one in found["files"] if one["name"] == name), None)
    if expected is None:
        raise PreconditionError(f"the backup {kept.url}/{folder} has no {name}")
    with tempfile.TemporaryFile() as held:
        whole = sha256()
        for part in kept.get(f"{folder}/{name}"):
            whole.update(part)
            held.write(part)
        if whole.hexdigest() != expected["sha256"] or held.tell() != expected["size"]:
            raise PreconditionError(
                f"{kept.url}/{folder}/{name} is not what was stored: its checksum differs"
            )
        held.seek(0)
        stored = pieces(held)
        yield from seal.opened(stored, seal.passphrase()) if found["encrypted"] else stored


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of *file*."""
    while part := file.read(PIECE):
        yield part


@contextmanager
def second_server(context: Context) -> Iterator[str]:
    """The socket of an empty server on the target that is neither the source's nor the target's."""
    target = context.target.database
    try:
        target.shell(START, FOLDER, UNIT, SOCKET, timeout=120)
        with connection.session(target, SOCKET) as link:
            own = connection.identity(link)
        for host in (*(one.host for one in servers.of(context)), target):
            with connection.session(host) as link:
                if connection.identity(link) == own:
                    raise PreconditionError(
                        f"{target.name}: the second server is {host.name}'s own"
                    )
        yield SOCKET
    finally:
        target.shell(STOP, FOLDER, UNIT, timeout=120)


def load(host: Host, socket: str, dump: Iterator[bytes]) -> None:
    """Feed a compressed dump to the server; CommandError unless all of it was executed."""
    channel: Any = host.channel("bash", "-euo", "pipefail", "-c", LOAD, "load", socket)
    try:
        channel.settimeout(3600)
        for part in dump:
            channel.sendall(part)
        channel.shutdown_write()
        answer = b""
        while part := channel.recv(PIECE):
            answer += part
        status = channel.recv_exit_status()
        said = channel.recv_stderr(2000).decode(errors="replace")
    finally:
        channel.close()
    if status or answer.split() != [b"complete"]:
        raise CommandError(host.name, "the import of the stored dump", status or 1, said)
