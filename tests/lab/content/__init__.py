"""Content of the lab's cloud, made through its APIs by one process.

`make(lab)` does nothing when the content is there. What later proofs need to know of it (secrets
of credentials, addresses of servers) is in `content.json` of the lab's folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.lab import identity, on_ceph
from tests.lab.content import from_volume, images, networks, people, servers, stacks, volumes
from tests.lab.content.tell import Told
from tests.lab.settings import CephLab, Lab
from tests.lab.stages import stage

# user: project
LOGINS = {"admin": "admin", "demo": "demo", "Ünal O'Brien": "Möbel & Söhne", "watcher": "demo"}


def make(lab: Lab) -> None:
    """Make all content, unless it is there."""
    if path(lab).exists():
        return
    begun(lab).touch()
    told: Told = {"servers": {}}
    with stage("content: people"):
        people.make(lab, identity.connect(lab), LOGINS, told)
        identity.write_clouds(lab, LOGINS)
    # the cloud is waited for more than it works: side by side what does not need the other
    _side_by_side(lab, images=images.make, networks=networks.make)
    admin, demo, _ = _connected(lab)
    with stage("content: servers asked for"):
        booting = servers.ask(admin, demo)
    _side_by_side(lab, volumes=volumes.make, stack=stacks.make)
    if isinstance(lab, CephLab):
        with stage("content: server from a volume"):
            booting |= from_volume.ask(demo)
    with stage("content: servers answer"):
        servers.finish(lab, admin, demo, booting, told)
    if isinstance(lab, CephLab):
        with stage("content: noise"):
            on_ceph.write_noise(lab)
    path(lab).touch(mode=0o600)
    path(lab).write_text(json.dumps(told, indent=1))


def _connected(lab: Lab) -> tuple[Any, Any, Any]:
    """Connections of the administrator and of the two projects' users."""
    other = "Ünal O'Brien"
    return (
        identity.connect(lab),
        identity.connect(lab, "demo", "demo"),
        identity.connect(lab, other, LOGINS[other]),
    )


def _side_by_side(lab: Lab, **makers: Callable[[Lab, Any, Any, Any], None]) -> None:
    """Run *makers*, each with connections of its own: they are not for two threads."""

    def work(title: str) -> None:
        with stage(f"content: {title}"):
            makers[title](lab, *_connected(lab))

    with ThreadPoolExecutor() as pool:
        list(pool.map(work, makers))


def told(lab: Lab) -> Any:
    """What `make` wrote down."""
    return json.loads(path(lab).read_text())


def path(lab: Lab) -> Path:
    """Where it is written down."""
    return lab.home / "content.json"


def begun(lab: Lab) -> Path:
    """Marks that there is content, perhaps not all."""
    return lab.home / "content-begun"
