"""Debian packages of a controller: installed without starting anything, removed to the last one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources

import yaml

from infra.controller import record
from infra.controller.part import Facts, Place
from migrate.cloud import apt
from migrate.cloud.host import Host
from migrate.errors import PreconditionError
from migrate.onhost import call
from migrate.services import RECIPES

INSTALL = f"""
{apt.INSTALL}
systemctl disable -q keepalived 2>/dev/null || true
"""

PURGE = f"""
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
{apt.APT} purge "$@" >&2 </dev/null
systemctl daemon-reload; systemctl reset-failed
"""

WOULD_PURGE = f'{apt.APT} -s purge "$@" </dev/null | awk \'$1 == "Purg" {{print $2}}\''

ERASE = """
# what the packages' own purge scripts leave: data of the empty daemons, and their accounts
for user in $1; do userdel "$user" 2>/dev/null || true; done
for group in $2; do groupdel "$group" 2>/dev/null || true; done
shift 2
for folder; do rm -rf -- "$folder"; done
# keepalived makes them when it first runs, to name the origin of its addresses
rmdir --ignore-fail-on-non-empty /etc/iproute2/rt_addrprotos.d /etc/iproute2 2>/dev/null || true
"""

# folders that belong to a package although dpkg does not remove them
FOLDERS = {
    "mariadb-server": ("/var/lib/mysql", "/etc/mysql", "/var/log/mysql"),
    "rabbitmq-server": ("/var/lib/rabbitmq", "/etc/rabbitmq", "/var/log/rabbitmq"),
    "memcached": ("/etc/memcached.conf",),
    "haproxy": ("/etc/haproxy", "/var/lib/haproxy"),
    "keepalived": ("/etc/keepalived", "/etc/iproute2/rt_addrprotos.d/keepalived.conf"),
    "ceph-common": ("/etc/ceph", "/var/lib/ceph", "/var/log/ceph"),
    "uuid-runtime": ("/var/lib/libuuid",),
    "openvswitch-switch": ("/etc/openvswitch", "/var/lib/openvswitch", "/var/log/openvswitch"),
}


@cache
def names() -> tuple[str, ...]:
    """The packages of a controller, sorted."""
    text = resources.files(__package__).joinpath("packages.yaml").read_text()
    ours = {name for group in yaml.safe_load(text).values() for name in group}
    return tuple(sorted(ours.union(*(one.packages for one in RECIPES))))


class Packages:
    """Facts: `{"packages": {"haproxy": "installed", ...}}`, those of ours that are there.

    Ours are *those*, recorded as *note*.
    """

    def __init__(
        self, those: Callable[[], tuple[str, ...]] = names, note: str = "packages"
    ) -> None:
        self._names, self._note = those, note

    def wanted(self, place: Place) -> Facts:
        return {"packages": dict.fromkeys(self._names(), "installed")}

    def read(self, host: Host, place: Place) -> Facts:
        installed = set(call(host, "machine.installed")["packages"])
        return {"packages": {name: "installed" for name in self._names() if name in installed}}

    def apply(self, host: Host, place: Place) -> None:
        found = call(host, "machine.installed")
        missing = [name for name in self._names() if name not in found["packages"]]
        if not missing:
            return
        added = record.recall(host, self._note)
        # `before` stays in the record of a run that died half-way: what it added is ours as well
        before = added.setdefault("before", found)
        record.remember(host, self._note, added)
        host.shell(INSTALL, *missing, timeout=apt.SECONDS)
        after = call(host, "machine.installed")
        for kind in ("packages", "users", "groups"):
            new = set(after[kind]) - set(before[kind])
            added[kind] = sorted({*added.get(kind, ()), *new})
        del added["before"]
        record.remember(host, self._note, added)

    def remove(self, host: Host, place: Place) -> None:
        added = record.recall(host, self._note)
        found = call(host, "machine.installed")
        if before := added.get("before"):
            for kind in ("packages", "users", "groups"):
                added[kind] = sorted(
                    {*added.get(kind, ()), *(set(found[kind]) - set(before[kind]))}
                )
        ours = set(added.get("packages", ())) & set(found["packages"])
        if ours:
            would = set(host.shell(WOULD_PURGE, *sorted(ours)).split())
            if others := sorted(would - ours):
                raise PreconditionError(
                    f"{host.name}: {', '.join(others)} need packages that this stack installed; "
                    "remove those first, then destroy again"
                )
            host.shell(PURGE, *sorted(ours), timeout=apt.SECONDS)
        folders = [f for name in added.get("packages", ()) for f in FOLDERS.get(name, ())]
        accounts = (" ".join(added.get(kind, ())) for kind in ("users", "groups"))
        host.shell(ERASE, *accounts, *folders)
        record.forget(host, self._note)
