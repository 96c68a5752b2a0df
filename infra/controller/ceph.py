"""Debian's packages of Ceph: a client's, with its modules linked into the release's environment,
and those of a monitor, a manager and a gateway.
"""

from __future__ import annotations

from infra.controller.packages import Packages
from infra.controller.part import Facts, Place
from migrate.cloud.host import Host
from migrate.onhost import call

# `ceph` itself is called by cinder; the modules are in no index of Python's packages
NAMES = ("ceph-common", "python3-rados", "python3-rbd")
MODULES = ("rados", "rbd")
# Debian 13's ceph-mon does not depend on the erasure-code plugins, without which it dies
DAEMONS = Packages(
    lambda: ("ceph-base", "ceph-common", "ceph-mgr", "ceph-mon", "radosgw"), "ceph-daemons"
)


class Ceph:
    """Facts: `{"packages": {"ceph-common": "installed", ...}, "modules": ["rados", "rbd"]}`."""

    def __init__(self) -> None:
        self._packages = Packages(lambda: NAMES, "ceph")

    def wanted(self, place: Place) -> Facts:
        return {**self._packages.wanted(place), "modules": list(MODULES)}

    def read(self, host: Host, place: Place) -> Facts:
        python = place.installation.python
        there = host.exists(python)
        linked = _ask(host, place, "bindings.linked") if there else []
        return {**self._packages.read(host, place), "modules": linked}

    def apply(self, host: Host, place: Place) -> None:
        self._packages.apply(host, place)
        _ask(host, place, "bindings.link")

    def remove(self, host: Host, place: Place) -> None:
        if host.exists(place.installation.python):
            _ask(host, place, "bindings.unlink")
        self._packages.remove(host, place)


def _ask(host: Host, place: Place, function: str) -> list[str]:
    found: list[str] = call(host, function, list(MODULES), interpreter=[place.installation.python])
    return found
