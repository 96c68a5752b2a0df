"""Ask the release's own oslopolicy-validator about policy files that are not on any disk yet.

The file is named by the environment: most projects' policy code does not look at the validator's
own arguments.
"""

import os
import subprocess


def ask(program: str, namespace: str, files: dict[str, str]) -> dict[str, str]:
    """What the validator *program* says of each text; empty when it accepts it."""
    return {path: _ask(program, namespace, text) for path, text in files.items()}


def _ask(program: str, namespace: str, text: str) -> str:
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
                "XDG_CACHE_HOME": "/dev/null",  # or stevedore leaves a cache in root's home
            },
            pass_fds=[handle],
            capture_output=True,
            text=True,
            check=False,
        )
    return (done.stdout + done.stderr).strip() if done.returncode else ""
