"""What the cloud is in the middle of: operations that would not survive a stop of its services."""

from dataclasses import dataclass

from migrate.cloud import side_by_side
from migrate.cloud.api import VERSION, Api, ApiError
from migrate.services import kinds
from migrate.services.rest import Kind

OPTIONAL = (403, 404)  # a cloud may lack it, as backups without a backup service


@dataclass(frozen=True, slots=True, order=True)
class InFlight:
    """One resource that is changing. `project` is an id, empty where the API does not tell."""

    kind: str  # "server", "volume", …
    project: str
    name: str
    id: str
    state: str  # "BUILD (spawning)", "creating", "CREATE_IN_PROGRESS"

    def __str__(self) -> str:
        named = f" {self.name!r}" if self.name else ""
        return f"{self.kind}{named} {self.id} is {self.state}"


def in_flight(api: Api) -> list[InFlight]:
    """All operations in flight, as the administrator sees them; empty when all is quiet.

    A migration shows as its server's task.
    """
    asked = [kind for kind in kinds() if kind.busy and kind.service in api.bases]
    found = side_by_side.each(lambda kind: changing(api, kind), asked, len(asked))
    return sorted(one for part in found for one in part)


def changing(api: Api, kind: Kind) -> list[InFlight]:
    """Those of *kind* that somebody is at work on."""
    assert kind.busy
    query = {**kind.query, **kind.everywhere}
    if kind.busy.microversion:
        query[VERSION] = kind.busy.microversion
    try:
        rows = api.pages(kind.service, kind.path, kind.entries, **query)
    except ApiError as error:
        if kind.optional and error.status in OPTIONAL:
            return []
        raise
    return [
        InFlight(
            kind.type, kind.project(row), row.get(kind.name) or "", kind.id.format(**row), state
        )
        for row in rows
        if (state := kind.busy.describe(row))
    ]
