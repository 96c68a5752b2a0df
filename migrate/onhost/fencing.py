"""What names the fencing of this host, which a copy and its marks belong to.

Apart from what fences: it is asked in many steps of the window, and little goes along with it.
"""

from migrate.onhost import disk, record

RECORD = "fence"  # as `fence` keeps it


def token() -> str:
    """What names this fencing: another one has another; "" where nothing is fenced."""
    return str((record.load(RECORD) or {"token": ""})["token"])


def named() -> dict[str, str]:
    """What names this machine, and `token`."""
    return {"machine": disk.text("/etc/machine-id").strip(), "token": token()}
