"""What horizon's settings are on this host, asked of Django itself and not guessed from the files.

Run by the python that has `openstack_dashboard`. Prints JSON: for every name that the operator's
files assign, where, and its value as a Python literal (None where it is no plain value).

Needs nothing but horizon and Python's standard library.
"""

import ast
import glob
import importlib
import json
import os
from typing import Any

LISTED = "local_settings.py", "local_settings.d/*.py"


def assigned(path: str) -> dict[str, int]:
    """Names in capitals that the file at *path* assigns at its top level, with the line."""
    with open(path) as stream:
        tree = ast.parse(stream.read())
    found: dict[str, int] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            name = target.value if isinstance(target, ast.Subscript) else target  # NAME["x"] = ...
            if isinstance(name, ast.Name) and name.id.isupper():
                found[name.id] = node.lineno
    return found


def plain(value: Any) -> Any:
    """*value* with lazy translations as text; raises ValueError where it is no literal."""
    if type(value).__module__.startswith("django.utils.functional"):
        return str(value._proxy____args[0])  # translating needs the whole dashboard started
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([plain(one) for one in value])
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise ValueError(type(value).__name__)


def literal(value: Any) -> str | None:
    """*value* as Python text that reads back equal, or None."""
    try:
        text = repr(plain(value))
        return text if ast.literal_eval(text) == plain(value) else None
    except (ValueError, SyntaxError, TypeError, AttributeError):
        return None


def main() -> None:
    """Print what is set here."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "openstack_dashboard.settings")
    settings = importlib.import_module("django.conf").settings
    local = importlib.import_module("openstack_dashboard.local")

    folder = os.path.dirname(str(local.__file__))
    found: dict[str, list[Any]] = {}
    for pattern in LISTED:
        for path in sorted(glob.glob(os.path.join(folder, pattern))):
            real = os.path.realpath(path)
            for name, line in assigned(path).items():
                found[name] = [real, line, literal(getattr(settings, name, None))]
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main()
