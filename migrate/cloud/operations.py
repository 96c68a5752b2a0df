"""What the cloud is in the middle of: operations that would not survive a stop of its services."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from migrate.cloud.api import Api, ApiError

# what is settled; anything else has somebody at work on it
SERVERS = frozenset(
    ("ACTIVE", "DELETED", "ERROR", "PAUSED", "RESCUE", "SHELVED", "SHELVED_OFFLOADED", "SHUTOFF"),
).union(("SOFT_DELETED", "SUSPENDED", "VERIFY_RESIZE", "UNKNOWN"))
VOLUMES = frozenset(
    ("available", "in-use", "maintenance", "reserved", "awaiting-transfer", "deleted", "error"),
).union(
    f"error_{what}" for what in ("deleting", "extending", "restoring", "backing-up", "managing")
)
ATTACHMENTS = frozenset(("attached", "reserved", "detached", "error_attaching", "error_detaching"))
SNAPSHOTS = frozenset(("available", "error", "error_deleting", "deleted"))
BACKUPS = frozenset(("available", "error", "error_deleting", "deleted"))
# an image stays `queued` for ever when nobody uploads; these have data on the way
IMAGES_BUSY = frozenset(("saving", "uploading", "importing"))


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


def in_flight(connection: Any, *, address: str = "") -> list[InFlight]:
    """All operations in flight, by the administrator's *connection*; empty when all is quiet.

    A migration shows as its server's task. With *address* a controller's own address is asked
    instead of the virtual IP.
    """
    api = Api(connection, address=address)
    api.microversions = {"volume": "3.27"}
    asked = [one for service, one in LISTS if service in api.bases]
    with ThreadPoolExecutor(len(LISTS)) as pool:
        found = pool.map(lambda ask: ask(api), asked)
        return sorted(one for part in found for one in part)


def _servers(api: Api) -> list[InFlight]:
    found = []
    for one in api.pages("compute", "/servers/detail", "servers", all_tenants="1"):
        task = one.get("OS-EXT-STS:task_state")
        if task or one["status"] not in SERVERS:
            state = f"{one['status']} ({task})" if task else one["status"]
            found.append(InFlight("server", one["tenant_id"], one["name"], one["id"], state))
    return found


# where cinder says whose it is; an attachment does not tell
PROJECT = {
    "volume": "os-vol-tenant-attr:tenant_id",
    "snapshot": "os-extended-snapshot-attributes:project_id",
    "backup": "os-backup-project-attr:project_id",
}


def _volume_list(path: str, key: str, kind: str, settled: frozenset[str]) -> Lister:
    def ask(api: Api) -> list[InFlight]:
        return [
            InFlight(
                kind,
                one.get(PROJECT.get(kind, ""), ""),
                one.get("name") or "",
                one["id"],
                str(one["status"]),
            )
            for one in _optional(api, "volume", path, key, all_tenants="1")
            if one["status"] not in settled
        ]

    return ask


def _images(api: Api) -> list[InFlight]:
    return [
        InFlight("image", one.get("owner") or "", one.get("name") or "", one["id"], one["status"])
        for one in api.pages("image", "/images", "images", visibility="all", limit="1000")
        if one["status"] in IMAGES_BUSY
    ]


def _stacks(api: Api) -> list[InFlight]:
    return [
        InFlight("stack", one.get("project", ""), one["stack_name"], one["id"], one["stack_status"])
        for one in api.pages("orchestration", "/stacks", "stacks")
        if one["stack_status"].endswith("_IN_PROGRESS")
    ]


def _optional(api: Api, service: str, path: str, key: str, **query: str) -> list[dict[str, Any]]:
    """A collection that a cloud may lack, as backups without a backup service."""
    try:
        return api.pages(service, path, key, **query)
    except ApiError as error:
        if error.status in (403, 404):
            return []
        raise


Lister = Callable[[Api], list[InFlight]]
LISTS: tuple[tuple[str, Lister], ...] = (
    ("compute", _servers),
    ("volume", _volume_list("/volumes/detail", "volumes", "volume", VOLUMES)),
    ("volume", _volume_list("/attachments", "attachments", "attachment", ATTACHMENTS)),
    ("volume", _volume_list("/snapshots/detail", "snapshots", "snapshot", SNAPSHOTS)),
    ("volume", _volume_list("/backups/detail", "backups", "backup", BACKUPS)),
    ("image", _images),
    ("orchestration", _stacks),
)
