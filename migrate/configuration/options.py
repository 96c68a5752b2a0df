"""What options a release knows: read from its own generator, on the host where it is installed."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock
from typing import Any, Self

from migrate.cloud.host import Host
from migrate.cloud.installation import PACKAGES, Installation
from migrate.configuration.values import Kind
from migrate.errors import CommandError, PreconditionError
from migrate.onhost import call

GENERATOR = "oslo-config-generator"

ASKING = Lock()
AUTH = {"auth_type", "auth_section", "auth_plugin"}  # of any group that takes a plugin


@dataclass(frozen=True, slots=True)
class Options:
    """A release's options of one project: `known[group][name]` says what values it takes.

    `dynamic` maps a group that the operator named (a cinder backend) to the one that tells its
    options; `plugins` are the options that an authentication plugin adds to a group that chooses
    one. `path` is the generator's output on the host it was read from.
    """

    known: Mapping[str, Mapping[str, Kind]] = field(default_factory=dict)
    renamed: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    plugins: Mapping[str, frozenset[str]] = field(default_factory=dict)
    path: str = ""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """From what `onhost.options.known` answers, or from the same shape in a test's file."""
        known = {
            _group(group): {name: Kind.of(kind) for name, kind in options.items()}
            for group, options in told["options"].items()
        }
        renamed = {
            (_group(group), name.replace("-", "_")): (_group(new_group), new.replace("-", "_"))
            for group, name, new_group, new in told.get("renamed", ())
            if new
        }
        plugins = {name: frozenset(names) for name, names in told.get("plugins", {}).items()}
        return cls(known, renamed, plugins, str(told.get("path", "")))

    def has(self, group: str, name: str, dynamic: Mapping[str, str]) -> bool:
        """Whether the release reads that option there."""
        return any(name in self.known.get(like, ()) for like in _likes(group, dynamic))

    def kind(self, group: str, name: str, dynamic: Mapping[str, str]) -> Kind | None:
        """What values that option takes, None where it is not known."""
        kinds = (self.known.get(like, {}).get(name) for like in _likes(group, dynamic))
        return next((kind for kind in kinds if kind), None)

    def plugin_has(self, name: str, plugin: str) -> bool:
        """Whether authentication plugin *plugin* reads option *name*; an unknown one reads all."""
        return name in AUTH or name in self.plugins.get(plugin, {name})

    def successor(
        self, group: str, name: str, dynamic: Mapping[str, str]
    ) -> tuple[str, str] | None:
        """The group and name under which a deprecated option is to be written now."""
        for like in _likes(group, dynamic):
            if found := self.renamed.get((like, name)):
                return (group, found[1]) if found[0] == like else found
        return None


def installed(host: Host, own: Installation, namespaces: Iterable[str]) -> Options:
    """What the release in *own* of *host* knows; kept there, so that it is worked out once."""
    generator = own.tool(GENERATOR)
    asked = (own.kept, generator, sorted(set(namespaces)))
    told = call(host, "options.known", *asked, timeout=300)
    if told is None:
        raise PreconditionError(
            f"{host.name}: the release is not installed in {own.folder}; run `pulumi up`"
        )
    build = host.run("stat", "-c", "%i %Y", generator)
    return Options.of(told | {"plugins": _plugins(host, own.python, build, host, own)})


def packaged(
    source: Host, release: str, namespaces: Iterable[str], keeper: Host, own: Installation
) -> Options | None:
    """What *source*'s packages of *release* know, or None where they have no generator.

    It is worked out once: the answer is kept with the release in *own* of *keeper*, and nothing
    on the source.
    """
    listed = sorted(set(namespaces))

    def ask() -> Any:
        asked = ("", PACKAGES.tool(GENERATOR), listed)
        told = call(source, "options.known", *asked, timeout=300)
        if told is not None:
            told["plugins"] = _plugins(source, PACKAGES.python, release, keeper, own)
        return told

    told = _kept(keeper, own, "source", [release, source.name, listed], ask)
    return None if told is None else Options.of(told)


def _plugins(
    host: Host, python: str, build: str, keeper: Host, own: Installation
) -> dict[str, list[str]]:
    """Options of each authentication plugin that *python* of *host* has: the same for all projects.

    To load them all costs seconds, so one thread asks, for one *build*, and the rest wait for it.
    """

    def ask() -> Any:
        try:
            return call(host, "options.plugins", interpreter=[python], timeout=300)
        except CommandError:
            return None  # a project without keystoneauth1 has no such options

    with ASKING:
        return _kept(keeper, own, "plugins", [host.name, python, build], ask) or {}


def _kept(
    keeper: Host, own: Installation, kind: str, about: list[Any], ask: Callable[[], Any]
) -> Any:
    """What *ask* answered, kept with the release in *own* of *keeper*; None is not kept."""
    key = sha256(json.dumps(about).encode()).hexdigest()[:16]
    path = f"{own.kept}/{kind}-{key}.json"
    if keeper.exists(path):
        return json.loads(keeper.read(path))
    told = ask()
    if told is not None:
        keeper.run("install", "-d", "-m", "0700", own.kept)
        keeper.write(path, json.dumps(told), mode=0o600)
    return told


def _group(name: str) -> str:
    return name if name == "DEFAULT" else name.lower()


def _likes(group: str, dynamic: Mapping[str, str]) -> tuple[str, ...]:
    return (group, dynamic[group]) if group in dynamic else (group,)
