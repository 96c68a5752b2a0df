"""A gateway of Ceph (radosgw) on this host: what it is, how another is made, how one rests.

What is made is noted first, and only what was noted is removed.
"""

import glob
import hashlib
import json
import os
import shutil
from typing import Any

from migrate.onhost import ceph, disk, record, sockets, systemd, undo

NOTE, FILES = "ceph-gateway", "ceph-gateway-files"
REST = "ceph-gateway-rest"
SOCKETS = "/var/run/ceph"
STOP_SECONDS = 30  # it may be in the middle of an answer


def lacks() -> str:
    """What this host has not that a gateway cannot do without, as a sentence; "" if nothing."""
    return "" if shutil.which("radosgw") else "there is no radosgw: install it"


def standing() -> dict[str, Any]:
    """The gateway that runs here, by its own word; {} if none does.

    {"id": "rgw.a", "frontends": "beast port=80", "keyring": "/var/lib/ceph/radosgw/..."}
    """
    found = {}
    for path in glob.glob(f"{SOCKETS}/ceph-client.*.asok"):
        id_ = os.path.basename(path)[len("ceph-client.") :].rsplit(".", 3)[0]
        if systemd.active([_unit(id_)]) and (said := _asked(path, "config", "show")):
            found[id_] = said
    if len(found) > 1:
        names = ", ".join(sorted(found))
        raise RuntimeError(f"there are several gateways on this host ({names}): leave one")
    for id_, said in found.items():
        return {"id": id_, "frontends": said["rgw_frontends"], "keyring": said["keyring"]}
    return {}


def zones(id_: str, keyring: str) -> list[str]:
    """The zones that share what its users have, by name; more than one are several clusters'."""
    return [one["name"] for one in admin(id_, keyring, "zonegroup", "get")["zones"]]


def settings(id_: str) -> dict[str, Any]:
    """What the gateway *id_* was told of itself, and what it goes by, as sums: some are secret.

    {"told": ["rgw_frontends"], "sums": {"rgw_frontends": "6b86...", "rgw_dns_name": ...}}
    """
    for path in glob.glob(f"{SOCKETS}/ceph-client.{id_}.*.asok"):
        if said := _asked(path, "config", "show"):
            told = _asked(path, "config", "diff")["diff"]
            ours = {name: str(value) for name, value in said.items() if name.startswith("rgw_")}
            return {
                "told": sorted(set(told) & set(ours)),
                "sums": {n: hashlib.sha256(v.encode()).hexdigest() for n, v in ours.items()},
            }
    raise RuntimeError(f"gateway {id_} does not run here")


def noted() -> dict[str, Any]:
    """What `make` has made or begun here, {} if nothing: see `begin`."""
    return record.load(NOTE) or {}


def begin(id_: str, keyring: str, port: int) -> dict[str, Any]:
    """Note that a gateway *id_* comes, whose key will be in *keyring*; what was noted.

    RuntimeError where something is in its way that we have not made.
    """
    if not noted():
        if os.path.lexists(keyring) or systemd.active([_unit(id_)]):
            raise RuntimeError(
                f"gateway {id_} or its {keyring} is here and was not made by this program: stop "
                "it, and move the file aside"
            )
        if port in sockets.open_ports():
            raise RuntimeError(f"somebody listens on port {port} already: let it go elsewhere")
    return record.once(NOTE, lambda: {"id": id_, "keyring": keyring, "port": port})


def make(key: str, section: str) -> None:
    """The gateway that was begun, started and enabled; *section* is what ceph.conf says of it."""
    with record.locked():
        if not (ours := noted()):
            raise RuntimeError("no gateway was begun here")
        keyring = ours["keyring"]
        undo.note(FILES, [undo.file(ceph.CONF), *undo.folders(keyring), undo.file(keyring)])
        text = disk.text(ceph.CONF)
        if section not in text:
            disk.rewrite(ceph.CONF, f"{text.rstrip()}\n{section}")
        os.makedirs(os.path.dirname(keyring), 0o750, exist_ok=True)
        disk.write(keyring, key, 0o600)
        for path in (os.path.dirname(keyring), keyring):
            shutil.chown(path, "ceph", "ceph")
        systemd.set_up(_unit(ours["id"]))


def made() -> bool:
    """Whether it runs, also after a reboot."""
    ours = noted()
    return bool(ours) and systemd.is_set_up(_unit(ours["id"]))


def quiet() -> None:
    """End the gateway that `make` has made; what it has stays."""
    if ours := noted():
        systemd.stop([_unit(ours["id"])], STOP_SECONDS)


def withdraw() -> None:
    """Remove that gateway and all that came with it; nothing where nothing was made."""
    with record.locked():
        if ours := noted():
            systemd.take_down(_unit(ours["id"]), STOP_SECONDS)
        undo.undo(FILES)
        record.forget(NOTE)  # last: until then it may be called again


def rest(ours: dict[str, Any]) -> None:
    """End the gateway of this host that *ours* tells, for boots too; that is noted before."""
    with record.locked():
        unit = _unit(record.once(REST, lambda: ours)["id"])
        systemd.mask([unit])
        systemd.stop([unit], STOP_SECONDS)


def resting() -> dict[str, Any]:
    """What `rest` has ended, as it was told; {} if nothing, or it runs."""
    ours = record.load(REST) or {}
    return {} if not ours or systemd.active([_unit(ours["id"])]) else ours


def wake() -> dict[str, Any]:
    """Undo `rest`; what it had ended, {} if nothing. `roused` forgets that."""
    with record.locked():
        ours = record.load(REST) or {}
        if ours:
            systemd.unmask([_unit(ours["id"])])
            systemd.run("systemctl", "reset-failed", _unit(ours["id"]), check=False)
            systemd.run("systemctl", "start", _unit(ours["id"]))
        return ours


def roused() -> None:
    """It answers again: nothing of its rest has to be known any more."""
    record.forget(REST)


def admin(id_: str, keyring: str, *argv: str) -> Any:
    """What `radosgw-admin` answers as the gateway *id_* itself: in its zone, by its rights."""
    login = ("-n", f"client.{id_}", "--keyring", keyring)
    said = systemd.run("timeout", "60", "radosgw-admin", *login, *argv)
    return json.loads(said) if said.strip() else None


def _asked(path: str, *question: str) -> Any:
    """What the daemon of the socket *path* says; None of one that a dead one left."""
    said = systemd.run("timeout", "20", "ceph", "--admin-daemon", path, *question, check=False)
    return json.loads(said) if said else None


def _unit(id_: str) -> str:
    return f"ceph-radosgw@{id_}"
