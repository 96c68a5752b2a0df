"""A command's answer as openstackclient's users ask for it: `-f json`, `yaml` or `value`."""

import json
from collections.abc import Callable
from typing import Any

import yaml


def as_json(document: Any) -> str:
    return json.dumps(document, indent=2, default=str) + "\n"


def as_yaml(document: Any) -> str:
    return yaml.safe_dump(json.loads(as_json(document)), sort_keys=False, allow_unicode=True)


def as_value(document: Any) -> str:
    """Values without their names: of a list a line for each entry, of a mapping one for each value.

    What is itself a list or a mapping is JSON within its line.
    """
    entries = list(document.values()) if isinstance(document, dict) else document
    listed = isinstance(document, list)
    return "".join(f"{_row(entry) if listed else _bare(entry)}\n" for entry in entries)


def _row(entry: Any) -> str:
    values = entry.values() if isinstance(entry, dict) else [entry]
    return " ".join(_bare(value) for value in values)


def _bare(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return " ".join(text.splitlines())


FORMATS: dict[str, Callable[[Any], str]] = {"json": as_json, "yaml": as_yaml, "value": as_value}
