"""The lab's stack and the papers of its migration, as this checkout keeps them."""

from __future__ import annotations

import shutil
import subprocess

from migrate.cloud import pulumi, settings
from migrate.errors import PreconditionError

STACK = "lab"


def forget() -> None:
    """Drop the stack's state and the papers: the machines that they tell of are gone.

    Without it the next `pulumi up` would find a target that it believes to stand. The stack's file
    stays. Safe when there is neither Pulumi nor a stack.
    """
    shutil.rmtree(settings.home(STACK), ignore_errors=True)
    where = pulumi.environment()
    if shutil.which("pulumi", path=where["PATH"]) is None:
        return
    ended = subprocess.run(
        ["pulumi", "stack", "rm", STACK, "--yes", "--force", "--preserve-config"],
        cwd=settings.project_root(),
        env=where,
        text=True,
        check=False,
        capture_output=True,
    )
    if ended.returncode and "no stack named" not in ended.stderr:
        raise PreconditionError(f"the stack {STACK} stays: {ended.stderr.strip()[-300:]}")
