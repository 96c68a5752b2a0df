"""Who carries the virtual IPs: the source's keepalived parted from them, the target's begun.

`release` and `acquire` move them, and cut what is in flight; under what goes on handing_over.py
does.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from migrate.onhost import arp, disk, record, silent, systemd
from migrate.onhost.addresses import ip
from migrate.onhost.systemd import run

RECORD = "manager"
AWAY = "virtual-ip"
TAKEN = "taken"
KEEPALIVED = "keepalived.service"
CONFIG = "/etc/keepalived/keepalived.conf"
GIVE_UP_SECONDS = 5.0
FOREIGN = ("pacemaker", "corosync")
SILENT = ("rabbitmq-server", "memcached")  # clients reach them by the virtual IP


def fence() -> None:
    """Mask keepalived, so that a reboot comes back silent; it goes on holding the address."""
    if foreign := systemd.active(FOREIGN):
        raise RuntimeError(f"{foreign[0]} manages addresses here; only keepalived is supported")
    with record.locked():
        if record.once(RECORD, _found)["unit"]:
            systemd.mask([KEEPALIVED])


def _found() -> dict[str, Any]:
    found = systemd.show([KEEPALIVED]).get(KEEPALIVED)
    return {"unit": found and {"active": found["ActiveState"] == "active"}}


def _unit() -> dict[str, str]:
    return systemd.show([KEEPALIVED])[KEEPALIVED]


def fenced() -> bool:
    """Whether keepalived could not come back here."""
    kept = record.load(RECORD)
    if kept is None:
        return False
    now = systemd.show([KEEPALIVED]).get(KEEPALIVED)
    return now is None or now["LoadState"] == "masked"


def lift() -> None:
    """Unmask keepalived, and start it where it ran."""
    kept = record.load(RECORD)
    if kept is None:
        return
    if kept["unit"]:
        systemd.unmask([KEEPALIVED])
        if kept["unit"]["active"]:
            run("systemctl", "start", KEEPALIVED)
    record.forget(RECORD)


def addresses(wanted: list[str]) -> list[dict[str, Any]]:
    """Those of *wanted* that an interface other than `lo` carries here, and how it does."""
    return [
        {
            "address": one["local"],
            "prefix": one["prefixlen"],
            "device": link["ifname"],
            "how": _how(one, link["ifname"]),
        }
        for link in ip("-4", "address", "show")
        for one in link["addr_info"]
        if one["local"] in wanted and link["ifname"] != "lo"
    ]


def _how(one: dict[str, Any], device: str) -> list[str]:
    """What else was said of an address when it was given."""
    usual = {"scope": "global", "label": device}
    found = [[key, one[key]] for key in ("broadcast", "scope", "label") if key in one]
    return [word for key, value in found if usual.get(key) != value for word in (key, value)]


def stop_brokers() -> None:
    """Stop and mask broker and cache: their clients get an end of connection and try again."""
    with record.locked():
        kept = record.load(AWAY) or {}
        if "quiet" not in kept:
            found = systemd.show(SILENT)
            kept["quiet"] = [n for n, one in found.items() if one["LoadState"] != "masked"]
            kept["ran"] = [n for n, one in found.items() if one["ActiveState"] == "active"]
            record.save(AWAY, kept)
        systemd.stop(kept["quiet"], 8)
        systemd.mask(kept["quiet"])


def release(wanted: list[str]) -> None:
    """Stop keepalived, take *wanted* from every interface, prove that they are gone."""
    with record.locked():
        kept = noted(wanted)
        if kept["keepalived"]:
            # it takes the address away at once, and then stays for a second
            run("systemctl", "stop", "--no-block", KEEPALIVED)
            deadline = time.monotonic() + GIVE_UP_SECONDS
            while addresses(wanted) and time.monotonic() < deadline:
                time.sleep(0.01)
        take_off(wanted)  # put there by hand, or left by a keepalived that was killed


def take(given: list[dict[str, Any]]) -> None:
    """Carry *given*, as `addresses` tells of them, and tell the neighbours."""
    for one in given:
        here = f"{one['address']}/{one['prefix']}"
        run("ip", "address", "replace", here, *one.get("how", []), "dev", one["device"])
    with ThreadPoolExecutor(16) as pool:
        told = [pool.submit(arp.announce, one["device"], one["address"]) for one in given]
    for future in told:
        future.result()


def noted(wanted: list[str]) -> dict[str, Any]:
    """Where *wanted* were here before they went, and whether keepalived ran."""
    kept = record.load(AWAY) or {}
    if "addresses" not in kept:
        kept["addresses"] = addresses(wanted)
        kept["keepalived"] = bool(systemd.members([KEEPALIVED]))
        record.save(AWAY, kept)
    return kept


def take_off(wanted: list[str]) -> None:
    """Take *wanted* from every interface but `lo`, and prove that they are gone."""
    for one in addresses(wanted):
        run("ip", "address", "del", f"{one['address']}/{one['prefix']}", "dev", one["device"])
    if left := addresses(wanted):
        raise RuntimeError(f"{left[0]['address']} is still on {left[0]['device']}")


def holds(wanted: list[str]) -> bool:
    """Whether this host carries one of *wanted*, or a keepalived that could."""
    return bool(addresses(wanted)) or bool(systemd.members([KEEPALIVED]))


def start_brokers() -> None:
    """Broker and cache as before `stop_brokers`; to be called before the address returns."""
    kept = record.load(AWAY) or {}
    if "quiet" in kept:
        systemd.unmask(kept["quiet"])
        if wrong := systemd.start(kept["ran"], 90):
            raise RuntimeError("; ".join(wrong))


def take_back() -> None:
    """Carry the addresses as before `release` or `give`, and keepalived as it ran."""
    kept = record.load(AWAY) or {}
    take(kept.get("addresses", []))
    silent.put_down()
    if kept.get("keepalived"):
        if masked := _unit()["LoadState"] == "masked":
            systemd.unmask([KEEPALIVED])
        run("systemctl", "start", KEEPALIVED)
        if masked:  # it is the fence's to lift that
            systemd.mask([KEEPALIVED])
    record.forget(AWAY)


def since() -> float:
    """When users could come here first."""
    kept = record.load(TAKEN) or {}
    return float(kept.get("since") or time.time())


def noted_here() -> None:
    """Keep how this target was before it took anything, and when that was."""
    found = {"enabled": _unit()["UnitFileState"] == "enabled", "since": time.time()}
    record.once(TAKEN, lambda: found)


def acquire(staged: str, wanted: list[str]) -> None:
    """Start this target's keepalived by the file *staged*; returns when it carries *wanted*."""
    text = disk.text(staged)
    noted_here()
    os.makedirs(os.path.dirname(CONFIG), exist_ok=True)
    disk.write(CONFIG, text, 0o640)
    run("systemctl", "restart", KEEPALIVED)
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while len(addresses(wanted)) < len(wanted):
        if time.monotonic() > deadline:
            said = run("journalctl", "-u", KEEPALIVED, "-n", "3", "-o", "cat")
            raise RuntimeError(f"keepalived did not take {', '.join(wanted)}: {said}")
        time.sleep(0.01)
    run("systemctl", "enable", "--quiet", KEEPALIVED)


def leave(staged: str, wanted: list[str]) -> None:
    """The target carries nothing of *wanted* any more, nor will it after a reboot."""
    kept = record.load(TAKEN)
    if no_more(staged) or kept is not None:  # else nothing was taken, or given back before
        run("systemctl", "stop", KEEPALIVED, check=False)
    take_off(wanted)
    if (kept or {}).get("enabled") and not disk.text_if_there(CONFIG):
        # as found: without a file it never starts
        run("systemctl", "enable", "--quiet", KEEPALIVED)
    record.forget(TAKEN)


def no_more(staged: str) -> bool:
    """Not at the next boot; whether the file was ours."""
    here = disk.text_if_there(CONFIG)
    ours = here != "" and here == disk.text_if_there(staged)
    state = run("systemctl", "is-enabled", KEEPALIVED, check=False).split()
    if "enabled" in state and (ours or record.load(TAKEN) is not None):
        # only then: disabling what never was enabled leaves links in /etc/rc*.d
        run("systemctl", "disable", "--quiet", KEEPALIVED, check=False)
    if ours:
        os.unlink(CONFIG)
    return ours
