"""The inside of a controller of the new release, made over ssh on a Debian 13 machine.

Pulumi's resources call this; it leaves packages, the release's virtual environment, disabled units
and empty daemons. Configuration, data, users and grants, and what runs, are for the phases.
"""

from __future__ import annotations

from migrate.controller import daemons
from migrate.controller.accounts import Accounts
from migrate.controller.dashboard import Dashboard
from migrate.controller.packages import Packages
from migrate.controller.part import Facts, Part, Place, differing
from migrate.controller.release import Release
from migrate.controller.units import Units

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

__all__ = ["PARTS", "Facts", "Part", "Place", "differing"]
