"""What would go and what stays, each with its reason: what `migrate finish` shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from migrate.cloud import Context, hosts
from migrate.computes.network import reading
from migrate.finish import address, agents, by_tool, caps, services, traces
from migrate.finish.facts import Names, Record, purged
from migrate.services.rest import Resource
from migrate.storage.volumes import policy


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing: what, where, and why it goes or stays."""

    what: str
    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Purge:
    goes: tuple[Thing, ...]
    stays: tuple[Thing, ...]


def planned(context: Context) -> Purge:
    """By what the cloud says now; changes nothing."""
    return Purge(tuple(_goes(context)), tuple(_stays(context)))


def listed(context: Context, resources: Mapping[str, Mapping[str, Resource]]) -> set[str]:
    """Ids of those of *resources*, a listing's, that go: after it nobody misses them."""
    names = Names.of(context)
    records = [
        Record(row["host"], row["binary"], id_)
        for id_, row in resources.get(services.LISTED, {}).items()
    ]
    going, _ = purged(records, services.binaries(context), names)
    known = resources.get(agents.LISTED, {}).items()
    volumes = resources.get(by_tool.LISTED, {}).items()
    return {
        *(one.id for one in going),
        *(id_ for id_, row in volumes if by_tool.goes(context, row["binary"], row["host"], names)),
        *(id_ for id_, row in known if agents.goes(row["binary"], row["host"], names)),
    }


def _goes(context: Context) -> Iterator[Thing]:
    names = Names.of(context)
    if any(recipe.target_data_plane_units for recipe in context.recipes):
        for one in agents.old(reading.read(reading.api(context)).agents, names):
            yield Thing(one.binary, one.host, "neutron's record of an agent that is stopped")
    for record in services.old(context)[0]:
        yield Thing(record.binary, record.host, "record of a unit that runs no more")
    for recipe, record in by_tool.old(context):
        remover = " ".join(recipe.outlived.remover) if recipe.outlived else ""
        told = f"record of a unit that runs no more, by `{remover}`"
        yield Thing(record.binary, record.host, told)
    for host, path, value in caps.capped(context):
        yield Thing(f"cap {value}", f"{host.name}:{path}", "every compute host is new: auto")
    for recipe in context.recipes:
        for tool in recipe.online:
            what = " ".join(tool.argv)
            yield Thing(
                what, context.target.tools.name, "rows of the old form, by the release's tool"
            )
    for host, left in zip(
        context.target.controllers,
        hosts.gather(context.target.controllers, address.left),
        strict=True,
    ):
        for path in left:
            yield Thing(path, host.name, "it kept the two clouds apart")
    noted = hosts.living(traces.settled(context), traces.on_compute)
    for line in (*traces.on_controllers(context), *(line for lines in noted for line in lines)):
        where, _, what = line.partition(": ")
        yield Thing(what, where, "it was for the way over, or the way back")

    for paper in traces.papers(context):
        yield Thing(paper.name, "the state directory here", "it was for the way back of a host")


def _stays(context: Context) -> Iterator[Thing]:
    source = ", ".join(host.name for host in context.source.controllers)
    for record in services.old(context)[1]:
        yield Thing(record.binary, record.host, "nothing here knows what it is: judge yourself")
    for recipe in context.recipes:
        if recipe.outlived:
            yield Thing(f"all other records of {recipe.project}", source, recipe.outlived.why)
    for held in policy.held(context):
        yield Thing(policy.NAME, held.project, "it holds nothing since `migrate accept`")
    yield Thing(
        "queues of the old names", "broker", "without consumers, but where a name is in use"
    )
    yield Thing(
        "the cap of compute hosts",
        "compute hosts",
        "auto, as it was at their start: all of the release from the next one on, which is yours",
    )
    yield Thing("contract migrations", "databases", "ran in the window; the heads are asked")
    yield Thing(
        "fence, masks, read-only", source, "nothing comes up there by accident: power it off"
    )
