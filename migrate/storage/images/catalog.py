"""Which images glance knows, and what it recorded of each when it was made."""

from collections.abc import Iterable, Iterator
from hashlib import sha256

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import connection
from migrate.database.holders import holding
from migrate.database.service_databases import service_databases
from migrate.engine.finding import Finding, error, filled, info
from migrate.storage.images import stores
from migrate.storage.images.image import Image, keeper

DATABASE = "images.database"  # its name, asked once a run


def findings(context: Context) -> list[Finding]:
    """Images that this program neither copies nor proves."""
    if not any(recipe.images for recipe in context.recipes):
        return []
    rows = _rows(context, holding(context.source, _name(context))) or ()
    return list(filled((told for row in rows for told in _unproven(*row)), check="images"))


def _unproven(
    id_: str, _: object, __: object, digest: str, checksum: str, location: object
) -> Iterator[Finding]:
    scheme, found, _ = str(location).partition("://")
    if not found:
        yield error(
            "has a location that cannot be read",
            "Decrypt the locations: glance's metadata_encryption_key is not supported",
            f"image {id_}",
        )
    elif not stores.of(scheme):
        remedy = "It is neither copied nor hashed: both sides use that store"
        yield info(f"is kept by {scheme!r}", remedy, f"image {id_}")
    elif not digest and not checksum:
        remedy = "It is compared with the source's own file instead"
        yield info("has no hash", remedy, f"image {id_}")


def _rows(context: Context, host: Host) -> list[connection.Row] | None:
    """The active locations of images in *host*'s database, None where it has none."""
    _, images = keeper(context)
    name = _name(context)
    with connection.session(host) as link:
        asked = "SELECT count(*) FROM information_schema.tables WHERE table_schema = %s"
        if not connection.value(link, asked, name):
            return None
        return connection.rows(link, images.query.format(d=connection.quoted(name)))


def _name(context: Context) -> str:
    """That of glance's database."""
    recipe, _ = keeper(context)
    if DATABASE not in context.extras:
        context.extras[DATABASE] = service_databases(context.source, [recipe])[0].name
    return str(context.extras[DATABASE])


def images_of(rows: Iterable[connection.Row]) -> list[Image]:
    """The rows whose image lies in a store that code here moves or proves."""
    found = []
    for id_, size, algorithm, digest, checksum, location in rows:
        scheme = str(location).partition("://")[0]
        if store := stores.of(scheme):
            path = store.path(str(id_), str(location))
            kind = (algorithm, digest) if digest else ("md5" if checksum else "sha512", checksum)
            found.append(Image(str(id_), path, size, str(kind[0]), str(kind[1] or ""), scheme))
    return found


def of_source(context: Context) -> list[Image]:
    """Those of the source's file stores now."""
    return images_of(_rows(context, holding(context.source, _name(context))) or ())


def of_target(context: Context) -> list[Image] | None:
    """Those of the target's copy of the database, None where it was not copied yet."""
    rows = _rows(context, context.target.database)
    return None if rows is None else images_of(rows)


def digest(images: list[Image]) -> str:
    """A short name for exactly these images."""
    listed = "\n".join(f"{i.id} {i.path} {i.size} {i.digest}" for i in images)
    return sha256(listed.encode()).hexdigest()[:16]
