"""A service's recipe: what to move, what to run, what proves it works. Data, no code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from migrate.services.backends import Attachments, Backends, Images, Storage, Volumes
from migrate.services.reads import Reads
from migrate.services.records import Oldest, OnlineMigration, Outlived, Question, Trusts, Unlisted
from migrate.services.rest import Rest
from migrate.services.rules import Rules
from migrate.services.unit import HostUnit, Shipped, Unit

RELEASES = (
    *("2022.2", "2023.1", "2023.2", "2024.1", "2024.2", "2025.1", "2025.2"),
    *("2026.1", "2026.2"),
)


def majors(first: int) -> dict[str, str]:
    """The versions of a project that counts one up with each release, from *first* on."""
    return {release: str(first + n) for n, release in enumerate(RELEASES)}


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Where a configuration file names a database: `[section] option` of `path`.

    `name` is the schema's usual name; the real one is read from the URL.
    """

    name: str
    path: str
    section: str
    option: str = "connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A command of the target's release, run as the service's user on its first controller.

    `argv[0]` is a program of the release's environment, without its folder. `accepted` are the
    exit codes that are no error; `repeat_while` the ones that ask for another run.
    """

    argv: tuple[str, ...]
    accepted: tuple[int, ...] = (0,)
    repeat_while: tuple[int, ...] = ()
    each_cell: bool = False  # once for every cell, with `[database] connection` set to the cell's


@dataclass(frozen=True, slots=True)
class Heads:
    """Which alembic revisions a database must show, and where the installed scripts are.

    `scripts` is a folder below the release's site-packages; `table` holds the database's own.
    """

    database: str
    scripts: str
    table: str = "alembic_version"
    each_cell: bool = False  # every cell's database must show them, not only `database`


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """More databases of the same schema, named by URL in rows of `database`.`table`.

    A URL of another cell may be a template (`{scheme}://{username}:...`) over the URL that the
    configuration file gives.
    """

    database: str
    table: str
    name: str = "name"
    database_url: str = "database_connection"
    broker_url: str = "transport_url"


@dataclass(frozen=True, slots=True)
class ApiPort:
    """A listening API: *port* of the virtual IP, `own` of the target controller's own address.

    `path` answers below 500 without a token when the service works.
    """

    name: str
    port: int
    path: str = "/"
    own_port: int | None = None  # where it differs from `port`
    types: tuple[str, ...] = ()  # of the catalogue

    @property
    def own(self) -> int:
        """The port on the target controller's own address."""
        return self.own_port or self.port


@dataclass(frozen=True, slots=True)
class Config:
    """Files that are translated from the source to the target; `path` may be a pattern.

    They keep their path, or go to the folder `to` where the target's units look for them. `kind`
    is "ini", or "django" for horizon's settings, which are read through Django itself.
    """

    path: str
    to: str = ""
    kind: str = "ini"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouches:
    """By which program's files a service tells that it sends tokens of its own, and asks for them.

    Volumes are attached and moved by calls of services to each other.
    """

    sends: str = ""
    receives: str = ""
    must: bool = False  # it is an error when it sends none


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """How a program finds another service in the catalogue, which its files may say otherwise.

    `option` of `section` gives type, name and interface, unless `url` there gives a URL.
    """

    of: str  # the other project
    program: str
    section: str
    url: str
    option: str
    default: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one OpenStack project moves from a release to the next.

    Units are listed by class (design.md): *control* units write databases or consume queues for
    the cloud, *data-plane* units carry tenants' traffic or servers. A list names every unit that a
    cloud may have; one that a host does not know is passed over. Names without a suffix are
    services.
    """

    project: str  # "nova"
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By release the major that its versions begin with, or the first and last major.minor."""
    distribution: str = ""  # Python's name of it, where that is not the project's
    user: str  # the account that owns its files and runs its tools
    user_id: int | None = None  # Debian's own number, where files are shared with other hosts
    state_folders: tuple[str, ...] = ()  # below /var/lib/<user>, which is made anyway
    lock: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By release, what of it the release's own lock does not hold: requirements with hashes."""
    databases: tuple[DatabaseUrl, ...] = ()
    cells: Cells | None = None
    source_control_units: tuple[str, ...] = ()
    reads: Reads = field(default_factory=Reads)  # what of its API needs the database alone
    succeeded_units: tuple[str, ...] = ()  # control units whose work others do on the target
    source_data_plane_units: tuple[str, ...] = ()
    compute_units: tuple[str, ...] = ()  # on compute hosts, of the source's release
    host_units: tuple[HostUnit, ...] = ()  # of those, what is exchanged, in this order
    network_units: tuple[HostUnit, ...] = ()  # the same on hosts that only carry network agents
    forwarding_units: tuple[str, ...] = ()  # of those two, never restarted: see takeover/agents.py
    queues: tuple[str, ...] = ()  # where the target's workers listen for those that are
    units: tuple[Unit, ...] = ()  # of the target, in the order in which they are started
    no_shadow: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Programs that the target has no unit of, and why they would never start on a clone either."""
    alone: tuple[str, ...] = ()  # of those, on the first controller only: two would share a name
    shipped: tuple[Shipped, ...] = ()  # what of the release's own files it reads from /etc
    rootwrap: bool = False  # it does things as root, by the release's `<project>-rootwrap`
    rootwrap_daemon: bool = False  # and by the daemon of that
    configs: tuple[Config, ...] = ()
    named: tuple[str, ...] = ()  # of those, what units name beside the files that it looks for
    namespaces: tuple[str, ...] = ()  # of the option generator, for all `configs`
    policy: str = ""  # namespace of its policies, where it has any
    carried: tuple[str, ...] = ()  # files copied as they are: shares, protections
    keys: tuple[str, ...] = ()  # folders of secrets copied as they are, with owner and mode
    pastes: tuple[str, ...] = ()  # pipelines: the release's own are used, the source's compared
    apis: tuple[ApiPort, ...] = ()  # the first is the one that `rest` speaks of
    rest: Rest | None = None
    sync: tuple[Tool, ...] = ()
    heads_prove_sync: bool = False  # those tools do nothing to a database that shows its `heads`
    sync_preload: tuple[str, ...] = ()  # what those tools import only while they run
    online: tuple[Tool, ...] = ()
    status_check: Tool | None = None
    heads: tuple[Heads, ...] = ()
    rules: Rules = field(default_factory=Rules)
    questions: tuple[Question, ...] = ()
    online_left: tuple[OnlineMigration, ...] = ()
    outlived: Outlived | None = None
    oldest: Oldest | None = None
    trusts: Trusts | None = None
    unlisted: Unlisted | None = None
    vouches: Vouches = field(default_factory=Vouches)
    lookups: tuple[Lookup, ...] = ()
    backends: Backends | None = None
    storage: Storage | None = None
    images: Images | None = None
    volumes: Volumes | None = None
    attachments: Attachments | None = None
    packages: tuple[str, ...] = ()  # Debian's, of what its programs call

    def units_of(self, *, first: bool) -> tuple[str, ...]:
        """What starts on a controller of the target, the first or another."""
        return tuple(unit for unit in self.target_units if first or unit not in self.alone)

    @property
    def dashboard(self) -> bool:
        """Whether its settings are Django's."""
        return any(config.kind == "django" for config in self.configs)

    @property
    def target_units(self) -> tuple[str, ...]:
        """What is started on the target in the window."""
        return tuple(one.name for one in self.units if not one.data_plane)

    @property
    def target_data_plane_units(self) -> tuple[str, ...]:
        """What is there, but started after the window."""
        return tuple(one.name for one in self.units if one.data_plane)

    @property
    def types(self) -> tuple[str, ...]:
        """What the catalogue may call its API."""
        return self.apis[0].types if self.apis else ()

    @property
    def folder(self) -> PurePosixPath:
        return PurePosixPath("/etc", self.project)
