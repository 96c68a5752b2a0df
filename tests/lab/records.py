"""What the cloud has on record of its compute hosts and servers, to be compared by diff."""

from __future__ import annotations

import json
from difflib import unified_diff
from typing import Any

from tests.lab import content, identity
from tests.lab.settings import Lab

PLACEMENT = "1.39"


def dump(lab: Lab) -> str:
    """Allocations and bindings of the content's servers, and records of compute hosts, as text."""
    admin = identity.connect(lab)
    servers = [one["id"] for one in content.told(lab)["servers"].values()]
    found: dict[str, Any] = {
        "allocations": {one: _allocations(admin, one) for one in servers},
        "bindings": {
            port.id: {
                **{"host": port.binding_host_id, "vif": port.binding_vif_type},
                **{"mac": port.mac_address, "addresses": port.fixed_ips},
                **{"server": port.device_id, "status": port.status},
            }
            for server in servers
            for port in admin.network.ports(device_id=server)
        },
        "services": {
            one.id: [one.binary, one.host] for one in admin.compute.services(binary="nova-compute")
        },
        "nodes": {one.id: one.name for one in admin.compute.hypervisors()},
        "providers": {one.id: one.name for one in admin.placement.resource_providers()},
        "agents": {
            one.id: [one.binary, one.host]
            for one in admin.network.agents()
            if one.host in lab.computes
        },
    }
    return json.dumps(found, indent=1, sort_keys=True)


def differences(before: str, after: str) -> list[str]:
    """Lines that came or went between two of `dump`."""
    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return list(lines)


def _allocations(admin: Any, server: str) -> dict[str, Any]:
    asked = admin.placement.get(f"/allocations/{server}", microversion=PLACEMENT)
    found = asked.json()["allocations"]
    return {provider: one["resources"] for provider, one in found.items()}
