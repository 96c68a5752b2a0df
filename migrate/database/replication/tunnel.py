"""The way to the source's database: a port of the target's own, and ssh by the key of transfers.

systemd listens on the loopback address and starts one ssh for each connection, so it is there
again after a boot. The other end is the source server's unix socket: no port of its is opened, and
the filter that keeps the target from the source's database stays whole.
"""

from migrate.cloud import Context, transfer
from migrate.cloud.host import Host
from migrate.database import connection
from migrate.database.replication import room
from migrate.database.servers import Server
from migrate.errors import PreconditionError
from migrate.onhost import call

ADDRESS, PORT = "127.0.0.1", 13306  # of the first server; the next has the next
NAME = "migrate-replica"
LISTENS, CONNECTS = f"{NAME}.socket", f"{NAME}@.service"  # and so on: "migrate-replica-2.socket"
FOLDER = "/etc/systemd/system"
MOST = 8  # servers

SOCKET_UNIT = f"""[Unit]
Description=The way to the source cloud's database (migrate)

[Socket]
ListenStream={ADDRESS}:{{port}}
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


FILL_IN = """
cd "$2"
for one in "$1".socket "$1"-*.socket; do
  test -e "$one" || continue
  systemctl disable -q --now --no-reload "$one" 2>/dev/null || true
done
systemctl stop "$1*" || true
rm -f -- "$1".socket "$1"@.service "$1"-*.socket "$1"-*@.service
systemctl daemon-reload
"""


def dig(context: Context, server: Server) -> int:
    """Open the one to *server*, and tell its port; safe to repeat."""
    source, target, port = server.host, context.target.database, PORT + server.number
    if server.number >= MOST:
        raise PreconditionError(
            f"the source has more than {MOST} database servers, which are not followed: bring some "
            "of their databases together"
        )
    name = _name(server.number)
    transfer.permit(source, sockets=[connection.SOCKET], volumes=room.folders(source))
    argv = transfer.command(context, target, source, "socket", connection.SOCKET)
    service = SERVICE_UNIT.format(command=" ".join(map(_word, argv)))
    target.write(f"{FOLDER}/{name}@.service", service, mode=0o644)
    target.write(f"{FOLDER}/{name}.socket", SOCKET_UNIT.format(port=port), mode=0o644)
    target.run("systemctl", "daemon-reload")
    target.run("systemctl", "enable", "-q", "--now", f"{name}.socket")
    return port


def fill_in(target: Host) -> None:
    """Nothing of any is left; safe to repeat."""
    target.shell(FILL_IN, NAME, FOLDER)


def left(target: Host) -> list[str]:
    """Files of any that are there."""
    names = (f"{_name(number)}{end}" for number in range(MOST) for end in (".socket", "@.service"))
    return list(call(target, "files.existing", [f"{FOLDER}/{name}" for name in names]))


def _name(number: int) -> str:
    """What the units of the server *number* are called by."""
    return f"{NAME}-{number + 1}" if number else NAME


def _word(word: str) -> str:
    """*word* as a unit's command line has it."""
    for sign, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(sign, escaped)
    return f'"{word}"'
