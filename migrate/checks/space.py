"""Room for what is copied: on the target for databases and images, here for what is kept."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from migrate.checks.sql import of_services, session
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.configuration import service_options
from migrate.database import sizes
from migrate.database.connection import marks
from migrate.engine.finding import Finding, error
from migrate.onhost import call

DATABASE_FACTOR = 2.5  # the data as it is written, its redo and binary log, a dump beside it
IMAGE_FACTOR = 1.05
LEFT_FREE = 1024**3  # a target's file system must not become full by what we bring
STATE = 200 * 1024**2  # journal, listings, fingerprints and reports of a run
DUMP_FACTOR = 0.25  # a compressed dump, of the data's size


@dataclass(frozen=True, slots=True)
class Need:
    """What one thing takes, in bytes, and where it will be on the target."""

    what: str
    path: str
    size: int
    factor: float
    there: int = 0  # copied already by an earlier pass

    @property
    def wanted(self) -> int:
        return max(0, int(self.size * self.factor) - self.there)


def run(context: Context) -> Iterator[Finding]:
    """A finding for each file system of a target controller that would not hold its part."""
    data = 0
    for source, schemata in of_services(context):
        with session(source) as database:
            data += int(
                database.value(
                    "SELECT coalesce(sum(data_length + index_length), 0) FROM "  # noqa: S608
                    f"information_schema.tables WHERE table_schema IN ({marks(schemata)})",
                    schemata,
                )
            )
    sizes.keep(context, data)
    folders = [
        one.folder(service_options.read(context.source.tools, recipe, one.program))
        for recipe in context.recipes
        if (one := recipe.images)
    ]
    stored = call(context.source.tools, "space.below", folders, timeout=600)
    images = [Need("images", *one, IMAGE_FACTOR) for one in zip(folders, stored, strict=True)]
    for host in context.target.controllers:
        with session(host) as database:
            folder = str(database.value("SELECT @@datadir"))
        yield from _judge(host, [Need("databases", folder, data, DATABASE_FACTOR), *images])
    yield from _operator(context, data)


def _judge(host: Host, needs: list[Need]) -> Iterator[Finding]:
    paths = [need.path for need in needs]
    sizes = call(host, "space.below", paths, timeout=600)
    room = call(host, "space.free", paths)
    devices: dict[int, list[Need]] = {}
    free: dict[int, int] = {}
    for need, (device, left), there in zip(needs, room, sizes, strict=True):
        counted = Need(need.what, need.path, need.size, need.factor, there)
        devices.setdefault(device, []).append(counted)
        free[device] = left
    for device, some in devices.items():
        wanted = sum(need.wanted for need in some) + LEFT_FREE
        if wanted > free[device]:
            parts = ", ".join(f"{need.what} {size(need.wanted)} in {need.path}" for need in some)
            yield error(
                f"{size(free[device])} free, {size(wanted)} needed ({parts}, "
                f"{size(LEFT_FREE)} to stay free)",
                "Give the target more disk, or delete images that nobody needs",
                host.name,
            )


def _operator(context: Context, data: int) -> Iterator[Finding]:
    wanted = STATE
    if context.settings.backup.startswith("file://"):
        wanted += int(data * DUMP_FACTOR)
    left = shutil.disk_usage(context.home).free
    if left < wanted:
        yield error(
            f"{size(left)} free in {context.home}, {size(wanted)} needed for state and backup",
            "Make room there, or set MIGRATE_HOME to a roomier folder",
            "this machine",
        )


def size(count: float) -> str:
    """*count* bytes for people: 1536 is "1.5 KiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
