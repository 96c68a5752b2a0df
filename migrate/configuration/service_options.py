"""The options of a source's service as it sees them, each with what counts where none is set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migrate.cloud.host import Host
from migrate.cloud.values import Defaults, Values, read_by
from migrate.database import defaults
from migrate.onhost import call
from migrate.services.base import Recipe


@dataclass(frozen=True, slots=True)
class Options:
    """Values with defaults, and lists."""

    values: Values

    def get(self, section: str, name: str, default: str = "") -> str:
        """The value, or *default* where no file sets it."""
        value = self.values.get(section, name)
        return default if value is None else value

    def listed(self, section: str, name: str, default: str = "") -> list[str]:
        """The parts of a list."""
        parts = self.get(section, name, default).split(",")
        return [part.strip() for part in parts if part.strip()]


def read(host: Host, recipe: Recipe, program: str) -> Options:
    """What *program* of *recipe* is told on *host*."""
    patterns = [f"{recipe.folder}/*.conf", f"{recipe.folder}/*.conf.d/*.conf", *recipe.named]
    told: dict[str, Any] = call(host, "configured.read", patterns)
    texts: dict[str, str] = told["texts"]
    paths = read_by(program, recipe.project, recipe.configs[0].path, texts)
    paths += [path for path in texts if path in recipe.named]
    return parsed({path: texts[path] for path in paths}, told["given"], defaults.of(host, recipe))


def parsed(
    texts: Mapping[str, str], given: Mapping[str, str] | None = None, known: Defaults = dict
) -> Options:
    """The options of *texts*, in the order in which they are read."""
    return Options(Values(texts, given, known))
