"""The lab's stack and the papers of its migration, as this checkout keeps them."""

from __future__ import annotations

import shutil
import subprocess

from migrate.cloud import pulumi, settings
from migrate.errors import PreconditionError
from tests.lab.settings import Lab

STACK = "lab"


def name(lab: Lab) -> str:
    """The stack beside *lab*: each kind has one of its own."""
    return f"{STACK}-{lab.storage}" if lab.storage else STACK


def forget(stack: str = STACK) -> None:
    """Drop the state and the papers of *stack*: the machines that they tell of are gone.

    Without it the next `pulumi up` would find a target that it believes to stand. The stack's file
    stays. Safe when there is neither Pulumi nor a stack.
    """
    shutil.rmtree(settings.home(stack), ignore_errors=True)
    where = pulumi.environment()
    if shutil.which("pulumi", path=where["PATH"]) is None:
        return
    ended = subprocess.run(
        ["pulumi", "stack", "rm", stack, "--yes", "--force", "--preserve-config"],
        cwd=settings.project_root(),
        env=where,
        text=True,
        check=False,
        capture_output=True,
    )
    if ended.returncode and "no stack named" not in ended.stderr:
        raise PreconditionError(f"the stack {stack} stays: {ended.stderr.strip()[-300:]}")
