"""What the cloud has on record of hosts and servers: taken before and compared after.

No times are in it, nor versions: what a release or a minute changes by itself is no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from migrate.cloud import wait
from tests.lab import identity
from tests.lab.settings import Lab

PLACEMENT = "1.39"
HAS_MOVED = "os_vif_delegation"  # nova's own mark of a port that has moved live, for ever
SETTLED_SECONDS = 180.0  # a heartbeat, and nova's own look at what runs

Records = dict[str, Any]


def dump(lab: Lab) -> Records:
    """Each fact by its name: `{"port 6f… of 1c… host": "cmp1", "nova-compute cmp1": "up …"}`."""
    admin = identity.connect(lab)
    found: Records = {}
    for facts in (_placement(admin), _ports(admin), _servers(admin), _services(admin)):
        found.update(facts)
    return found


def differences(before: Records, after: Records) -> list[str]:
    """A line for each fact that came, went or changed."""
    return [
        f"{name}: {before.get(name)} -> {after.get(name)}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def changes(
    lab: Lab, before: Records, expected: Callable[[str], bool] = lambda _: False
) -> list[str]:
    """`differences` from *before* that were not *expected*, and do not go away by themselves."""

    def found() -> list[str]:
        return [one for one in differences(before, dump(lab)) if not expected(one)]

    return wait.while_any(found, SETTLED_SECONDS, pause=5)


def _placement(admin: Any) -> Iterator[tuple[str, Any]]:
    for one in admin.placement.resource_providers():
        yield f"provider {one.name}", one.id
        path = f"/resource_providers/{one.id}/allocations"
        asked = admin.placement.get(path, microversion=PLACEMENT)
        assert asked.status_code == 200, asked.text
        for consumer, held in asked.json()["allocations"].items():
            yield f"allocation of {consumer} on {one.name}", held["resources"]


def _ports(admin: Any) -> Iterator[tuple[str, Any]]:
    """Those that are bound; the load's own never are."""
    for one in admin.network.ports():
        if one.binding_host_id:
            # the device of a DHCP server is named after its host
            whose = one.device_id if one.device_owner.startswith("compute:") else ""
            name = f"port {one.id} of {whose or one.device_owner}"
            yield f"{name} host", one.binding_host_id
            profile = one.binding_profile or {}
            yield f"{name} vif", [one.binding_vif_type, one.binding_vnic_type]
            yield f"{name} profile", {k: v for k, v in profile.items() if k != HAS_MOVED}


def _servers(admin: Any) -> Iterator[tuple[str, Any]]:
    for one in admin.compute.servers(all_projects=True):
        yield f"server {one.id} host", [one.compute_host, one.hypervisor_hostname]
        yield f"server {one.id} state", [one.status, one.task_state, one.power_state]
        yield f"server {one.id} volumes", sorted(each.id for each in one.attached_volumes)


def _services(admin: Any) -> Iterator[tuple[str, Any]]:
    for one in admin.compute.services():
        yield f"{one.binary} {one.host}", [one.id, one.status, one.state, one.disabled_reason]
    for one in admin.compute.hypervisors():
        yield f"node {one.name}", one.id
    for one in admin.network.agents():
        state = [one.is_admin_state_up, "alive" if one.is_alive else "dead"]
        yield f"{one.binary} {one.host}", [one.id, *state]
