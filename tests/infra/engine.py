"""A project of its own for a test: the real program, a real Pulumi engine, state in a folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parent.parent.parent
STACK = "test"


class Project:
    """A copy of `Pulumi.yaml` and the program's entry, with one stack file."""

    def __init__(self, root: Path, config: dict[str, Any]) -> None:
        self.root, self.code = root, REPOSITORY
        (root / "infra").mkdir(parents=True)
        (root / "stacks").mkdir()
        (root / "state").mkdir()
        shutil.copy(REPOSITORY / "Pulumi.yaml", root)
        shutil.copy(REPOSITORY / "infra/__main__.py", root / "infra")
        self.write(config)
        self.pulumi("stack", "init", STACK)

    @property
    def file(self) -> Path:
        return self.root / "stacks" / f"Pulumi.{STACK}.yaml"

    @property
    def entry(self) -> Path:
        """The program, which a test may edit."""
        return self.root / "infra/__main__.py"

    def write(self, config: dict[str, Any]) -> None:
        """Put *config* (keys without prefix) into the stack's file; its salt stays."""
        old = yaml.safe_load(self.file.read_text()) if self.file.exists() else {}
        new = {**old, "config": {f"sidestep:{k}": v for k, v in config.items()}}
        self.file.write_text(yaml.safe_dump(new, sort_keys=False))

    def run(self, *argv: str, timeout: float = 1800, go_back: str = "") -> tuple[int, str]:
        """Exit status and everything printed by `pulumi` *argv*."""
        argv = (*argv, "--stack", STACK) if argv[0] != "stack" else argv
        return self._run("pulumi", *argv, "--non-interactive", timeout=timeout, go_back=go_back)

    def migrate(self, *argv: str, timeout: float = 1800, ends: int = 0) -> str:
        """What `migrate` *argv* printed; it must end with status *ends*."""
        status, said = self.ended(*argv, timeout=timeout)
        assert status == ends, said
        return said

    def ended(self, *argv: str, timeout: float = 1800) -> tuple[int, str]:
        """How `migrate` *argv* ended, and what it printed."""
        return self._run("migrate", *argv, "--stack", STACK, timeout=timeout)

    def dies(self, *argv: str, at: str) -> None:
        """`migrate` *argv*, killed at the boundary *at*: see tests/faults/driver.py."""
        (died := self.root / "died").write_text("")
        command = ("python", "-m", "tests.faults.driver", *argv, "--stack", STACK)
        status, said = self._run(*command, timeout=1800, DIE_AT=at, DIED=str(died))
        assert status == -signal.SIGKILL, said

    def _run(
        self, *argv: str, timeout: float, go_back: str = "", **environment: str
    ) -> tuple[int, str]:
        ended = subprocess.run(
            [str(REPOSITORY / "tools/run"), *argv],
            cwd=self.root,
            env=self._environment(go_back) | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
        )
        return ended.returncode, ended.stdout

    def _environment(self, go_back: str) -> dict[str, str]:
        env = {
            **os.environ,
            "PULUMI_BACKEND_URL": f"file://{self.root / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "a test",
            "MIGRATE_HOME": str(self.root / "papers"),
            "PYTHONPATH": str(self.code),
        }
        return env | {"MIGRATE_GO_BACK": go_back} if go_back else env

    def cut_off(self, *argv: str, after: float, how: int, go_back: str = "") -> int:
        """The exit status of `pulumi` *argv*, whose processes get *how* *after* s of its work."""
        child = subprocess.Popen(
            [str(REPOSITORY / "tools/run"), "pulumi", *argv, "--stack", STACK, "--non-interactive"],
            cwd=self.root,
            env=self._environment(go_back),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while child.poll() is None and not any(self.root.glob("state/.pulumi/locks/**/*.json")):
            time.sleep(0.05)
        with suppress(subprocess.TimeoutExpired):
            return child.wait(after)
        os.killpg(child.pid, how)
        return child.wait(600)

    def lose_state(self) -> None:
        """What Pulumi knew is gone, as with a disk; the stack's file is still there."""
        shutil.rmtree(self.root / "state")
        (self.root / "state").mkdir()
        self.pulumi("stack", "init", STACK)

    def pulumi(self, *argv: str, timeout: float = 1800) -> str:
        """What `pulumi` *argv* printed; it must succeed."""
        status, said = self.run(*argv, timeout=timeout)
        assert status == 0, said
        return said

    def go_back(self) -> str:
        """Destroy the stack as somebody who has named it, which gives up what it serves."""
        status, said = self.run("destroy", "--yes", "--skip-preview", go_back=STACK)
        assert status == 0, said
        return said

    def refused(self, *argv: str, go_back: str = "") -> str:
        """What `pulumi` *argv* printed; it must fail."""
        status, said = self.run(*argv, go_back=go_back)
        assert status != 0, said
        return said

    def up(self, *argv: str) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", *argv)

    def changes(self) -> dict[str, str]:
        """What a preview with refresh would do: `{"test-target-cache": "update"}`."""
        said = self.pulumi("preview", "--json", "--refresh")
        steps = json.loads(said[said.index("{") :])["steps"]
        return {
            step["urn"].rpartition("::")[2]: step["op"]
            for step in steps
            if step["op"] not in ("same", "refresh", "read") and "pulumi:pulumi" not in step["urn"]
        }

    def state(self) -> str:
        """The state as it lies on the disk."""
        return "".join(p.read_text() for p in (self.root / "state").rglob("*.json"))

    def urns(self) -> list[str]:
        """Every resource that the state knows, sorted; components are names and left out."""
        exported = json.loads(self.pulumi("stack", "export", "--stack", STACK))
        found = exported["deployment"].get("resources", [])
        return sorted(one["urn"] for one in found if one["custom"])

    def urn(self, end: str) -> str:
        """The resource whose URN ends so."""
        (found,) = (urn for urn in self.urns() if urn.endswith(end))
        return found

    def forget_takeover(self) -> None:
        """Leave the way back out of the next destroy, for a test without a whole source."""
        self.pulumi("stack", "select", STACK)
        self.pulumi("state", "delete", self.urn("::takeover"), "--yes")
