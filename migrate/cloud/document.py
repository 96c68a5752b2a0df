"""The operator's own YAML files: what is wrong with one is told in a line."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from migrate.errors import SettingsError, one_line


class Loader(yaml.SafeLoader):
    """A key that stands twice is an error; YAML takes the last, and hosts vanish unnoticed."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} stands in line {seen[key]} and again in line {line}"
                )
            if isinstance(key, Hashable):
                seen[key] = line
        return super().construct_mapping(node, deep)


def read(path: Path) -> Any:
    """What the YAML file *path* says; SettingsError where it cannot be read."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506  a SafeLoader
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise SettingsError(
            f"{path.name} is not UTF-8 (byte {error.object[error.start]:#04x} in line {line}): "
            "save it as UTF-8"
        ) from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path.name} is not YAML: {_where(error)}") from error


def _where(error: yaml.YAMLError) -> str:
    """What is wrong and in which line, without YAML's picture of it."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        at = error.problem_mark
        return f"{one_line(error.problem)}, in line {at.line + 1}, column {at.column + 1}"
    return one_line(error, 1000)
