"""Ask the release's own oslo-config-validator about files that are not on any disk yet.

Run by the release's Python. The validator's YAML reader takes half a minute for a project's
options, which the generator can write as JSON too: that is all we replace.
"""

import importlib
import json
import logging
import os
import sys
from typing import Any

from migrate.onhost import disk


class Kept(logging.Handler):
    """Keeps what the validator says."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[list[str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.messages.append([record.levelname, record.getMessage()])


def _ask(validator: Any, options: str, text: str, exclude: list[str]) -> list[list[str]]:
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
            kept.messages.append(["ERROR", f"{type(error).__name__} while reading the file"])
    return kept.messages


def ask(options: str, files: dict[str, str], exclude: list[str]) -> dict[str, list[list[str]]]:
    """What the validator says of each of *files*, by path: [["ERROR", "..."]].

    *options* is the generator's JSON; groups in *exclude* are passed over.
    """
    os.environ["XDG_CACHE_HOME"] = "/dev/null"  # or stevedore leaves a cache in root's home
    validator: Any = importlib.import_module("oslo_config.validator")
    logging.getLogger().setLevel(logging.INFO)
    data = json.loads(disk.text(options))
    validator.load_opt_data = lambda conf: data
    return {path: _ask(validator, options, text, exclude) for path, text in files.items()}
