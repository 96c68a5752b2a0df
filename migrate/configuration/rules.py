"""The rules of `rules.yaml`, for one project of one cloud."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from migrate.cloud.ini import Ini


@dataclass(frozen=True, slots=True)
class Setting:
    """An option that this program decides on; `why` becomes a comment in the file."""

    file: str
    section: str
    option: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What applies to one project; see rules.yaml for the meaning of each."""

    settings: tuple[Setting, ...] = ()
    dynamic: tuple[tuple[str, str, tuple[str, ...]], ...] = ()  # listing option, like, always
    auth_groups: frozenset[str] = frozenset()
    identity: frozenset[str] = frozenset()
    own_host: bool = False
    gone: tuple[tuple[str, frozenset[str], str], ...] = ()  # section, options, remedy
    backend_host: tuple[str, str, str, str] | None = None  # file, list, option, fallback

    def remedy(self, section: str, name: str) -> str:
        """What replaces an option known to be gone, or nothing."""
        for where, names, remedy in self.gone:
            if where == section and (name in names or "*" in names):
                return remedy
        return ""

    def groups(self, inis: list[Ini]) -> dict[str, str]:
        """Groups that the operator named in *inis*, each with the group that tells its options."""
        found: dict[str, str] = {}
        for option, like, always in self.dynamic:
            names = list(always)
            for ini in inis:
                listed = ini.get("DEFAULT", option) or ""
                names += [part.partition(":")[0].strip() for part in listed.split(",")]
            found |= {name.lower(): like for name in names if name}
        return found


@cache
def document() -> dict[str, Any]:
    """`rules.yaml` as it stands."""
    text = files("migrate.configuration").joinpath("rules.yaml").read_text()
    rules: dict[str, Any] = yaml.safe_load(text)
    return rules


def backend_host() -> tuple[str, str, str, str]:
    """Where the source's name is kept for volumes: file, listing option, option, fallback."""
    rule = document()["backend_host"]
    return rule["file"], rule["list"], rule["option"], rule["fallback"]


def of(project: str, values: dict[str, str], release: str) -> Rules:
    """The rules of *project* on a target of *release*, with *values* put into them."""
    rules = document()

    def mine(key: str) -> list[dict[str, Any]]:
        return [row for row in rules[key] if row["project"] in {project, "*"}]

    return Rules(
        settings=tuple(
            Setting(
                row["file"],
                row["section"],
                row["option"],
                row["value"].format_map(values),
                row["why"],
            )
            for row in mine("settings")
            if release >= row.get("release", "")
        ),
        dynamic=tuple(
            (row["list"], row["like"], tuple(row.get("always", ()))) for row in mine("dynamic")
        ),
        auth_groups=frozenset(row["group"] for row in mine("auth_groups")),
        identity=frozenset(row["option"] for row in mine("identity")),
        own_host=project in rules["own_host"],
        gone=tuple(
            (row["section"], frozenset(row["options"]), row["remedy"]) for row in mine("gone")
        ),
        backend_host=backend_host() if rules["backend_host"]["project"] == project else None,
    )
