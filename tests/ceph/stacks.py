"""A stack whose only source controller is the client, above the rig's cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.nspawn import access
from migrate.cloud import Context, connect
from migrate.cloud.settings import parse
from tests.lab.ceph.settings import CephRig


def above(
    rig: CephRig, home: Path, known_hosts: Path, monitor_at: str, *, addresses: str, **more: Any
) -> Context:
    """Its old monitor's host is reached at *monitor_at*; *addresses* is as in `sidestep:ceph`."""

    def machine(name: str) -> dict[str, str]:
        at = monitor_at if name == rig.monitor else rig.addresses[name]
        return {"name": name, "address": at}

    stack = {
        "provider": "existing",
        "source": {
            "release": "2025.1",
            "controllers": [machine(rig.client)],
            "virtualIps": [{"address": f"{rig.prefix}.9", "interface": "eth0"}],
        },
        "target": {"release": "2026.1", "controllers": [machine(rig.target)]},
        "cloud": {"name": "none"},
        "ssh": {
            "user": "operator",
            "key": str(access.key(rig.home)),
            "knownHosts": str(known_hosts),
        },
        "ceph": {
            "hosts": [machine(name) for name in (rig.monitor, *rig.osd_hosts)],
            "monitors": [rig.monitor],
            "osdHosts": list(rig.osd_hosts),
            "gateways": [rig.monitor],
            "addresses": addresses,
        },
        **more,
    }
    return connect("ceph", parse(stack, "stack", home), home, ())
