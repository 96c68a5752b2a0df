"""Whether a new server fits on one compute host now, by placement's word."""

from typing import Any

from migrate.cloud.api import VERSION, Api
from migrate.computes import needs, reading
from migrate.computes.facts import Flavor
from migrate.computes.reading import PLACEMENT

Row = dict[str, Any]


class Room:
    """What is free on *compute*, asked for one flavor after the other."""

    def __init__(self, api: Api, compute: str) -> None:
        self.api = api
        self.nodes = [one["id"] for one in reading.nodes(api, compute)]

    def takes(self, row: Row, *, volume_booted: bool = False) -> bool:
        """Whether a server of the flavor *row* fits there."""
        flavor = Flavor(
            name=row["name"],
            vcpus=row["vcpus"],
            ram=row["ram"],
            root=row["disk"],
            ephemeral=row.get("OS-FLV-EXT-DATA:ephemeral") or 0,
            swap=row.get("swap") or 0,
            extra_specs=row.get("extra_specs") or {},
        )
        amounts = needs.of(flavor, volume_booted=volume_booted).amounts
        return any(self._fits(node, amounts) for node in self.nodes)

    def _fits(self, node: str, amounts: tuple[tuple[str, int], ...]) -> bool:
        wanted = ",".join(f"{name}:{amount}" for name, amount in amounts)
        asked = {"resources": wanted, "in_tree": node, "limit": "1", VERSION: PLACEMENT}
        found = self.api.get("placement", "/allocation_candidates", **asked)
        return bool(found["allocation_requests"])
