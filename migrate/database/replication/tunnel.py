"""The way to the source's database: a port of the target's own, and ssh by the key of transfers.

systemd listens on the loopback address and starts one ssh for each connection, so it is there
again after a boot. The other end is the source server's unix socket: no port of its is opened, and
the filter that keeps the target from the source's database stays whole.
"""

from migrate.cloud import Context, transfer
from migrate.cloud.host import Host
from migrate.database import connection
from migrate.database.replication import room

ADDRESS, PORT = "127.0.0.1", 13306
LISTENS, CONNECTS = "migrate-replica.socket", "migrate-replica@.service"
FOLDER = "/etc/systemd/system"
FILES = (f"{FOLDER}/{LISTENS}", f"{FOLDER}/{CONNECTS}")

SOCKET_UNIT = f"""[Unit]
Description=The way to the source cloud's database (migrate)

[Socket]
ListenStream={ADDRESS}:{PORT}
Accept=yes
MaxConnections=4

[Install]
WantedBy=sockets.target
"""
SERVICE_UNIT = """[Unit]
Description=One connection to the source cloud's database (migrate)

[Service]
ExecStart=-{command}
StandardInput=socket
StandardError=journal
"""


def dig(context: Context) -> None:
    """Open it; safe to repeat."""
    source, target = context.source.database, context.target.database
    transfer.permit(source, sockets=[connection.SOCKET], volumes=room.folders(context))
    argv = transfer.command(context, target, source, "socket", connection.SOCKET)
    service = SERVICE_UNIT.format(command=" ".join(map(_word, argv)))
    target.write(f"{FOLDER}/{CONNECTS}", service, mode=0o644)
    target.write(f"{FOLDER}/{LISTENS}", SOCKET_UNIT, mode=0o644)
    target.run("systemctl", "daemon-reload")
    target.run("systemctl", "enable", "-q", "--now", LISTENS)


def fill_in(target: Host) -> None:
    """Nothing of it is left; safe to repeat."""
    target.shell(
        'systemctl disable -q --now --no-reload "$1" 2>/dev/null || true; '
        'systemctl stop "${2%.*}*" || true; '
        'rm -f -- "$3/$1" "$3/$2"; systemctl daemon-reload',
        *(LISTENS, CONNECTS, FOLDER),
    )


def _word(word: str) -> str:
    """*word* as a unit's command line has it."""
    for sign, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(sign, escaped)
    return f'"{word}"'
