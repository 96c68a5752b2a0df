"""A second server on the target's database host, over a clone of the first one's data.

It is taken by mariadb-backup while the first server goes on, and has no network: it is met by its
socket alone. Nothing in it counts; it is gone afterwards, and what a killed run left is removed by
the next, by `follow`, with which every window begins, by the way back, and by `migrate finish`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from migrate.cloud import Context, transfer
from migrate.cloud.host import Host
from migrate.database import connection, servers, settings
from migrate.errors import PreconditionError
from migrate.onhost import call

UNIT = "migrate-rehearsal"
FOLDER = "/var/lib/migrate-rehearsal"
SOCKET = f"/run/{UNIT}/socket"
HIDDEN = ("/run/mysqld",)  # where the first server listens by a path
FACTOR = 1.2  # of the data, for what the upgrade adds
LEFT_FREE = 1024**3  # the file system must not become full by a rehearsal

STOP = """
test -e "$1" || exit 0  # it comes first, and goes last
systemctl kill -s KILL "$2" 2>/dev/null || true  # its data is thrown away
systemctl stop "$2" 2>/dev/null || true
systemctl reset-failed -q "$2" 2>/dev/null || true
rm -rf -- "$1"
"""

# of the server's own files only what mariadb-backup notes: their paths would be the first one's
START = """
folder=$1 unit=$2 socket=$3 server=$4 names=$5 flush=$6
command -v mariadb-backup >/dev/null ||
  { echo "there is no mariadb-backup: install it" >&2; exit 1; }
install -d -m 0700 -o mysql -g mysql "$folder" "$folder/tmp"
ulimit -n 65536 2>/dev/null || true
said() { tail -n 3 "$folder/log" >&2; exit 1; }
nice -n 10 mariadb-backup --backup --user=root --socket="$server" --target-dir="$folder/data" \\
  >"$folder/log" 2>&1 || said
nice -n 10 mariadb-backup --prepare --target-dir="$folder/data" >"$folder/log" 2>&1 || said
chown -R mysql:mysql "$folder"
pool=$(awk '/^MemAvailable/ { m = int($2 / 4096) }
  END { print (m > 4096 ? 4096 : m < 64 ? 64 : m) "M" }' /proc/meminfo)
systemd-run -q --unit="$unit" --collect -p User=mysql -p RuntimeDirectory="$unit" \\
  -p PrivateNetwork=yes -p ProtectSystem=strict -p ReadWritePaths="$folder" \\
  -p OOMScoreAdjust=500 -p LimitNOFILE=65536 -- \\
  /usr/sbin/mariadbd --defaults-file="$folder/data/backup-my.cnf" --datadir="$folder/data" \\
  --tmpdir="$folder/tmp" --socket="$socket" --pid-file="$folder/pid" --port=63307 \\
  --skip-networking --skip-log-bin --skip-slave-start --event-scheduler=OFF \\
  --max-allowed-packet=1G --innodb-buffer-pool-size="$pool" \\
  --innodb-flush-log-at-trx-commit="$flush" --lower-case-table-names="$names"
for _ in $(seq 600); do
  mariadb --no-defaults --socket="$socket" -e 'SELECT 1' >/dev/null 2>&1 && break
  sleep 0.1
done
mariadb --no-defaults --socket="$socket" -e 'SELECT 1' >/dev/null 2>&1 ||
  { echo "the clone did not start; see journalctl -u $unit" >&2; exit 1; }
pid=$(systemctl show -P MainPID "$unit")
test "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ||
  { echo "this host gives the clone no network of its own" >&2; exit 1; }
"""


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes: what the server's files take, what a clone of them needs, and what is free."""

    data: int
    wanted: int
    free: int


def room(host: Host) -> Room:
    """What a clone on *host* needs; the largest table may be there twice while it is rebuilt."""
    with connection.session(host) as link:
        ((data, largest),) = connection.rows(
            link,
            "SELECT COALESCE(SUM(file_size), 0), COALESCE(MAX(file_size), 0)"
            " FROM information_schema.innodb_sys_tablespaces",
        )
        log = int(connection.value(link, "SELECT @@innodb_log_file_size"))
    ((_, free),) = call(host, "space.free", [FOLDER])
    (there,) = call(host, "space.below", [FOLDER], timeout=600)  # of a killed run: it goes first
    wanted = int((int(data) + log) * FACTOR) + int(largest) + LEFT_FREE
    return Room(int(data), wanted, int(free) + int(there))


def refuse_without_room(host: Host, found: Room) -> None:
    """PreconditionError where a clone would not fit."""
    if found.free < found.wanted:
        raise PreconditionError(
            f"{host.name}: a clone of its databases needs {found.wanted >> 20} MiB in {FOLDER}, "
            f"{found.free >> 20} are free; give that file system more room"
        )


@contextmanager
def running(context: Context) -> Iterator[None]:
    """The clone, answering at `SOCKET`; gone when the block ends."""
    target = context.target.database
    remove(target)
    refuse_without_room(target, room(target))
    with connection.session(target) as link:
        wanted = settings.read(link)
        flush = connection.value(link, "SELECT @@innodb_flush_log_at_trx_commit")
    try:
        own = (connection.SOCKET, wanted["lower_case_table_names"], str(flush))
        target.shell(START, FOLDER, UNIT, SOCKET, *own, timeout=transfer.DAY)
        _prove_other(context)
        with connection.session(target, SOCKET) as link:
            settings.apply(link, wanted)
        yield
    finally:
        remove(target)


def _prove_other(context: Context) -> None:
    target = context.target.database
    with connection.session(target, SOCKET) as link:
        own = connection.identity(link)
    for host in (*(one.host for one in servers.of(context)), target):
        with connection.session(host) as link:
            if connection.identity(link) == own:
                raise PreconditionError(
                    f"{target.name}: the clone is {host.name}'s own server; nothing was done in it"
                )


def remove(host: Host) -> None:
    """Leave nothing of a clone on *host*; safe to repeat, and where there never was one.

    Services that were started on it go first: one that has read it never serves.
    """
    if left(host):
        call(host, "shadow.end", timeout=120)
    host.shell(STOP, FOLDER, UNIT, timeout=600)


def left(host: Host) -> bool:
    """Whether something of one is there: its folder comes first, and goes last."""
    return host.exists(FOLDER)
