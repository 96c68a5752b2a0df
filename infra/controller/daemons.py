"""The empty daemons: configured to be reached, enabled, running, holding nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address

from infra.controller import files, record
from infra.controller.files import File
from infra.controller.part import Facts, Place
from migrate.cloud.host import Host

NOTE = "# Written by sidestep; Pulumi puts it back when it is changed. `migrate` adds its own.\n"

START = """
unit=$1 file=$2
systemctl daemon-reload
systemctl reset-failed -q "$unit" 2>/dev/null || true
systemctl enable -q "$unit"
# RabbitMQ, restarted within its first start, leaves tables half made and never starts again
if [ "$(systemctl is-active "$unit")" = activating ]; then systemctl start "$unit" || true; fi
# restarted only when its file was written after it began to start: it has not read that yet
began=$(systemctl show -P ExecMainStartTimestamp "$unit")
written=$(stat -c %Y "$file" 2>/dev/null || echo 0)
if [ -n "$began" ] && [ "$written" -ge "$(date -d "$began" +%s)" ]; then
  systemctl restart "$unit"
else
  systemctl start "$unit"
fi
"""

STOP = 'systemctl disable -q --now "$1" 2>/dev/null || true'


def _nothing(place: Place) -> list[File]:
    return []


@dataclass(frozen=True, slots=True)
class Daemon:
    """Facts: `{"running": True, "enabled": True, "files": {path: digest}}`."""

    unit: str
    make_files: Callable[[Place], list[File]] = _nothing

    def wanted(self, place: Place) -> Facts:
        return {
            "running": True,
            "enabled": True,
            "files": files.digests(self.make_files(place)),
        }

    def read(self, host: Host, place: Place) -> Facts:
        paths = [file.path for file in self.make_files(place)]
        return {
            "running": host.succeeds("systemctl", "is-active", "-q", self.unit),
            "enabled": host.succeeds("systemctl", "is-enabled", "-q", self.unit),
            "files": files.read(host, paths) if paths else {},
        }

    def apply(self, host: Host, place: Place) -> None:
        made = self.make_files(place)
        record.remember(host, self.unit, {"files": [file.path for file in made]})
        if made and files.read(host, [file.path for file in made]) != files.digests(made):
            files.write(host, made)
        host.shell(START, self.unit, made[0].path if made else "", timeout=180)

    def start(self, host: Host) -> None:
        """Start it as it is configured, and nothing else."""
        host.run("systemctl", "start", self.unit, timeout=180)

    def remove(self, host: Host, place: Place) -> None:
        if recorded := record.recall(host, self.unit):
            host.shell(STOP, self.unit, timeout=180)
            files.remove(host, recorded["files"])
            record.forget(host, self.unit)


def _database(place: Place) -> list[File]:
    """Reachable, logging for replication, in a GTID domain that the source does not use."""
    year, half = place.release.split(".")
    text = (
        f"{NOTE}[mariadbd]\n"
        "bind-address = 0.0.0.0\n"
        "skip-name-resolve\n"
        f"server_id = {int(IPv4Address(place.address))}\n"
        f"gtid_domain_id = {int(year) * 10 + int(half)}\n"
        "log_bin = /var/lib/mysql/binlog\n"
        "binlog_format = ROW\n"
        "expire_logs_days = 7\n"
        "max_connections = 4096\n"
        "max_allowed_packet = 64M\n"
        "innodb_file_per_table = 1\n"
        "ignore_db_dirs = lost+found\n"  # where the data has a volume of its own
    )
    return [File("/etc/mysql/mariadb.conf.d/70-sidestep.cnf", text)]


def _broker(place: Place) -> list[File]:
    text = f"{NOTE}listeners.tcp.default = 0.0.0.0:5672\nloopback_users.guest = true\n"
    return [File("/etc/rabbitmq/conf.d/70-sidestep.conf", text)]


def _cache(place: Place) -> list[File]:
    """On the controller's and the virtual IPs only: memcached asks nobody who they are."""
    listen = ",".join(("127.0.0.1", place.address, *place.virtual_ips))
    unit = (
        f"{NOTE}[Unit]\nAfter=systemd-sysctl.service\n[Service]\nExecStart=\n"
        f"ExecStart=/usr/bin/memcached -m 256 -p 11211 -u memcache -U 0 -l {listen}\n"
    )
    return [File("/etc/systemd/system/memcached.service.d/sidestep.conf", unit)]


DATABASE = Daemon("mariadb.service", _database)
BROKER = Daemon("rabbitmq-server.service", _broker)
CACHE = Daemon("memcached.service", _cache)
PROXY = Daemon("haproxy.service")
