"""Nova's records of the source's control units, by its own databases: no API lists them all."""

from migrate.cloud import Context
from migrate.cloud.api import VERSION, Api, unless_gone
from migrate.computes.network import reading
from migrate.computes.service import MICROVERSION
from migrate.computes.versions import COMPUTE, each_cell
from migrate.errors import StepError
from migrate.finish import facts
from migrate.finish.facts import Names, Record

LISTED = "compute-service"  # as listings call it
RECORDS = "SELECT host, `binary`, uuid, version FROM {} WHERE deleted = 0"


def read(context: Context) -> list[Record]:
    """Every record of every cell."""
    return [*_versions(context)]


def older(context: Context, newest: int) -> list[Record]:
    """Those below version *newest* that no step deletes; a compute host's is settled."""
    names = Names.of(context)
    return sorted(
        one
        for one, version in _versions(context).items()
        if version < newest and one.binary != COMPUTE and not names.gone(one.host)
    )


def _versions(context: Context) -> dict[Record, int]:
    rows = (row for found in each_cell(context, RECORDS).values() for row in found)
    return {Record(str(at), str(what), str(id_)): int(has) for at, what, id_, has in rows if at}


def old(context: Context) -> tuple[list[Record], list[Record]]:
    """Those that go, and those of the source's controllers that nobody here understands."""
    return facts.purged(read(context), binaries(context), Names.of(context))


def binaries(context: Context) -> set[str]:
    """Whose records go, by name."""
    outlived = [one.outlived for one in context.recipes if one.cells and one.outlived]
    return {name for one in outlived for name in one.purged}


def purged(context: Context) -> bool:
    """Whether none is left."""
    going, _ = old(context)
    return not going


def purge(context: Context) -> None:
    """Delete them; StepError, and none is deleted, where nova still hears one."""
    api, (going, _) = reading.api(context), old(context)
    if heard := {one.id for one in going} & up(api):
        told = ", ".join(str(one) for one in going if one.id in heard)
        raise StepError(
            f"nova still hears {told}: see who runs it, or wait two minutes, then the same again"
        )
    for one in going:
        delete(api, one)


def up(api: Api) -> set[str]:
    """Ids of the records whose service is heard, of those that the API lists."""
    found = api.get("compute", "/os-services", **{VERSION: MICROVERSION})["services"]
    return {one["id"] for one in found if one["state"] == "up"}


def delete(api: Api, record: Record) -> None:
    """Delete *record*, which may be gone already; never a compute host's."""
    if record.binary == COMPUTE:
        raise StepError(f"the record of {record} is in use and is not deleted: a bug")
    with unless_gone():
        api.send("DELETE", "compute", f"/os-services/{record.id}", microversion=MICROVERSION)
