"""What the operator decided: the stack's file, read by `infra/` and `migrate/` alike."""

import os
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from migrate.cloud import document
from migrate.errors import SettingsError
from migrate.services import RECIPES

PREFIX = "sidestep:"
RELEASE = r"^20\d\d\.[12]$"
HOST = r"^[a-z0-9][a-z0-9.-]*$"
INTERFACE = r"^[A-Za-z0-9_.-]{1,15}$"
PAIR = r"^$|^[^=]+="
EVERYBODY = IPv4Address("255.255.255.255")
BACKUP = r"^$|^(file|s3)://"
SHAPES = {
    RELEASE: "a release, as 2025.1",
    HOST: "a host's name: small letters, digits, dots and hyphens",
    INTERFACE: "the name of a network interface",
    PAIR: "key=value",
    BACKUP: "a URL that begins with file:// or s3://",
}
WORDS = {
    "missing": "is missing",
    "too_short": "name at least one",
    "tuple_type": "write a list",
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "string_type": "write a word, in quotes",
    "model_type": "write a mapping, `key: value`",
    "dict_type": "write a mapping, `key: value`",
}


class Model(BaseModel):
    """Strict: an unknown or misspelt key is an error; keys are camelCase as Pulumi writes them."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


def _quoted(value: Any) -> Any:
    if isinstance(value, int | float):
        raise ValueError(  # noqa: TRY004  pydantic tells these
            f'write it in quotes, "{value}": YAML reads a number there'
        )
    return value


def _no_text(value: Any) -> Any:
    if isinstance(value, str):
        words = ", ".join(value.replace(",", " ").split())
        raise ValueError(  # noqa: TRY004
            f"write a list, [{words}]: YAML reads one word there"
        )
    return value


def _of_a_machine(address: IPv4Address) -> IPv4Address:
    if address.is_unspecified or address.is_multicast or address == EVERYBODY:
        raise ValueError("that is no machine's address")
    return address


def _rooted(path: Path, info: ValidationInfo) -> Path:
    return info.context / path.expanduser() if info.context else path


Rooted = Annotated[Path, AfterValidator(_rooted)]  # relative to the project's folder
Release = Annotated[str, BeforeValidator(_quoted), Field(pattern=RELEASE)]
Named = Annotated[tuple[str, ...], BeforeValidator(_no_text)]
Words = Annotated[Named, Field(min_length=1)]
Address = Annotated[IPv4Address, BeforeValidator(_quoted), AfterValidator(_of_a_machine)]


class Machine(Model):
    """A host by the name that the cloud knows it by, and the address that ssh reaches."""

    name: str = Field(pattern=HOST)
    address: Address


class VirtualIp(Model):
    """An address that clients know; `interface` is where its holder carries it."""

    address: Address
    interface: str = Field(pattern=INTERFACE)
    prefix: int = Field(default=32, ge=8, le=32)


class Source(Model):
    release: Release
    controllers: tuple[Machine, ...] = Field(min_length=1)
    computes: tuple[Machine, ...] = ()
    network_hosts: tuple[Machine, ...] = ()  # that carry network agents, and run no servers
    databases: tuple[Machine, ...] = ()  # whose database servers are on hosts of their own
    virtual_ips: tuple[VirtualIp, ...] = Field(min_length=1)


class Target(Model):
    release: Release
    controllers: tuple[Machine, ...] = Field(min_length=1)


class Ssh(Model):
    """How the hosts are reached: a user who is root or has passwordless sudo, with checked keys.

    `cloud.host.SshHost` takes each by its name.
    """

    user: str = "root"
    key: Rooted | None = None  # None: the agent's or the user's own keys
    known_hosts: Rooted | None = None  # None: the user's own file
    port: int = Field(default=22, ge=1, le=65535)


class CloudsFile(Model):
    """Which entry of which clouds.yaml logs in as the cloud's administrator."""

    name: str
    file: Rooted | None = None  # None: where openstacksdk looks


class Window(Model):
    """Limits in seconds: the source reopens by itself when the window outlasts `limit_seconds`.

    A call waits for up to `hold_seconds` before it is refused; with 0 it is refused at once.
    """

    limit_seconds: int = Field(default=600, ge=30, le=7200)
    drain_seconds: int = Field(default=60, ge=1, le=3600)
    hold_seconds: int = Field(default=50, ge=0, le=300)
    # how long transfers may go on at the old holder of the virtual IP, when that has moved
    transfer_seconds: int = Field(default=120, ge=0, le=86_400)


Move = Literal["liveMigrate", "coldMigrate", "stopStart", "leave", "ask"]


class SettleRule(Model):
    """What becomes of a server that meets all that is given here, when its host has its turn."""

    tag: str = ""
    metadata: str = Field(default="", pattern=PAIR)
    flavor: str = ""  # its name
    project: str = ""  # its name or id
    zone: str = ""  # its host's
    do: Move
    home: bool | None = None  # whether one that was moved comes back; None: as for all

    @model_validator(mode="after")
    def _matches(self) -> Self:
        if not any((self.tag, self.metadata, self.flavor, self.project, self.zone)):
            raise ValueError(
                "name a tag, metadata, a flavor, a project or a zone; `otherwise` is for all others"
            )
        return self


class Concurrency(Model):
    """How many migrations run at once, off and onto one host, and in all."""

    per_host: int = Field(default=2, ge=1, le=100)
    in_all: int = Field(default=10, ge=1, le=10_000)


class Reinstall(Model):
    """Whoever makes hosts anew; see stacks/README.md for what `command` is given and must do."""

    command: Named = ()
    back_command: Named = ()  # with the old release's packages; (): `command` is told by the list
    keep: Named = ()  # more patterns of the host's own
    limit_seconds: int = Field(default=3600, ge=30, le=86_400)


class Update(Model):
    """What hosts meet that come to newer pins of their release; see stacks/README.md."""

    command: Named = ()  # boots a host; (): none is booted
    limit_seconds: int = Field(default=3600, ge=30, le=86_400)


class Settle(Model):
    """How compute hosts come over: the first of `rules` that a server meets says what is done."""

    by: str = "in-place"  # the installer; see migrate/computes/installers
    reinstall: Reinstall = Reinstall()
    update: Update = Update()
    rules: tuple[SettleRule, ...] = ()
    otherwise: Move | None = None  # None: leave in place, liveMigrate where hosts are emptied
    home: bool = False  # whether servers that were moved come back to their renewed host
    concurrency: Concurrency = Concurrency()
    canary: int = Field(default=1, ge=0)  # hosts that go first, alone
    batch: int = Field(default=4, ge=1)  # hosts at once after that
    stop_after: int = Field(default=1, ge=1)  # hosts that failed
    pause_seconds: int = Field(default=0, ge=0, le=86_400)  # between batches
    timeout_seconds: int = Field(default=900, ge=10, le=86_400)  # of one migration
    # of a live one whose time is over; to complete it takes post-copy, or a pause of the server
    late: Literal["abort", "complete"] = "abort"
    watch: tuple[Address, ...] = ()  # of servers, pinged meanwhile for the report
    probe: bool = True  # whether live migration is tried by servers of ours, which are deleted


class Ceph(Model):
    """Ceph that services of both sides use: `monitors` where its own daemons come over, too."""

    clients: bool = False  # whether the target's controllers are clients of its RBD
    checksums: Literal["sampled", "whole"] = "sampled"  # how much of RBD is read to prove it
    hosts: tuple[Machine, ...] = ()  # of the cluster, and neither controllers nor computes
    monitors: Named = ()  # hosts of the old monitors and managers; (): the cluster is another's
    joins: Named = ()  # the target's controllers that get the new ones; (): all
    osd_hosts: Named = ()  # hosts whose OSDs come over
    gateways: Named = ()  # hosts of the old gateways that do, one to each of `joins`; (): none
    past: Named = ()  # those of them whose OSDs start for good without `--past`
    # whether each of `joins` takes over the address of one of `monitors`, in their order
    addresses: Literal["keep", "new"] = "keep"

    def joining(self, target: Target) -> tuple[str, ...]:
        """Names of the controllers of *target* that get a monitor and a manager."""
        if not self.monitors:
            return ()
        return self.joins or tuple(one.name for one in target.controllers)


class Settings(Model):
    """One stack's decisions."""

    provider: Literal["existing", "lab", "openstack"]
    source: Source
    target: Target
    ssh: Ssh = Ssh()
    cloud: CloudsFile
    window: Window = Window()
    settle: Settle = Settle()
    services: Words | None = None  # None: all we know
    leave: Named = ()  # what `migrate check` names and no recipe moves: may be lost
    # calls on the target that destroy what both sides share: refused, or let through and named
    shared_storage: Literal["refuse", "record"] = "refuse"
    # how the databases come first: the source's whole server where that may be, or dumps
    seed: Literal["server", "dumps"] = "server"
    ceph: Ceph = Ceph()
    backup: str = Field(default="", pattern=BACKUP)
    machine: dict[str, Any] = {}  # what the provider wants to know about machines it makes


def project_root() -> Path:
    """The folder of `Pulumi.yaml`, found by walking up from the working directory."""
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise SettingsError(f"no Pulumi.yaml in {here} or above; run this inside the project")


def stack_file(stack: str, root: Path | None = None) -> Path:
    """`stacks/Pulumi.<stack>.yaml`; raises SettingsError naming the stacks there are."""
    folder = (root or project_root()) / "stacks"
    path = folder / f"Pulumi.{stack}.yaml"
    if not path.is_file():
        known = sorted(p.name[len("Pulumi.") : -len(".yaml")] for p in folder.glob("Pulumi.*.yaml"))
        raise SettingsError(f"unknown stack {stack!r}; there are: {', '.join(known) or 'none'}")
    return path


def load(stack: str, root: Path | None = None) -> Settings:
    """Settings of *stack*, or SettingsError with every problem of the file in one message.

    Relative paths in the file are taken from the project's folder.
    """
    root = root or project_root()
    path = stack_file(stack, root)
    found = document.read(path) or {}
    config = found.get("config") if isinstance(found, dict) else None
    if not isinstance(config, dict):
        raise SettingsError(f"{path.name} has no `config:` mapping")
    ours = {k[len(PREFIX) :]: v for k, v in config.items() if str(k).startswith(PREFIX)}
    return parse(ours, path.name, root)


def parse(values: dict[str, Any], where: str, root: Path) -> Settings:
    """Settings from plain *values* (keys without the prefix); *where* names them in errors."""
    found = contradictions(values)
    try:
        settings = Settings.model_validate(values, context=root)
    except ValidationError as error:
        raise _problems(where, _malformed(error.errors()) + found) from error
    if found:
        raise _problems(where, found)
    return settings


def _malformed(problems: list[ErrorDetails]) -> list[str]:
    """Each in words of the file; a list whose items are wrong is not called empty as well."""
    places = [problem["loc"] for problem in problems]
    return [
        f"{PREFIX}{'.'.join(map(str, problem['loc']))}: {_said(problem)}"
        for problem in problems
        if problem["type"] != "too_short"
        or not any(
            place != problem["loc"] and place[: len(problem["loc"])] == problem["loc"]
            for place in places
        )
    ]


def _said(problem: ErrorDetails) -> str:
    kind = problem["type"]
    if kind == "extra_forbidden":
        return unknown(problem["loc"])
    if kind == "string_pattern_mismatch":
        pattern = problem["ctx"]["pattern"]
        return f"{problem['input']!r} is not {SHAPES.get(pattern, pattern)}"
    return WORDS.get(kind) or problem["msg"].removeprefix("Value error, ")


def unknown(where: tuple[int | str, ...]) -> str:
    """What is told of a key that stands at *where* in the file, and that there is not."""
    *above, key = where
    models: list[Any] = [Settings]
    for part in above:
        if isinstance(part, str):
            found = [one for model in models for name, one in _fields(model) if name == part]
            models = [model for one in found for model in _models(one.annotation)]
    known = [name for model in models for name, _ in _fields(model)]
    meant = get_close_matches(str(key), known, n=1)
    there = f"did you mean {meant[0]}?" if meant else f"there are: {', '.join(known)}"
    return f"there is no such key, {there}"


def _fields(model: type[Model]) -> list[tuple[str, FieldInfo]]:
    return [(one.alias or name, one) for name, one in model.model_fields.items()]


def _models(annotation: Any) -> list[type[Model]]:
    """Those in *annotation*, which may be a tuple of one, or one that may be None."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return [annotation]
    return [model for one in get_args(annotation) for model in _models(one)]


def contradictions(values: dict[str, Any]) -> list[str]:
    """What is wrong between values; looked for also where others of them are malformed."""
    source, target = values.get("source"), values.get("target")
    machines = [
        *_listed(source, "controllers"),
        *_listed(source, "computes"),
        *_listed(source, "networkHosts"),
        *_listed(source, "databases"),
        *_listed(target, "controllers"),
        *_listed(values.get("ceph"), "hosts"),
    ]
    names = [str(one["name"]) for one in machines if "name" in one]
    placed = [*machines, *_listed(source, "virtualIps")]
    addresses = [str(one["address"]) for one in placed if "address" in one]
    asked = values.get("services")
    services = [one for one in asked if isinstance(one, str)] if isinstance(asked, list) else []
    known = [recipe.project for recipe in RECIPES]
    return [
        *(f"{name} names two machines" for name in _repeated(names)),
        *(f"{address} is used twice" for address in _repeated(addresses)),
        *(f"{PREFIX}services names {service} twice" for service in _repeated(services)),
        *(
            f"{PREFIX}services: {service!r} is not known; there are: {', '.join(known)}"
            for service in dict.fromkeys(services)
            if service not in known
        ),
        *_of_ceph(values),
    ]


def _of_ceph(values: dict[str, Any]) -> Iterator[str]:
    """What is wrong between the names that `ceph` lists, and hosts there are."""
    source, target, ceph = (values.get(one) for one in ("source", "target", "ceph"))
    if not isinstance(ceph, dict):
        return
    listed = {
        one: _words(ceph.get(one)) for one in ("monitors", "joins", "osdHosts", "past", "gateways")
    }
    old = {str(one.get("name")) for one in _listed(source, "controllers")}
    new = {str(one.get("name")) for one in _listed(target, "controllers")}
    ours = [*_listed(source, "computes"), *_listed(ceph, "hosts")]
    others = {str(one.get("name")) for one in ours}
    known = {
        "monitors": (old | others, "no controller or compute of the source and not in ceph.hosts"),
        "joins": (new, "no controller of the target"),
        "osdHosts": (others, "neither in source.computes nor in ceph.hosts"),
        "past": (set(listed["osdHosts"]), "not in ceph.osdHosts"),
        "gateways": (old | others, "no controller or compute of the source and not in ceph.hosts"),
    }
    for key, (there, why) in known.items():
        yield from (f"{PREFIX}ceph.{key} names {one} twice" for one in _repeated(listed[key]))
        yield from (
            f"{PREFIX}ceph.{key}: {one} is {why}"
            for one in dict.fromkeys(listed[key])
            if one not in there
        )
    if ceph.get("monitors", []) == []:  # what is no list is told as that
        yield from (
            f"{PREFIX}ceph.{key} says nothing without ceph.monitors: name the hosts of all old "
            "monitors, or leave the cluster to others"
            for key in ("hosts", "joins", "osdHosts", "gateways", "addresses")
            if ceph.get(key)
        )
    elif len({*listed["gateways"]}) > len(listed["joins"] or new):
        yield f"{PREFIX}ceph.gateways: each comes to a machine of its own in ceph.joins: name fewer"


def _words(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _listed(side: Any, kind: str) -> list[dict[str, Any]]:
    """The mappings in list *kind* of *side*, as far as the file holds such a thing."""
    found = side.get(kind) if isinstance(side, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _repeated(words: list[str]) -> list[str]:
    return sorted(word for word, count in Counter(words).items() if count > 1)


def _problems(where: str, found: list[str]) -> SettingsError:
    return SettingsError(f"{where} has {len(found)} problem(s): " + "; ".join(found))


def home(stack: str, root: Path | None = None) -> Path:
    """Where a stack's journal, lock, fingerprints and reports live: `.migrate/<stack>/`, 0700."""
    base = os.environ.get("MIGRATE_HOME")
    path = (Path(base) if base else (root or project_root()) / ".migrate") / stack
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        wrong = f"{path} cannot be the stack's state directory: {error.strerror}"
        raise SettingsError(f"{wrong}; set MIGRATE_HOME to another") from error
    return path
