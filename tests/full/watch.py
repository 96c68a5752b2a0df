"""Passwords of the lab, looked for during a pass and after it."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from migrate.cloud.host import Host
from migrate.phases.session import context_of
from tests import canaries
from tests.lab import content
from tests.lab.settings import Lab
from tests.sampler import Sampling, sampling

STACK = "lab"
USERS = ("admin", "demo", "watcher", "Ünal O'Brien", "carol", "heat_domain_admin", "metadata")


class Watch:
    """A sampler, and what each host had let out before it began."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.words = lab, words(lab)
        self._result, self._stack = folder / "seen.json", ExitStack()
        self._sampling: Sampling | None = None
        self.before: dict[str, set[str]] = {}
        self._began = 0.0

    def begin(self) -> None:
        """Look at the source's hosts, then watch."""
        self.before = {host.name: self.let_out(host) for host in self.hosts()}
        self._began = time.time()
        self._sampling = self._stack.enter_context(sampling(self.words, self._result))

    def end(self) -> dict[str, Any]:
        """What was seen; the sampler ends the first time."""
        self._stack.close()
        assert self._sampling is not None
        return self._sampling.seen

    def hosts(self, *, target: bool = False) -> tuple[Host, ...]:
        """The source's hosts, and the target while it is there."""
        context = context_of(STACK)
        return (*context.source.hosts, *(context.target.controllers if target else ()))

    def let_out(self, host: Host) -> set[str]:
        """Where *host* shows a password to others, in what has changed since `begin`."""
        found = canaries.on(host, self.words, self._began)
        assert found["looked"] > 0
        return {f"{where}: {what}" for where, what in found["found"]}

    def here(self) -> set[str]:
        """The same on the operator's machine, this one, in what was written since `begin`."""
        found = canaries.here(self.words, self._began)
        return {f"{where}: {what}" for where, what in found["found"]}

    def pulumi(self) -> list[str]:
        """Files of Pulumi's state that show one."""
        url = os.environ["PULUMI_BACKEND_URL"]
        assert url.startswith("file://")
        folder = Path(url.removeprefix("file://"))
        assert any(folder.rglob("*.json*"))
        wanted = [word.encode() for word in self.words]
        return [
            str(path)
            for path in folder.rglob("*")
            if path.is_file() and any(word in path.read_bytes() for word in wanted)
        ]


def words(lab: Lab) -> list[str]:
    """The part of each password that no quoting changes, and secrets that keystone made."""
    owners = [*USERS, *lab.services, "rabbit", *(f"db {name}" for name in lab.services)]
    told = content.told(lab)
    found = [lab.password(owner)[:10] for owner in owners]
    return [*found, str(told["application_credential"]["secret"])]
