"""Old daemons of Ceph on this host that never start again, after the new ones went on without.

A monitor that is started from its old store would know another history: snapshot ids would be given
a second time, and data lost without a word. So its unit is masked while it still runs: whoever
loses power in between finds it masked. Then the store goes where its daemon does not look.
"""

import os
from typing import Any

from migrate.onhost import disk, record, systemd

NOTE = "ceph-retired"
DATA = "/var/lib/ceph"
ASIDE = f"{DATA}/retired"  # root's alone: Ceph's daemons run as another


def noted() -> dict[str, Any]:
    """Which monitor of this host goes, and which managers with it; {} if none."""
    return record.load(NOTE) or {}


def managers() -> list[str]:
    """Ids of the managers of this host, which go with its monitor."""
    return _ids("mgr")


def unmovable(name: str) -> str:
    """Why the store of monitor *name* could not be put aside, as a sentence; "" if it can."""
    if os.path.ismount(_store(name)) or os.path.islink(_store(name)):
        return (
            f"{_store(name)} is a mount or a link, and is put aside by a rename: make it a folder"
        )
    return ""


def poise(name: str) -> None:
    """Note that monitor *name* goes, and mask it; it runs until it has left the map."""
    with record.locked():
        found = {"monitor": name, "managers": managers()}
        units = _units(record.once(NOTE, lambda: found))
        if not systemd.active([units[0]]):  # a boot came in between: it is needed for its removal
            systemd.unmask([units[0]])
            systemd.run("systemctl", "start", units[0])
        systemd.mask(units)


def retire() -> None:
    """End what was noted, and put the store aside; nothing where nothing was noted."""
    with record.locked():
        if not (ours := noted()):
            return
        systemd.mask(_units(ours))
        systemd.stop(_units(ours), 20)
        os.makedirs(ASIDE, 0o700, exist_ok=True)
        os.chown(ASIDE, 0, 0)
        if os.path.lexists(_store(ours["monitor"])):
            os.rename(_store(ours["monitor"]), f"{ASIDE}/mon-{ours['monitor']}")
            disk.durable(ASIDE)
            disk.durable(os.path.dirname(_store(ours["monitor"])))


def is_so() -> bool:
    """Whether nothing of what was noted runs, or could start, and its store is aside."""
    if not (ours := noted()):
        return False
    state = systemd.show(_units(ours))
    still = all(
        one["LoadState"] == "masked" and one["ActiveState"] in ("inactive", "failed")
        for one in state.values()
    )
    return (
        still and len(state) == len(_units(ours)) and not os.path.lexists(_store(ours["monitor"]))
    )


def _units(ours: dict[str, Any]) -> list[str]:
    """The monitor's first."""
    return [f"ceph-mon@{ours['monitor']}", *(f"ceph-mgr@{one}" for one in ours["managers"])]


def _ids(kind: str) -> list[str]:
    folder = f"{DATA}/{kind}"
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(one.partition("-")[2] for one in names if one.startswith("ceph-"))


def _store(name: str) -> str:
    return f"{DATA}/mon/ceph-{name}"
