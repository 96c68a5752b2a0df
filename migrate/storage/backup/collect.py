"""What a backup holds, as streams from the hosts that have it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from migrate.cloud import wait
from migrate.cloud.host import Host
from migrate.database import connection, instant
from migrate.database.fingerprint import CONNECTIONS, Fingerprint, taken_by
from migrate.database.service_databases import ServiceDatabase
from migrate.errors import CommandError, StepError
from migrate.onhost import serve, source
from migrate.services.base import Recipe

PIECE = 262144
DATABASES = "databases"  # of the first server; of another its name comes behind
SNAPSHOT_SECONDS = 10.0
MORE = (
    *("/etc/mysql", "/etc/my.cnf", "/etc/my.cnf.d", "/etc/rabbitmq", "/etc/haproxy"),
    *("/etc/keepalived", "/etc/memcached.conf", "/etc/openstack-dashboard", "/etc/apache2"),
    *("/etc/openstack", "/etc/libvirt", "/etc/openvswitch", "/etc/hosts", "/etc/ceph"),
)

DUMP = f"""
begun=$1; shift
{{ {" ".join((*serve.DUMP, *serve.WHOLE))} "$@"
  echo "SELECT 'complete';"; }} | python3 -c "$begun" | gzip -3
"""

FOLDERS = """
declare -a found
for one; do test ! -e "$one" || found+=("${one#/}"); done
tar -c -f - -C / -- "${found[@]}" | gzip -3
"""

# in memory alone meanwhile, since keys are among it
CLUSTER = """
folder=$(mktemp -d -p "${TMPDIR:-/run}"); trap 'rm -rf "$folder"' EXIT; cd "$folder"
ask() { ceph --connect-timeout 15 "$@"; }
ask mon getmap -o monmap
ask osd getmap -o osdmap
ask osd getcrushmap -o crushmap
ask auth export -o auth.keyring
ask config dump -f json >config.json
ask config-key dump -f json >config-key.json
ask osd metadata -f json >osd-metadata.json
ask report >report.json
tar -c -f - -- * | gzip -3
"""

PACKAGES = """
if command -v dpkg-query >/dev/null; then
  dpkg-query -W -f '${Package} ${Version} ${Architecture} ${db:Status-Want}\\n'
else
  rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE} %{ARCH} install\\n' | sort
fi
"""


def of(host: Host, script: str, *args: str) -> Iterator[bytes]:
    """The stdout of a bash *script* on *host* as it comes; CommandError where it fails."""
    channel = host.channel("bash", "-euo", "pipefail", "-c", script, "backup", *args)
    try:
        yield from received(host, channel)
    finally:
        channel.close()


def received(host: Host, channel: object) -> Iterator[bytes]:
    """All that a running *channel* gives; its exit status decides whether that was all."""
    stream: Any = channel
    stream.settimeout(600)
    while part := stream.recv(PIECE):
        yield part
    if status := stream.recv_exit_status():
        said = stream.recv_stderr(2000).decode(errors="replace")
        raise CommandError(host.name, "a stream for the backup", status, said)


def folders(recipes: tuple[Recipe, ...]) -> list[str]:
    """Every folder of configuration that a service or a daemon of a cloud may have."""
    return sorted({*(str(recipe.folder) for recipe in recipes), *MORE})


@contextmanager
def snapshot(
    host: Host, databases: list[ServiceDatabase]
) -> Iterator[tuple[Iterator[bytes], Lazy]]:
    """A dump and a fingerprint of the same instant of a server in use."""
    names = sorted({database.name for database in databases})
    dumps: list[object] = []

    def dump(stack: ExitStack) -> None:
        begun = source("begun")
        channel = host.channel("bash", "-euo", "pipefail", "-c", DUMP, "backup", begun, *names)
        stack.callback(channel.close)
        await_dump(host, channel)
        dumps.append(channel)

    with instant.sessions(host, CONNECTIONS, dump) as links:
        yield received(host, dumps[0]), Lazy(links, databases)


def await_dump(host: Host, channel: Any) -> None:
    """Return when the dump has its snapshot."""
    said = bytearray()

    def going_on() -> bool:
        if channel.recv_stderr_ready():
            said.extend(channel.recv_stderr(2000))
            return b"begun" not in said
        return not channel.exit_status_ready()

    wait.while_any(going_on, SNAPSHOT_SECONDS, pause=0.005)
    if b"begun" not in said:
        raise StepError(
            f"{host.name}: the dump did not begin within {SNAPSHOT_SECONDS:g} s: "
            f"{said.decode(errors='replace').strip()}"
        )


class Lazy:
    """The fingerprint of the snapshot, taken by its sessions when it is asked for."""

    def __init__(self, links: list[connection.Session], databases: list[ServiceDatabase]) -> None:
        self._links, self._databases = links, databases

    def fingerprint(self) -> Fingerprint:
        users = (database.user for database in self._databases)
        return taken_by(
            instant.shared(self._links), (database.name for database in self._databases), users
        )
