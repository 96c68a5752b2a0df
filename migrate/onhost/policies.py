"""Ask the release's own oslopolicy-validator about policy files that are not on any disk yet.

Reads JSON from stdin: `{"program": PATH, "namespace": NAME, "files": {PATH: TEXT}}`; prints
`{PATH: OUTPUT}`, the output empty where every rule is known and well-formed. The file is named by
the environment: most projects' policy code does not look at the validator's own arguments.
"""

import json
import os
import subprocess
import sys
from typing import Any


def ask(program: str, namespace: str, text: str) -> str:
    """What the validator says of a file with *text*; empty when it accepts it."""
    handle = os.memfd_create("policy")
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text)
        stream.flush()
        done = subprocess.run(
            [program, "--namespace", namespace],
            env={
                **os.environ,
                "OS_OSLO_POLICY__POLICY_FILE": f"/proc/self/fd/{handle}",
                "PYTHONWARNINGS": "ignore",
            },
            pass_fds=[handle],
            capture_output=True,
            text=True,
            check=False,
        )
    return (done.stdout + done.stderr).strip() if done.returncode else ""


def main(payload: dict[str, Any]) -> dict[str, str]:
    """What the validator says of every file."""
    return {
        path: ask(payload["program"], payload["namespace"], text)
        for path, text in payload["files"].items()
    }


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))  # noqa: T201
