"""What a service stands on, judged by what its files say: what no code here moves is refused."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol


class Options(Protocol):
    """A program's options as it sees them."""

    def get(self, section: str, name: str, default: str = "") -> str: ...

    def listed(self, section: str, name: str, default: str = "") -> list[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Something that is not moved, or a `warning` about what is."""

    message: str
    remedy: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendConfig:
    """A store of images, or a back end of volumes, as the service's files have it."""

    name: str
    driver: str  # a class of cinder's, or a store's kind
    where: str  # the option that says so: "[nfs1] volume_driver"
    section: str  # of its own options
    given: Options
    common: str = ""  # the section that counts where its own says nothing

    def get(self, name: str, default: str = "") -> str:
        """Its own option *name*."""
        shared = self.given.get(self.common, name, default) if self.common else default
        return self.given.get(self.section, name, shared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where a service keeps what users gave it; `migrate.storage` has a file for each driver.

    `backends` gives those that are in use, by the options of `program`. `title` and `remedy` are
    told of one: {name} and {driver}.
    """

    keeps: Literal["images", "volumes"]
    program: str
    backends: Callable[[Options], Iterator[BackendConfig]]
    title: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Images, whose files are copied and proven: see `migrate.storage.images`.

    `query` gives of each that is active id, size, algorithm, hash, MD5 and location; {d} is the
    database. `folder` is where a file store keeps them, by the options of `program`.
    """

    query: str
    program: str
    folder: Callable[[Options], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volumes:
    """Volumes, which stay where they are and are proven: see `migrate.storage.volumes`.

    `query` gives of each that is whole id, the id of its data, size in GiB, `host`, and whether a
    server may write to it; `snapshots` of each id, the id of its volume's data and its size; {d} is
    the database. On the storage they are called by the options `name` and `snapshot_name`.
    """

    query: str
    snapshots: str
    name: tuple[str, str]  # the option, and what counts where none is set
    snapshot_name: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """A table that keeps how each volume is reached, as JSON in its column `connection_info`.

    What the volume's driver said of it stands in it under `within`, or at its top.
    """

    database: str
    table: str
    within: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """An option that lists plugins, by the entry points' group in which the release has them."""

    group: str
    section: str
    option: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """Who judges a service's back ends, and whose files say which they are."""

    program: str
    judge: Callable[[Options], Iterator[Refusal]]
    plugins: tuple[Plugins, ...] = ()  # the target's release must have each that is named
