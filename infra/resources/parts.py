"""The resources inside a controller: a class a part, so that a preview says what would change."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi import dynamic

from infra.controller import EVERY, Place
from infra.resources.inside import PartProvider, version
from infra.resources.machine import Machine


class Inside(dynamic.Resource):
    """One part of one machine, named `<machine>-<part>`; see its facts in `infra.controller`."""

    part: str

    def __init__(
        self, machine_name: str, machine: Machine, place: Place, opts: pulumi.ResourceOptions
    ) -> None:
        facts = EVERY[self.part].wanted(place)
        where = {
            "release": place.release,
            "virtualIps": list(place.virtual_ips),
            "webroot": place.webroot,
        }
        props: dict[str, Any] = {
            "stack": pulumi.get_stack(),
            "machine": {
                "name": machine_name,
                "address": place.address,
                "identity": machine.identity,
            },
            "place": where,
            "version": version(place, facts),
            **facts,
        }
        super().__init__(PartProvider(self.part), f"{machine_name}-{self.part}", props, opts)


class Accounts(Inside, module="infra", name="Accounts"):
    part = "accounts"


class Packages(Inside, module="infra", name="Packages"):
    part = "packages"


class Release(Inside, module="infra", name="Release"):
    part = "release"


class Units(Inside, module="infra", name="Units"):
    part = "units"


class Dashboard(Inside, module="infra", name="Dashboard"):
    part = "dashboard"


class Database(Inside, module="infra", name="Database"):
    part = "database"


class Broker(Inside, module="infra", name="Broker"):
    part = "broker"


class Cache(Inside, module="infra", name="Cache"):
    part = "cache"


class Proxy(Inside, module="infra", name="Proxy"):
    part = "proxy"


class Ceph(Inside, module="infra", name="Ceph"):
    part = "ceph"


class CephDaemons(Inside, module="infra", name="CephDaemons"):
    part = "ceph-daemons"


# what has to be there first; the daemons do not need each other
NEEDS: dict[type[Inside], tuple[type[Inside], ...]] = {
    Accounts: (),
    Packages: (Accounts,),
    Database: (Packages,),
    Broker: (Packages,),
    Cache: (Packages,),
    Proxy: (Packages,),
    Release: (Packages,),
    Units: (Release,),
    Dashboard: (Release,),
}


def wanted(*, client: bool, monitor: bool) -> dict[type[Inside], tuple[type[Inside], ...]]:
    """NEEDS of a controller that is a *client* of Ceph's, or gets a *monitor*, as well."""
    found = dict(NEEDS)
    if client:
        found[Ceph] = (Release,)
    if monitor:  # it needs packages of the client, which go after it
        found[CephDaemons] = (Ceph,) if client else (Packages,)
    return found
