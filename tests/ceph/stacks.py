"""A stack whose only source controller is the client, above the rig's cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.nspawn import access
from migrate.cloud import Context, connect
from migrate.cloud.settings import parse
from migrate.engine import markers
from tests.lab.ceph.settings import CephRig


def above(
    rig: CephRig,
    home: Path,
    known_hosts: Path,
    at: Mapping[str, str],
    *,
    addresses: str,
    **more: Any,
) -> Context:
    """Hosts in *at* are reached there, not at their own; *addresses* is as in `sidestep:ceph`."""

    def machine(name: str) -> dict[str, str]:
        return {"name": name, "address": {**rig.addresses, **at}[name]}

    monitors = [rig.monitor, *rig.olds]
    stack = {
        "provider": "existing",
        "source": {
            "release": "2025.1",
            "controllers": [machine(rig.client)],
            "virtualIps": [{"address": f"{rig.prefix}.9", "interface": "eth0"}],
        },
        "target": {
            "release": "2026.1",
            "controllers": [machine(name) for name in (rig.target, *rig.news)],
        },
        "cloud": {"name": "none"},
        "ssh": {
            "user": "operator",
            "key": str(access.key(rig.home)),
            "knownHosts": str(known_hosts),
        },
        "ceph": {
            "hosts": [machine(name) for name in (*monitors, *rig.osd_hosts)],
            "monitors": monitors,
            "osdHosts": list(rig.osd_hosts),
            "gateways": [rig.monitor],
            "addresses": addresses,
        },
        **more,
    }
    return connect("ceph", parse(stack, "stack", home), home, ())


def let_serve(context: Context) -> None:
    """The target serves, as a window leaves that on the source's controllers."""
    mark = {"stage": markers.LIVE, "stack": context.stack, "source": "", "fence": "", "at": 0.0}
    host = context.source.database
    host.run("mkdir", "-p", "-m", "700", "/var/lib/migrate")
    host.write(markers.PATH, json.dumps([{"version": markers.VERSION, **mark}]), mode=0o600)
