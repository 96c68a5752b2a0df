"""Open vSwitch of this host: its bridges as they were before an agent worked on them."""

import json
import shutil
from typing import Any

from migrate.onhost import record
from migrate.onhost.systemd import run

RECORD = "switch"
INTERFACES = ("ovs-vsctl", "--format=json", "--columns=name,type,external_ids", "list", "Interface")
CARDS = ("", "system", "dpdk")  # types of what the host has, or shares with others of its own


def bridges() -> list[str]:
    """Every bridge of this host."""
    return run("ovs-vsctl", "list-br").split()


def uplinks() -> dict[str, list[str]]:
    """What leads out of this host, by bridge: {"br-phy": ["eth1"], "br-int": []}.

    Ports of servers and of networks have an id of neutron's; patches and tunnels lead nowhere else.
    """
    if not shutil.which(INTERFACES[0]):
        return {}
    rows = json.loads(run(*INTERFACES))["data"]
    cards = {
        name for name, kind, (_, about) in rows if kind in CARDS and "iface-id" not in dict(about)
    }
    return {
        one: sorted(cards & set(run("ovs-vsctl", "list-ifaces", one).split())) for one in bridges()
    }


def note() -> None:
    """Keep every bridge with its ports, controllers and what it does without one."""
    if record.load(RECORD) is None:
        record.save(RECORD, {"bridges": {one: _bridge(one) for one in bridges()}})


def noted() -> bool:
    """Whether an agent of ours has worked here."""
    return record.load(RECORD) is not None


def _bridge(name: str) -> dict[str, Any]:
    return {
        "ports": run("ovs-vsctl", "list-ports", name).split(),
        "controllers": run("ovs-vsctl", "get-controller", name).split(),
        "mode": run("ovs-vsctl", "get-fail-mode", name).strip(),
    }


def restore() -> None:
    """Remove the bridges that are new, and patches to them; the others work as before."""
    kept = record.load(RECORD)
    if kept is None:
        return
    for name in bridges():
        if name not in kept["bridges"]:
            run("ovs-vsctl", "--if-exists", "del-br", name)
        else:
            _restore(name, kept["bridges"][name])
    record.forget(RECORD)


def _restore(name: str, before: dict[str, Any]) -> None:
    for port in run("ovs-vsctl", "list-ports", name).split():
        kind = run("ovs-vsctl", "--if-exists", "get", "Interface", port, "type").strip()
        if port not in before["ports"] and kind == "patch":
            run("ovs-vsctl", "--if-exists", "del-port", name, port)
    mode, controllers = before["mode"], before["controllers"]
    run("ovs-vsctl", *(["set-fail-mode", name, mode] if mode else ["del-fail-mode", name]))
    run("ovs-vsctl", "set-controller" if controllers else "del-controller", name, *controllers)
