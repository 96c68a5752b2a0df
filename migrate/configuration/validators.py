"""The target's own validators, run on texts that are not written anywhere."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from migrate.cloud.host import Host
from migrate.cloud.installation import Installation


def ask(host: Host, installation: Installation, program: str, payload: dict[str, Any]) -> Any:
    """What *program* of `onhost/`, run by the Python of *installation*, answers to *payload*.

    It comes as an argument because stdin brings the files, which hold secrets.
    """
    text = resources.files("migrate.onhost").joinpath(f"{program}.py").read_text()
    said = host.run(
        # or stevedore leaves a cache in root's home
        *("env", "XDG_CACHE_HOME=/dev/null", installation.python, "-c", text),
        stdin=json.dumps(payload),
        timeout=300,
    )
    return json.loads(said.splitlines()[-1])
