"""Ask the release's own oslo-config-validator about files that are not on any disk yet.

Run by the release's python; reads JSON from stdin: `{"options": PATH, "files": {PATH: TEXT},
"exclude": [GROUP]}`, prints `{PATH: [[LEVEL, MESSAGE]]}`. The validator's YAML reader takes half a
minute for a project's options, which the generator can write as JSON too: that is all we replace.
"""

import importlib
import json
import logging
import os
import sys
from typing import Any


class Kept(logging.Handler):
    """Keeps what the validator says."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[list[str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.told.append([record.levelname, record.getMessage()])


def ask(validator: Any, options: str, text: str, exclude: list[str]) -> list[list[str]]:
    """What the validator says of a file with *text*."""
    kept = Kept()
    logging.getLogger().handlers = [kept]
    handle = os.memfd_create("configuration")
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text)
        stream.flush()
        stream.seek(0)
        path = f"/proc/self/fd/{handle}"
        sys.argv = ["oslo-config-validator", "--opt-data", options, "--input-file", path]
        for group in exclude:
            sys.argv += ["--exclude-group", group]
        try:
            validator.main()
        except Exception as error:
            kept.told.append(["ERROR", f"{type(error).__name__} while reading the file"])
    return kept.told


def main(payload: dict[str, Any]) -> dict[str, list[list[str]]]:
    """What the validator says of every file."""
    validator: Any = importlib.import_module("oslo_config.validator")
    logging.getLogger().setLevel(logging.INFO)
    with open(payload["options"]) as stream:
        data = json.load(stream)
    validator.load_opt_data = lambda conf: data
    exclude = payload["exclude"]
    return {
        path: ask(validator, payload["options"], text, exclude)
        for path, text in payload["files"].items()
    }


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))  # noqa: T201
