"""What the target's server says of its own following, and what it means."""

from migrate.database import connection
from migrate.errors import StepError

FULL = (
    "the disk of the target's database is full: free some of it, within a minute its server goes on"
)


Shown = dict[str, str]  # of one connection


def read(link: connection.Session) -> dict[str, Shown]:
    """What the server shows of each of its connections, by name; {} where it follows nobody.

    With a full disk it would only answer when there is room again: StepError instead.
    """
    if said := full(link):
        raise StepError(said)
    found = connection.named(link, "SHOW ALL SLAVES STATUS")
    shown = [{name: str(value) for name, value in one.items()} for one in found]
    return {one["Connection_name"]: one for one in shown}


def full(link: connection.Session) -> str:
    """Why nothing else can be asked of its following, or done to it; "" where it can."""
    waits = connection.value(
        link,
        "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE %s "
        "AND state LIKE %s",
        "Slave%",
        "%free space%",
    )
    return FULL if waits else ""


def applied(link: connection.Session) -> str:
    """Where it is, e.g. "0-1-55"."""
    return str(connection.value(link, "SELECT @@global.gtid_slave_pos"))


def reaches(link: connection.Session, place: str, seconds: float) -> bool:
    """Whether it has all before *place* within *seconds*."""
    return bool(connection.value(link, "SELECT MASTER_GTID_WAIT(%s, %s) = 0", place, seconds))


def error(found: Shown | None) -> str:
    """Why one does not follow: an error of applying, or of the connection; "" where it does."""
    if not found:
        return "nothing is followed"
    for part in ("SQL", "IO"):
        if (number := found[f"Last_{part}_Errno"]) != "0":
            return f"error {number}: {found[f'Last_{part}_Error'][:300]}"
    stopped = [what for what in ("Slave_IO_Running", "Slave_SQL_Running") if found[what] == "No"]
    return f"{', '.join(stopped)}: No" if stopped else ""


def parted(found: Shown) -> bool:
    """Whether one has given up: it cannot apply what it has, or cannot be sent what it lacks.

    A connection that is cut or refused is none of it: the server makes it again. Nor is one that
    has ended without an error: up to a position, all of it was sent, and is applied.
    """
    refused = found.get("Slave_IO_Running") == "No" and found.get("Last_IO_Errno", "0") != "0"
    return refused or found.get("Slave_SQL_Running") == "No"


def connected(found: Shown) -> bool:
    """Whether the source sends to one."""
    return found.get("Slave_IO_Running") == "Yes"
