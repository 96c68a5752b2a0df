"""Which images glance knows, and what it recorded of each when it was made."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import connection
from migrate.database.service_databases import service_databases
from migrate.engine.finding import Finding, error, filled, info
from migrate.errors import StepError
from migrate.services.backends import Images
from migrate.services.base import Recipe

FILE = "file://"
DATABASE = "images.database"  # its name, asked once a run


@dataclass(frozen=True, slots=True)
class Image:
    """One file of the store, and what glance recorded of it; `digest` is empty where nothing is."""

    id: str
    path: str
    size: int | None
    algorithm: str
    digest: str


def findings(context: Context) -> list[Finding]:
    """Images that this program neither copies nor proves."""
    if not any(recipe.images for recipe in context.recipes):
        return []
    rows = _rows(context, context.source.database) or ()
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
    elif scheme != "file":
        remedy = "It is neither copied nor hashed: both sides use that store"
        yield info(f"is kept by {scheme!r}", remedy, f"image {id_}")
    elif not digest and not checksum:
        remedy = "It is compared with the source's own file instead"
        yield info("has no hash", remedy, f"image {id_}")


def keeper(context: Context) -> tuple[Recipe, Images]:
    """The service that has the images, and what it says of them."""
    return next((one, one.images) for one in context.recipes if one.images)


def _rows(context: Context, host: Host) -> list[connection.Row] | None:
    """The active locations of images in *host*'s database, None where it has none."""
    recipe, images = keeper(context)
    if DATABASE not in context.extras:
        context.extras[DATABASE] = service_databases(context.source.tools, [recipe])[0].name
    name = context.extras[DATABASE]
    with connection.session(host) as link:
        asked = "SELECT count(*) FROM information_schema.tables WHERE table_schema = %s"
        if not connection.value(link, asked, name):
            return None
        return connection.rows(link, images.query.format(d=connection.quoted(name)))


def images_of(rows: Iterable[connection.Row]) -> list[Image]:
    """The rows whose file lies in a file store."""
    found = []
    for id_, size, algorithm, digest, checksum, location in rows:
        if str(location).startswith(FILE):
            path = str(PurePosixPath("/", str(location)[len(FILE) :]))
            if ".." in PurePosixPath(path).parts:
                raise StepError(f"image {id_} lies at {path}, outside of any store; correct that")
            kind = (algorithm, digest) if digest else ("md5" if checksum else "sha512", checksum)
            found.append(Image(str(id_), path, size, str(kind[0]), str(kind[1] or "")))
    return found


def of_source(context: Context) -> list[Image]:
    """Those of the source's file stores now."""
    return images_of(_rows(context, context.source.database) or ())


def of_target(context: Context) -> list[Image] | None:
    """Those of the target's copy of the database, None where it was not copied yet."""
    rows = _rows(context, context.target.database)
    return None if rows is None else images_of(rows)


def digest(images: list[Image]) -> str:
    """A short name for exactly these images."""
    listed = "\n".join(f"{i.id} {i.path} {i.size} {i.digest}" for i in images)
    return sha256(listed.encode()).hexdigest()[:16]
