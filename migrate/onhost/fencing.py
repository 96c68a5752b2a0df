"""What names the fencing of this host, which a copy and its marks belong to.

Apart from what fences: it is asked in many steps of the window, and little goes along with it.
"""

from migrate.onhost import disk, record

RECORD = "fence"  # as `fence` keeps it
DATABASE = "database"  # as `mariadb` does, on a host of the database's own


def token() -> str:
    """What names this fencing: another one has another; "" where nothing is fenced."""
    kept = record.load(RECORD) or record.load(DATABASE) or {}
    return str(kept.get("token", ""))


def machine() -> str:
    """What names this machine."""
    return disk.text("/etc/machine-id").strip()
