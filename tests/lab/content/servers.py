"""Two running servers, on the flat network and inside with a floating address, each on a host."""

from __future__ import annotations

import subprocess
import time
from functools import partial
from typing import Any

from migrate.cloud import wait
from migrate.errors import MigrateError
from tests.lab.content.tell import Told
from tests.lab.settings import Lab

BOOTED = 400  # seconds; a boot takes about 25 on idle cores


def ask(admin: Any, demo: Any) -> dict[str, Any]:
    """Make flavors and groups, and ask for the servers; do not wait."""
    nova = admin.compute
    flavor = nova.create_flavor(name="t.tiny", ram=96, vcpus=1, disk=1)
    nova.create_flavor_extra_specs(flavor, {"hw_rng:allowed": "True"})
    hidden = nova.create_flavor(name="t.hidden", ram=64, vcpus=1, disk=1, is_public=False)
    nova.flavor_add_tenant_access(hidden, demo.current_project_id)
    aggregate = nova.create_aggregate(name="rack one", availability_zone="zone-1")
    nova.set_aggregate_metadata(aggregate, {"color": "blue"})
    apart = demo.compute.create_server_group(name="apart", policy="soft-anti-affinity")
    image = demo.image.find_image("tiny")
    wanted = {"on-lan": "lan", "inside": "inner"}
    asked = {}
    for name, network in wanted.items():
        asked[name] = demo.compute.create_server(
            name=name,
            image_id=image.id,
            flavor_id=flavor.id,
            networks=[{"uuid": demo.network.find_network(network).id}],
            security_groups=[{"name": "open"}],
            key_name="demo key",
            metadata={"purpose": "answers ping"},
            scheduler_hints={"group": apart.id},
        )
        # the next is put elsewhere by where this one is
        wait.until(partial(_has_host, admin, asked[name]), BOOTED, f"{name} is put nowhere")
    return asked


def _has_host(admin: Any, server: Any) -> bool:
    return bool(admin.compute.get_server(server.id).compute_host)


def finish(lab: Lab, admin: Any, demo: Any, booting: dict[str, Any], told: Told) -> None:
    """Wait for the servers, give the inner one its floating address, and ping both."""
    lan = admin.network.find_network("lan")
    for name, server in booting.items():
        ready = demo.compute.wait_for_server(server, wait=BOOTED)
        port = next(iter(demo.network.ports(device_id=ready.id)))
        fixed = port.fixed_ips[0]["ip_address"]
        told["servers"][name] = {"id": ready.id, "fixed": fixed, "floating": None}
        if name == "inside":
            floating = demo.network.create_ip(floating_network_id=lan.id, port_id=port.id)
            told["servers"][name]["floating"] = floating.floating_ip_address
    volume = demo.block_storage.find_volume("attached")
    demo.compute.create_volume_attachment(booting["on-lan"], volume_id=volume.id)
    demo.block_storage.wait_for_status(volume, "in-use", ["error"], interval=0.5, wait=240)
    route_inside(lab, admin)
    for name, server in told["servers"].items():
        for address in filter(None, (server["fixed"], server["floating"])):
            wait_for_ping(name, address)


def route_inside(lab: Lab, admin: Any) -> None:
    """Let this host reach fixed addresses behind the router: a route over its outside address."""
    router = admin.network.find_router("r1")
    outside = router.external_gateway_info["external_fixed_ips"][0]["ip_address"]
    subprocess.run(["ip", "route", "replace", f"{lab.inner}.0/24", "via", outside], check=True)


def wait_for_ping(name: str, address: str) -> None:
    """Until server *name* answers at *address*, as long as a boot may take."""
    deadline = time.monotonic() + BOOTED
    while subprocess.run(
        ["ping", "-qc1", "-W1", address], capture_output=True, check=False
    ).returncode:
        if time.monotonic() > deadline:
            raise MigrateError(f"server {name} does not answer ping at {address}")
