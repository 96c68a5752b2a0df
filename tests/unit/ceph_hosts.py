"""Hosts of a cloud whose Ceph comes over, each with answers of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from migrate.cloud import Cloud, Context
from migrate.cloud.settings import parse
from migrate.services import RECIPES
from tests.unit.fakes import STACK, FakeHost

CEPH: dict[str, Any] = {
    "hosts": [
        {"name": "mon", "address": "10.0.0.31"},
        {"name": "osd1", "address": "10.0.0.41"},
        {"name": "osd2", "address": "10.0.0.42"},
    ],
    "monitors": ["mon"],
    "joins": ["new"],
    "osdHosts": ["osd1", "osd2"],
}
CONF = "[global]\nfsid = f5\nmon host = mon\n"


class CephHost(FakeHost):
    """A host that gives `answers` by function, an exception among them is raised; has `files`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.answers: dict[str, Any] = {}
        self.files: dict[str, str] = {}
        self.given: list[tuple[str, list[Any]]] = []

    def answer(self, function: str, payload: Any) -> Any:
        self._note(function)
        arguments = payload["arguments"] if isinstance(payload, Mapping) else []
        self.given.append((function, list(arguments)))
        if function == "disk.rewrite":
            self.files[arguments[0]] = arguments[1]
        answer = self.answers.get(function)
        if isinstance(answer, Exception):
            raise answer
        return answer(*arguments) if callable(answer) else answer

    def read(self, path: str) -> str:
        self._note(f"read {path}")
        return self.files[path]

    def write(self, path: str, content: str, *, mode: int = 0, owner: str = "") -> None:
        self._note(f"write {path}")
        self.files[path] = content

    def exists(self, path: str) -> bool:
        self._note(f"exists {path}")
        return path in self.files


def context(home: Path, **ceph: Any) -> tuple[Context, dict[str, CephHost]]:
    """Both clouds of STACK above a cluster of CEPH, changed by *ceph*, and all hosts by name."""
    settings = parse({**STACK, "ceph": {**CEPH, **ceph}}, "test", home)
    ours = [one.name for one in settings.target.controllers]
    names = ("old", "compute", *ours, *(one.name for one in settings.ceph.hosts))
    hosts = {name: CephHost(name) for name in names}
    ips, computes = settings.source.virtual_ips, (hosts["compute"],)
    source = Cloud("source", "2025.1", (hosts["old"],), computes, ips)
    target = Cloud("target", "2026.1", tuple(hosts[one] for one in ours), computes, ips)
    storage = tuple(hosts[one.name] for one in settings.ceph.hosts)
    return (
        Context("test", settings, source, target, home, RECIPES, storage=storage),
        hosts,
    )
