"""Volumes that stay where they are: proven while the source serves, and again in the window.

First all that nobody writes to is read, as `sidestep:ceph.checksums` says. In the window nothing
is: there each is seen by both sides as the same, as large and with the same snapshots and parent.
That it was done stands on the target's hosts.
"""

from collections.abc import Collection, Iterator
from hashlib import sha256

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.configuration import service_options
from migrate.configuration.service_options import Options
from migrate.database import connection
from migrate.database.holders import holding
from migrate.database.service_databases import known
from migrate.engine import markers
from migrate.errors import StepError
from migrate.onhost import call
from migrate.services.backends import BackendConfig, Volumes
from migrate.services.base import Recipe
from migrate.storage.rbd.proof import source_of
from migrate.storage.volumes.contract import Volume, VolumeDriver
from migrate.storage.volumes.drivers import DRIVERS

GIB = 1 << 30


def found(context: Context, recipe: Recipe, database: Host, given: Options) -> list[Volume]:
    """Those of the copy of cinder's database on *database*, named as *given* says."""
    volumes = _of(recipe)
    name = next(one.name for one in known(context) if one.project == recipe.project)
    with connection.session(database) as link:
        asked = "SELECT count(*) FROM information_schema.tables WHERE table_schema = %s"
        if not connection.value(link, asked, name):
            raise StepError(f"{database.name} has no copy of {name}; `database.copy` comes first")
        quoted = connection.quoted(name)
        rows = connection.rows(link, volumes.query.format(d=quoted))
        split = connection.rows(link, volumes.snapshots.format(d=quoted))
    return list(described(volumes, rows, split, given))


def _source(context: Context, recipe: Recipe) -> Host:
    """On whose server of the source cinder's database is."""
    name = next(one.name for one in known(context) if one.project == recipe.project)
    return holding(context.source, name)


def described(
    volumes: Volumes, rows: list[connection.Row], split: list[connection.Row], given: Options
) -> Iterator[Volume]:
    """What the database's rows say, by the names that *given* makes. Pure."""
    name = given.get("DEFAULT", *volumes.name)
    snapshot_name = given.get("DEFAULT", *volumes.snapshot_name)
    for id_, data, size, host, written in rows:
        yield Volume(
            id=str(id_),
            name=name % data,
            size=int(size) * GIB,
            backend=_backend(str(host)),
            written=bool(written),
        )
    for id_, data, size, host in split:
        yield Volume(
            id=str(data),
            name=name % data,
            size=int(size) * GIB,
            backend=_backend(str(host)),
            written=False,
            snapshot=snapshot_name % id_,
        )


def _backend(host: str) -> str:
    """`rbd1` of `ctl-old@rbd1#pool`."""
    return host.partition("@")[2].partition("#")[0]


def _of(recipe: Recipe) -> Volumes:
    if recipe.volumes is None:
        raise StepError(f"{recipe.project} has no volumes; its recipe says so")
    return recipe.volumes


def wrong(
    context: Context,
    recipe: Recipe,
    database: Host,
    host: Host,
    read: bool,
    only: Collection[str] | None = None,
) -> list[tuple[Volume, str]]:
    """What *host* does not see of the volumes of *database*, a sentence each, by their drivers.

    With *only*, of those whose data on the storage has one of these names.
    """
    source = source_of(context, host)
    storage = recipe.storage
    if storage is None:
        return []
    given = service_options.read(source, recipe, storage.program)
    drivers = {one.name: _driver(one) for one in storage.backends(given)}
    every = found(context, recipe, database, given)
    if only is not None:
        every = [one for one in every if one.name in only]
    told = [
        (one, f"volume {one.id} is of {one.backend}, which {source.name} does not have")
        for one in every
        if one.backend not in drivers
    ]
    for driver in DRIVERS:
        own = [one for one in every if driver.PROVEN and drivers.get(one.backend) is driver]
        if own:
            told += driver.wrong(context, recipe, host, own, read)
    return told


def _driver(config: BackendConfig) -> VolumeDriver | None:
    return next((one for one in DRIVERS if one.supports(config)), None)


def first(context: Context, recipe: Recipe) -> None:
    """Prove and read those of the source's database."""
    markers.refuse_when_live(context)
    _prove(context, recipe, _source(context, recipe), read=True)


def prove(context: Context, recipe: Recipe) -> None:
    """Prove those of the target's copied database, in the window."""
    _prove(context, recipe, context.target.database, read=False)


def _prove(context: Context, recipe: Recipe, database: Host, read: bool) -> None:
    for host in context.target.controllers:
        told = wrong(context, recipe, database, host, read)
        asked = None
        # users may have deleted or attached what was listed: what is wrong is listed again, and
        # read where it is still there and free, as long as it becomes less
        while read and (differ := {one.name for one, _ in told}) and differ != asked:
            asked = differ
            told = wrong(context, recipe, database, host, read, only=asked)
        if told:
            sentences = list(dict.fromkeys(sentence for _, sentence in told))
            raise StepError(
                f"volumes are not what they have to be: {'; '.join(sentences[:20])}; mend the "
                "target's client, or what the source has lost as well"
            )
        call(host, "record.save", _note(recipe, read), {"of": _digest(context, recipe, database)})


def read_once(context: Context, recipe: Recipe) -> bool:
    """Whether `first` was done, and all that the source has by now is seen as it has to be."""
    return all(
        call(host, "record.load", _note(recipe, True))
        and not wrong(context, recipe, _source(context, recipe), host, read=False)
        for host in context.target.controllers
    )


def proven(context: Context, recipe: Recipe) -> bool:
    """Whether `prove` was done for exactly the volumes there are."""
    database = context.target.database
    try:
        digest = _digest(context, recipe, database)
    except StepError:  # not copied yet
        return False
    return all(
        (call(host, "record.load", _note(recipe, False)) or {}).get("of") == digest
        and not wrong(context, recipe, database, host, read=False)
        for host in context.target.controllers
    )


def forget(context: Context, recipe: Recipe, *, read: bool) -> None:
    """As if it had never been done; nothing was changed."""
    name = _note(recipe, read)
    hosts.gather(context.target.controllers, lambda host: call(host, "record.forget", name))


def _note(recipe: Recipe, read: bool) -> str:
    return f"{recipe.project}-{'read' if read else 'proven'}"


def _digest(context: Context, recipe: Recipe, database: Host) -> str:
    """A short name for exactly these volumes."""
    given = service_options.parsed({})  # their names do not matter to it
    listed = "\n".join(map(repr, found(context, recipe, database, given)))
    return sha256(listed.encode()).hexdigest()[:16]
