"""The inside of a controller of the new release, made over ssh on a bare machine.

Pulumi's resources call this; it leaves packages, the release's virtual environment, disabled units
and empty daemons. Configuration, data, users and grants, and what runs, are for the phases.
"""

from __future__ import annotations

from infra.controller import ceph, daemons
from infra.controller.accounts import Accounts
from infra.controller.dashboard import Dashboard
from infra.controller.packages import Packages
from infra.controller.part import Facts, Part, Place, differing
from infra.controller.units import Units
from infra.controller.venv import Release

PARTS: dict[str, Part] = {
    "accounts": Accounts(),  # first: a package would give nova another number
    "packages": Packages(),
    "release": Release(),
    "units": Units(),
    "dashboard": Dashboard(),
    "database": daemons.DATABASE,
    "broker": daemons.BROKER,
    "cache": daemons.CACHE,
    "proxy": daemons.PROXY,
}

# what a stack may ask for beside them
CHOSEN: dict[str, Part] = {"ceph": ceph.Ceph(), "ceph-daemons": ceph.DAEMONS}
EVERY = {**PARTS, **CHOSEN}

__all__ = ["CHOSEN", "EVERY", "PARTS", "Facts", "Part", "Place", "differing"]
