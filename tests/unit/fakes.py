"""Hosts and clouds for tests that need nothing but Python."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Cloud, Context
from migrate.cloud.settings import parse
from migrate.errors import CommandError, UnreachableError
from migrate.onhost import away, record
from migrate.services import RECIPES

STACK: dict[str, Any] = {
    "provider": "existing",
    "source": {
        "release": "2025.1",
        "controllers": [{"name": "old", "address": "10.0.0.2"}],
        "computes": [{"name": "compute", "address": "10.0.0.3"}],
        "virtualIps": [{"address": "10.0.0.9", "interface": "eth0"}],
    },
    "target": {
        "release": "2026.1",
        "controllers": [
            {"name": "new", "address": "10.0.0.12"},
            {"name": "new2", "address": "10.0.0.13"},
        ],
    },
    "cloud": {"name": "admin"},
}
ANSWERS: dict[str, Any] = {}  # by function, for a test to set
LISTS = (
    *("agents.forget", "fence.lift", "arp.ask", "arp.hardware", "exchange.back"),
    "handing_over.carried_or_given",
)
ALONE = threading.Lock()
NO_SERVER = "no server in a unit test"
STATE = {"alive": {}, "running": False, "closed": "", "original": {}, "mode": ""}

MARKS = '[{"stage": "synced", "stack": "test", "fence": "another", "at": 0}]'


class FakeHost:
    """Notes what it is asked, and says that nothing stands in the way; dead, it says nothing."""

    def __init__(self, name: str, *, dead: bool = False) -> None:
        self.name, self.address, self.dead = name, name, dead
        self.asked: list[str] = []
        self.folder: tempfile.TemporaryDirectory[str] | None = None

    def _away(self, function: str, payload: Any) -> Any:
        """The real program, on a /var/lib/migrate of this host's own."""
        with ALONE, pytest.MonkeyPatch.context() as here:
            self.folder = self.folder or tempfile.TemporaryDirectory()
            here.setattr(record, "FOLDER", f"{self.folder.name}/migrate")
            answer = getattr(away, function.partition(".")[2])(*payload["arguments"])
            return json.loads(json.dumps(answer))

    def _note(self, what: str) -> None:
        if self.dead:
            raise UnreachableError(f"{self.name} is away", self.name)
        self.asked.append(what)

    def run(self, *argv: str, stdin: str = "", timeout: float = 60) -> str:
        self._note(" ".join(argv)[:60])
        return ""

    def succeeds(self, *argv: str, timeout: float = 60) -> bool:
        self._note(" ".join(argv)[:60])
        return True

    def shell(self, script: str, *args: str, timeout: float = 60) -> str:
        self._note(f"{script.strip().splitlines()[0]} {' '.join(args)}")
        return MARKS if args and "marker" in args[0] else ""

    def python(
        self,
        source: str,
        payload: object = None,
        timeout: float = 60,
        interpreter: Sequence[str] = (),
    ) -> Any:
        return self.answer(source.strip().splitlines()[0].lstrip("# "), payload)

    def answer(self, function: str, payload: Any) -> Any:
        """What *function*, as "files.read", says; a host of another kind has its own answers."""
        self._note(function)
        if function == "files.read":
            return {}
        if function == "addresses.facts":
            return {"name": self.name, "aliases": [], "addresses": []}
        if function.startswith("away."):
            return self._away(function, payload)
        if function in ("record.load", "record.every"):
            return ANSWERS.get(function, {"record.every": {}}.get(function))
        return ANSWERS.get(function, [] if function in LISTS else STATE)

    def read(self, path: str) -> str:
        self._note(f"read {path}")
        return '{"file": "keys", "user": "root", "made": []}'

    def write(self, path: str, content: str, *, mode: int = 0, owner: str = "") -> None:
        self._note(f"write {path}")

    def exists(self, path: str) -> bool:
        self._note(f"exists {path}")
        return True

    def unix_stream(self, path: str) -> Any:
        self._note(f"stream {path}")
        raise CommandError(self.name, "mariadb", 1, NO_SERVER)

    def channel(self, *argv: str) -> Any:
        raise NotImplementedError


def context(home: Path, *dead: str) -> tuple[Context, dict[str, FakeHost]]:
    """Both clouds of STACK and their hosts by name; those named *dead* do not answer."""
    settings = parse(STACK, "test", home)
    names = ("old", "compute", "new", "new2")
    hosts = {name: FakeHost(name, dead=name in dead) for name in names}
    ips, computes = settings.source.virtual_ips, (hosts["compute"],)
    source = Cloud("source", "2025.1", (hosts["old"],), computes, ips)
    target = Cloud("target", "2026.1", (hosts["new"], hosts["new2"]), computes, ips)
    return Context("test", settings, source, target, home, RECIPES), hosts
