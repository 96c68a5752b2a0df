"""What Pulumi knows: the selected stack, its outputs, and whether a preview shows a change."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from migrate.cloud.settings import project_root
from migrate.errors import PreconditionError, SettingsError

SECONDS = 300


def environment(root: Path | None = None) -> dict[str, str]:
    """The process environment with our defaults for Pulumi where the operator set none.

    State is a folder beside the operator (`.pulumi/state`), its passphrase a file (0600).
    """
    ours = (root or project_root()) / ".pulumi"
    defaults = {
        "PULUMI_BACKEND_URL": f"file://{ours / 'state'}",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    if "PULUMI_CONFIG_PASSPHRASE" not in os.environ:
        defaults["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(ours / "passphrase")
    return {**defaults, **os.environ}


def selected(root: Path | None = None) -> str:
    """The stack that `pulumi stack select` chose; SettingsError where there is none."""
    try:
        return _pulumi("stack", "--show-name", root=root).strip()
    except PreconditionError as error:
        raise SettingsError(
            f"no stack is selected ({error}): name one with --stack, or `source tools/activate` "
            "and `pulumi stack select` it"
        ) from error


def changes(stack: str, root: Path | None = None) -> list[str]:
    """What a preview made now, machines asked, would do: ["update Broker ctl-new-broker", ...].

    Empty means that the target stands as the stack describes it. Secrets are never shown.
    """
    asked = ("preview", "--json", "--refresh", "--non-interactive")
    said = _pulumi(*asked, stack=stack, root=root)
    try:
        digest = json.loads(said)
    except ValueError as error:
        raise PreconditionError(f"pulumi preview gave no JSON: {said.strip()[:200]!r}") from error
    return [
        f"{step['op']} {step['urn'].rpartition('::')[2]}"
        for step in digest.get("steps", [])
        if step["op"] not in ("same", "refresh", "read")
    ]


def require(root: Path | None = None) -> None:
    """PreconditionError where there is no Pulumi to ask."""
    if shutil.which("pulumi", path=environment(root)["PATH"]) is None:
        raise PreconditionError(
            "pulumi is not on PATH: `make tools` brings it, `source tools/activate` puts it there"
        )


def _pulumi(*argv: str, stack: str = "", root: Path | None = None) -> str:
    where = root or project_root()
    require(where)
    named = ("--stack", stack) if stack else ()
    try:
        ended = subprocess.run(
            ["pulumi", *argv, *named],
            cwd=where,
            env=environment(where),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise PreconditionError(
            f"pulumi {argv[0]} gave no answer within {SECONDS} s: run `pulumi {' '.join(argv)}` by "
            "hand to see what it waits for, as a machine that does not answer"
        ) from error
    if ended.returncode:
        told = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
        last = next((line for line in reversed(told) if "error" in line.lower()), "no reason given")
        raise PreconditionError(f"pulumi {argv[0]} failed: {last.strip()[:500]}")
    return ended.stdout
