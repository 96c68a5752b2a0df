"""Whether a compute host takes servers that are live-migrated, as its own nova.conf would have it.

It is told, and never mended: how hosts trust each other is the operator's to decide.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any

from migrate.cloud.values import Values

SECTION = "libvirt"
PORTS = {"tcp": 16509, "tls": 16514}  # of libvirt
MEANS = {
    "auto-converge": "live_migration_permit_auto_converge",
    "post-copy": "live_migration_permit_post_copy",
}
TRUE = ("true", "True", "TRUE", "1", "yes", "on")
URI = re.compile(r"\w+\+(?P<transport>\w+)://[^/]*?(?::(?P<port>\d+))?(?:/|$)")


def unready(values: Values, ports: Collection[int], keys: Mapping[str, bool]) -> str:
    """Why no server can be live-migrated to a host that listens on *ports*; "" where one may be.

    *keys* are files that its URI names, and whether they are there.
    """
    told = values.get(SECTION, "live_migration_uri") or ""
    named = URI.match(told)
    transport = named["transport"] if named else _scheme(values)
    if gone := sorted(path for path, there in keys.items() if path in told and not there):
        return f"its live_migration_uri names {', '.join(gone)}, which is not there"
    port = int((named and named["port"]) or PORTS.get(transport, 0))
    if port and port not in ports:
        return f"nova live-migrates by {transport} there, and nothing listens on its port {port}"
    return ""


def _scheme(values: Values) -> str:
    return values.get(SECTION, "live_migration_scheme") or "tcp"


def permits(values: Values) -> tuple[str, ...]:
    """Which of nova's means against a live migration that never ends its host permits."""
    return tuple(name for name, option in MEANS.items() if values.get(SECTION, option) in TRUE)


def cpu(values: Values, own: Mapping[str, Any]) -> str:
    """What servers of a host see of its *own* CPU, by nova's cpu_mode.

    Where they see the host's own, two whose features differ are two: features are told by a mark.
    """
    by_kvm = (values.get(SECTION, "virt_type") or "kvm") == "kvm"
    mode = values.get(SECTION, "cpu_mode") or ("host-model" if by_kvm else "none")
    if mode == "none":
        return f"{own['arch']} of QEMU's own"
    if mode == "custom":
        models = values.get(SECTION, "cpu_models") or values.get(SECTION, "cpu_model") or ""
        flags = values.get(SECTION, "cpu_model_extra_flags") or ""
        return " ".join(filter(None, (own["arch"], models, flags)))
    mark = sha256(" ".join(own["features"]).encode()).hexdigest()[:6]
    return f"{own['vendor']} {own['model']} ({mode}, features {mark})"
