"""What the administrator asks of a service's API, and what its answers mean. Data."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

# where most resources say whose they are
OWNERS = ("project_id", "tenant_id")

Resource = Mapping[str, Any]


def _mapping() -> Any:
    return field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Allowed:
    """A difference between the listings before and after that is no loss, and why.

    `field` is the path below the resource, joined by dots, "" for the resource itself; like `id` a
    shell pattern. `change` is added, removed or changed. Not `nested`: only the resource's own.
    """

    field: str
    reason: str
    change: str = "*"
    id: str = "*"
    nested: bool = True

    def covers(self, field: str, change: str, id_: str) -> bool:
        """Whether it speaks of this difference."""
        return (
            fnmatchcase(field, self.field)
            and fnmatchcase(change, self.change)
            and fnmatchcase(id_, self.id)
            and (self.nested or "." not in field)
        )


# of agents and services
HEARTBEAT = Allowed("updated_at", "the time of a heartbeat")
STATE = Allowed("state", "heartbeats are judged by their time, after the release of writes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Which states mean that somebody is at work on a resource, as shell patterns.

    Either all but `settled`, or only `moving`. A `task` is a field that is empty at rest.
    """

    state: str = "status"
    settled: tuple[str, ...] = ()
    moving: tuple[str, ...] = ()
    task: str = ""
    microversion: str = ""  # the least that lists them

    def describe(self, resource: Resource) -> str:
        """The state of one that is changing: "BUILD (spawning)"; "" for one at rest."""
        state, task = str(resource[self.state]), resource.get(self.task)
        patterns = self.moving or self.settled
        if not task and any(fnmatchcase(state, one) for one in patterns) is not bool(self.moving):
            return ""
        return f"{state} ({task})" if task else state


# What going back loses for good of a resource's data, by how it was before and is now, None where
# it is not there: "deleted: its disk is gone"; "" for nothing. Kinds with the same are one listing.
Lost = Callable[[Resource | None, Resource | None], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Once one is made, the data of another resource goes on where the source does not look for it.

    No listing shows those that were made and deleted again: `passing` gives id, name and the
    other's id of such rows of `table` since a time.
    """

    of: str  # the other's type
    by: str  # the field with the other's id
    told: str
    table: str
    passing: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource: where it is listed, and what a difference between two listings means.

    How it is asked:
    + `list`: the answer's field with all entries, where `path` does not end in its name
    + `one`: the field with the single resource, where that is all the answer
    + `each`: asked once for each resource of that type, whose fields stand for {field} in `path`
    + `when`: only for parents with these values
    + `id`: a format of the entry's fields and {parent}, the parent's id; or ":assignment"
    + `inner`: each entry is wrapped in this field
    + `query`: always sent; `everywhere` by the administrator, who asks for all projects
    + `offset`: its pages are asked by offset; others say where the next page begins
    + `admin`: only the administrator may ask; `common`: everybody is told the same, or nearly
    + `optional`: a cloud may lack it (an extension that is not loaded): 403 and 404 are no error

    What is kept of an entry: not the `omitted` fields, and of `digest` ones only their SHA-256.
    """

    type: str  # its name here, unique
    path: str
    _: KW_ONLY
    list: str = ""
    one: str = ""
    each: str = ""
    when: Mapping[str, Any] = _mapping()
    id: str = "{id}"
    inner: str = ""
    query: Mapping[str, str] = _mapping()
    everywhere: Mapping[str, str] = _mapping()
    offset: bool = False
    admin: bool = False
    common: bool = False
    optional: bool = False
    digest: tuple[str, ...] = ()
    omitted: tuple[str, ...] = ()
    name: str = "name"  # the field with its name
    owner: str = ""  # the field with its project, where it is none of OWNERS; / goes inside
    reference: str = ""  # the field in which others name one, whose project is then theirs
    whole: str = ""  # the type that lists these of all users, by "<user>/<id>"
    busy: Busy | None = None
    allowed: tuple[Allowed, ...] = ()
    ordered: tuple[str, ...] = ()  # lists whose order means something; of others it does not
    follows: bool = False  # says again what another kind says
    states: tuple[str, ...] = ()  # fields that follow agents and servers: no loss
    data: Mapping[str, str] | None = field(default=None, hash=False)
    """Its data is on storage of both sides: gone when deleted, or when these fields change."""
    lost: Lost | None = None
    splits: Splits | None = None
    open: bool = False  # users may add fields of their own
    service: str = ""  # whose it is; filled in where all are put together

    @property
    def entries(self) -> str:
        """The answer's field with all entries: "address_scopes" of "/address-scopes"."""
        named = self.path.partition("?")[0].removesuffix("/detail").rpartition("/")[2]
        return self.list or named.replace("-", "_")

    def project(self, resource: Resource) -> str:
        """Whose *resource* is, by its own fields; "" where none of them says it."""
        for path in (self.owner, *OWNERS) if self.owner else OWNERS:
            value: Any = resource
            for part in path.split("/"):
                value = value.get(part) if isinstance(value, Mapping) else None
            if isinstance(value, str) and value:
                return value
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Where an API tells which of its agents and services it hears.

    `up` and `enabled` are a field and its value when all is well; `at` are fields with the time of
    the last heartbeat, the first that is not empty.
    """

    path: str
    list: str
    at: tuple[str, ...] = ("updated_at",)
    up: tuple[str, object] = ("state", "up")
    enabled: tuple[str, object] | None = ("status", "enabled")  # None: none can be disabled
    kind: str = ""  # the type by which listings have them, where they do
    anywhere: tuple[str, ...] = ()  # the target runs its own of these: one that is heard is enough
    any_of: str = ""
    """Its name where any one that is heard is enough, and 403 means that only the service's own
    administrator may ask: then the short list, which one of them answers, stands for it."""

    def well(self, row: Resource) -> bool:
        """Whether the cloud hears it."""
        return bool(row[self.up[0]] == self.up[1])

    def wanted(self, row: Resource) -> bool:
        """Whether it is not disabled."""
        return self.enabled is None or bool(row[self.enabled[0]] == self.enabled[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The API that the administrator asks; the catalogue has it by the types of the first port.

    `short` is a short list that the service's policies, its database and keystone have to agree to.
    """

    service: str  # "compute": as microversions' header names it
    short: str  # "/servers?limit=1"
    version: str = ""  # "/v2.1": the end of its base URL
    microversion: str = ""  # the newest whose answers are known here
    asked_as: str = ""  # the type by which clients look it up, where it is not the first
    turn: int = 0  # when its kinds are listed: the slowest first, so that nothing waits at the end
    kinds: tuple[Kind, ...] = ()
    workers: Workers | None = None
