"""The disk of a database, of its own and as full as a test wants it."""

from migrate.cloud.host import Host

DATA = "/var/lib/mysql"


def on_its_own_disk(host: Host) -> None:
    """The server's data on a file system of its own, until the machine is thrown away."""
    host.shell(
        'systemctl stop mariadb; kept=$(mktemp -d); cp -a "$1/." "$kept"\n'
        'size=$(( $(du -sm "$kept" | cut -f 1) * 2 + 300 ))\n'
        'mount -t tmpfs -o "size=${size}m" tmpfs "$1"\n'
        'chmod --reference="$kept" "$1"; chown --reference="$kept" "$1"\n'
        'cp -a "$kept/." "$1"; rm -rf "$kept"; systemctl start mariadb',
        DATA,
        timeout=300,
    )


def fill(host: Host, leaving: int) -> None:
    """No more than *leaving* hundredths are free there afterwards."""
    host.shell(
        'set -- "$1" "$2" $(df --output=avail,size -k "$1" | tail -1)\n'
        'head -c "$(( $3 - $4 * $2 / 100 ))K" /dev/zero >"$1/filler" || true',
        DATA,
        str(leaving),
        timeout=120,
    )


def empty(host: Host) -> None:
    host.run("rm", "-f", f"{DATA}/filler")
