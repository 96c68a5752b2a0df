"""Begun just before the source closes: a boot, a volume from an image, a stack, an upload.

Each must end complete or have been refused; none may stay in ERROR or in the middle of something,
on whichever side it ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from migrate.engine.journal import Journal, State
from tests.lab import identity
from tests.lab.content.stacks import TEMPLATE
from tests.lab.settings import Lab

T = TypeVar("T")
NAME = "late"
CLOSING = "gate.users"  # the step that closes the source
UPLOAD_SECONDS = 6.0
GOOD = {"boot": "ACTIVE", "volume": "available", "stack": "CREATE_COMPLETE", "upload": "active"}


class Late:
    """Waits for a cutover to begin closing, then asks for all four things at once."""

    def __init__(self, lab: Lab, papers: Path) -> None:
        self._lab, self._papers = lab, papers
        self._began = time.time()
        self.answers: dict[str, str] = {}  # what the API said at once: "accepted" or why not
        self._image, self._flavor, self._network = _patiently(self._look_up)
        self._thread = threading.Thread(target=self._watch, name="late")
        self._gone = threading.Event()

    def __enter__(self) -> Late:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._gone.set()
        self._thread.join()

    def _look_up(self) -> tuple[Any, Any, Any]:
        cloud = self._connect()
        return (
            cloud.image.find_image("tiny"),
            cloud.compute.find_flavor("t.tiny"),
            cloud.network.find_network("inner"),
        )

    def _connect(self) -> Any:
        cloud = identity.connect(self._lab, "demo", "demo")
        cloud.authorize()
        for service in (cloud.compute, cloud.block_storage, cloud.orchestration, cloud.image):
            service.get_endpoint()  # discovered now: later every millisecond counts
        return cloud

    def _watch(self) -> None:
        asked: dict[str, Callable[[Any], None]] = {
            "boot": self._boot,
            "volume": self._volume,
            "stack": self._stack,
            "upload": self._upload,
        }
        ready = [(kind, ask, _patiently(self._connect)) for kind, ask in asked.items()]
        while not self._closing():
            if self._gone.wait(0.05):
                return
        threads = [threading.Thread(target=self._ask, args=one) for one in ready]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _closing(self) -> bool:
        path = self._papers / "journal"
        if not path.exists():
            return False
        journal = Journal(path)
        try:
            return any(
                event.step == CLOSING and event.state is State.STARTED and event.at > self._began
                for event in journal.events("cutover")
            )
        finally:
            journal.close()

    def _ask(self, kind: str, ask: Callable[[Any], None], cloud: Any) -> None:
        try:
            ask(cloud)
        except (SDKException, ClientException, OSError) as error:
            self.answers[kind] = " ".join(str(error).split())[:200]
        else:
            self.answers[kind] = "accepted"

    def _boot(self, cloud: Any) -> None:
        cloud.compute.create_server(
            name=NAME,
            image_id=self._image.id,
            flavor_id=self._flavor.id,
            networks=[{"uuid": self._network.id}],
        )

    def _volume(self, cloud: Any) -> None:
        cloud.block_storage.create_volume(name=NAME, size=1, image_id=self._image.id)

    def _stack(self, cloud: Any) -> None:
        cloud.orchestration.create_stack(name=NAME, template=TEMPLATE)

    def _upload(self, cloud: Any) -> None:
        image = cloud.image.create_image(
            name=NAME, disk_format="raw", container_format="bare", allow_duplicates=True
        )

        def slowly() -> Iterator[bytes]:
            for part in range(12):
                yield bytes([part]) * 100_000
                time.sleep(UPLOAD_SECONDS / 12)

        answer = cloud.image.put(
            f"/images/{image.id}/file",
            data=slowly(),
            headers={"Content-Type": "application/octet-stream"},
        )
        if answer.status_code >= 300:
            raise SDKException(f"HTTP {answer.status_code}")


def _patiently(ask: Callable[[], T], seconds: float = 90) -> T:
    """What *ask* answers; a cloud under load on a small machine may be silent for a moment."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except (SDKException, ClientException):
            if time.monotonic() > deadline:
                raise
        time.sleep(1)


def found(lab: Lab) -> dict[str, str]:
    """How each thing stands now: `{"boot": "ACTIVE", "volume": "", ...}`, "" where it is not."""
    cloud = identity.connect(lab, "demo", "demo")
    lists: dict[str, Any] = {
        "boot": cloud.compute.servers(name=f"^{NAME}$"),
        "volume": cloud.block_storage.volumes(name=NAME),
        "stack": cloud.orchestration.stacks(name=NAME),
        "upload": cloud.image.images(name=NAME),
    }
    return {kind: " ".join(one.status for one in things) for kind, things in lists.items()}


def wrong(late: Late, states: dict[str, str]) -> list[str]:
    """What is neither complete nor refused; an image whose upload was refused stays `queued`."""
    told = []
    for kind, state in states.items():
        answer = late.answers.get(kind, "was never asked for")
        complete = state == GOOD[kind]
        refused = answer != "accepted" and state in ("", "queued") and "never" not in answer
        if not complete and not refused:
            told.append(f"{kind}: is {state or 'not there'}, the API had said: {answer}")
    return told


def remove(lab: Lab, seconds: float = 300) -> None:
    """Delete all of it and wait until it is gone.

    A server that nova could not delete is in ERROR: it is told why, and deleted again, as its user
    would.
    """
    cloud = identity.connect(lab, "demo", "demo")
    servers = list(cloud.compute.servers(name=f"^{NAME}$"))
    for stack in cloud.orchestration.stacks(name=NAME):
        cloud.orchestration.delete_stack(stack)
    for image in cloud.image.images(name=NAME):
        cloud.image.delete_image(image)
    for volume in cloud.block_storage.volumes(name=NAME):
        cloud.block_storage.delete_volume(volume)
    deadline = time.monotonic() + seconds
    while True:
        for server in servers:
            if server.fault:
                print(f"nova could not delete {server.id}: {server.fault}")
            cloud.compute.delete_server(server)
        if not any(found(lab).values()):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not deleted: {found(lab)}")
        time.sleep(1)
        failed = cloud.compute.servers(name=f"^{NAME}$", status="ERROR")
        servers = [server for server in failed if not server.task_state]
