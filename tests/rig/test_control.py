"""Control of a run on real machines: the command as a process, paused, killed, aborted, too slow.

Each test begins on a source that is followed and serves, and leaves it so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from migrate.cloud import Context, login
from migrate.engine import markers
from migrate.engine.journal import BEGUN, Journal, State
from migrate.onhost import call
from migrate.takeover.gate import close, reopen_timer
from migrate.takeover.gate.drain import in_flight_now
from tests.lab import upload
from tests.lab.rig import rig, stack
from tests.rig.test_reopen import STATE
from tests.wait import waits_for

pytestmark = pytest.mark.rig
# the command line as it is, without the preview of a stack that the rig has not
DRIVER = """
from migrate.cli import commands
from migrate.cloud import pulumi
pulumi.changes = lambda name: []
commands.main()
"""


class Desk:
    """An operator's machine: a project folder with papers, and commands."""

    def __init__(self, folder: Path, **window: int) -> None:
        self.folder, self.home = folder, folder / ".migrate" / "rig"
        self.started: list[subprocess.Popen[str]] = []
        (folder / "stacks").mkdir(parents=True, exist_ok=True)
        (folder / "Pulumi.yaml").write_text("name: sidestep\n")
        config = {**stack(rig()), "sidestep:window": window}
        (folder / "stacks" / "Pulumi.rig.yaml").write_text(yaml.safe_dump({"config": config}))

    def start(self, *argv: str) -> subprocess.Popen[str]:
        made = subprocess.Popen(
            [sys.executable, "-c", DRIVER, *argv, "--stack", "rig"],
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.started.append(made)
        return made

    def undo_what_is_left(self) -> None:
        """What a failed test has left at work must not fail the ones after it."""
        left = [run for run in self.started if run.poll() is None]
        self.started.clear()
        for run in left:
            run.kill()
            run.wait()
        if left:
            self.run("abort")

    def run(self, *argv: str, code: int = 0, seconds: float = 400) -> str:
        command = self.start(*argv)
        said, _ = command.communicate(timeout=seconds)
        assert command.returncode == code, said
        return said

    def cutover(self) -> subprocess.Popen[str]:
        return self.start("cutover", "--execute", "--confirm", "rig")

    def state(self, step: str) -> State:
        if not (self.home / "journal").exists():
            return State.PENDING
        journal = Journal(self.home / "journal")
        try:
            return journal.state(step)
        finally:
            journal.close()


@pytest.fixture(scope="module")
def bench(context: Context, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture
def desk(bench: Desk) -> Iterator[Desk]:
    yield bench
    bench.undo_what_is_left()


@pytest.fixture(scope="module")
def before(context: Context, bench: Desk) -> str:
    """The source after `follow`, which each way back must give again."""
    bench.run("follow", "--execute")
    return context.source.controllers[0].shell(STATE)


def serves_as(context: Context, before: str) -> bool:
    return waits_for(lambda: context.source.controllers[0].shell(STATE) == before, 120)


def left(context: Context) -> set[str]:
    """What of the window is left on the source."""
    names = context.source.controllers[0].shell("ls /var/lib/migrate 2>/dev/null || true").split()
    return set(names) - {"transfer", "transfer-key.json"}  # those are of `follow`


@pytest.mark.in_set("control")
def test_a_paused_cutover_waits_before_anything_is_closed(
    context: Context, desk: Desk, before: str
) -> None:
    desk.run("pause", "--reason", "lunch")
    run = desk.cutover()
    assert waits_for(lambda: "which is paused" in desk.run("status"))
    assert waits_for(lambda: "pause: paused by" in desk.run("status"))
    time.sleep(2)
    assert close.closed(context, "users") is False
    assert call(context.source.controllers[0], "reopen_timer.state")["state"] == "absent"
    desk.run("abort")
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 4
    assert "while paused; nothing was closed" in said
    desk.run("resume")
    assert left(context) == set()


@pytest.mark.in_set("control")
def test_an_abort_in_the_window_is_back_within_seconds(
    context: Context, desk: Desk, before: str
) -> None:
    run = desk.cutover()
    assert waits_for(lambda: desk.state("fence.control") is State.DONE)
    began = time.monotonic()
    assert "the source serves as before" in desk.run("abort")
    assert time.monotonic() - began < 120
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 4
    assert "aborted by" in said
    assert "the window was undone, the source serves as before" in said
    assert serves_as(context, before)
    assert left(context) == set()


@pytest.mark.in_set("control")
def test_two_operators_do_not_meet_and_one_undoes_what_the_dead_one_began(
    context: Context, desk: Desk, before: str, tmp_path: Path
) -> None:
    other = Desk(tmp_path / "other")
    run = desk.cutover()
    assert waits_for(lambda: desk.state("gate.users") is State.DONE)
    for command in (("follow", "--execute"), ("rollback", "--execute"), ("abort",)):
        assert "for cutover" in other.run(*command, code=7)
    assert "at work" in other.run("status")
    run.kill()
    run.wait()
    # without the journal, by the machines alone
    told = other.run("status")
    assert "--take-over" in told
    assert "closed to" in told
    other.run("abort", "--take-over")
    assert serves_as(context, before)
    assert left(context) == set()


@pytest.mark.in_set("control")
def test_after_a_kill_the_same_desk_undoes_it_too(
    context: Context, desk: Desk, before: str
) -> None:
    run = desk.cutover()
    assert waits_for(lambda: desk.state("database.copy") in BEGUN)
    run.kill()
    run.wait()
    assert "`migrate abort --stack rig` undoes the window" in desk.run("status")
    desk.run("abort")
    assert serves_as(context, before)
    assert left(context) == set()
    assert "there is nothing to abort" in desk.run("abort", code=3)


@pytest.mark.in_set("control")
def test_a_window_that_lasts_too_long_ends_by_itself(
    context: Context, desk: Desk, before: str
) -> None:
    """Somebody's lock on the source holds the window up; what waits for it is ended there."""
    slow = Desk(desk.folder, limitSeconds=30)
    source = context.source.controllers[0]
    run = slow.cutover()
    assert waits_for(lambda: slow.state("gate.users") is State.DONE)
    # what `fence.control` waits for; the watch must be able to take it afterwards
    blocker = source.shell(
        "setsid flock /run sleep 45 >/dev/null 2>&1 </dev/null & echo $!"
    ).strip()
    said, _ = run.communicate(timeout=200)
    assert run.returncode == 4, said
    assert "the window took longer than 30 s" in said
    assert "the window was undone, the source serves as before" in said
    assert serves_as(context, before)
    assert left(context) == set()
    source.shell('kill "$1" 2>/dev/null || true', blocker)
    Desk(desk.folder)


@pytest.mark.in_set("control")
def test_a_drain_that_runs_into_its_deadline_undoes_the_window(
    context: Context, desk: Desk, before: str
) -> None:
    """An upload that does not end is named with what to do; without it the window is drained."""
    hasty = Desk(desk.folder, drainSeconds=2)
    api = login.api(context, context.source.controllers[0])
    with upload.trickling(login.connection(context), api.bases["image"]) as image:
        assert waits_for(lambda: image in str(in_flight_now(context, api)), 30)
        said, _ = (run := hasty.cutover()).communicate(timeout=300)
        assert run.returncode == 4, said
        assert f"still in flight after 2 s: image '{upload.NAME}' {image} is saving" in said
        assert "Wait for them or raise sidestep:window.drainSeconds" in said
        assert "the window was undone, the source serves as before" in said
        assert hasty.state("gate.all") is State.PENDING or hasty.state("gate.all") is State.REVERTED
    assert serves_as(context, before)
    assert left(context) == set()
    Desk(desk.folder)


@pytest.mark.in_set("control")
def test_calls_that_have_waited_go_on_to_a_source_that_does_not_drain(
    context: Context, desk: Desk, before: str
) -> None:
    short = Desk(desk.folder, holdSeconds=20)
    short.run("follow", "--execute")
    api = login.api(context, context.source.controllers[0])
    url = f"http://{context.source.virtual_ips[0].address}:5000/v3/projects"
    headers = {"X-Auth-Token": api.connection.session.get_token()}
    body = {"project": {"name": "made while it closed", "domain_id": "default"}}

    def made() -> Any:
        return urllib3.request("POST", url, json=body, headers=headers, retries=False, timeout=90)

    with upload.trickling(login.connection(context), api.bases["image"]):
        run = short.cutover()
        assert waits_for(lambda: short.state("gate.users") is State.DONE)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(made)
            said, _ = run.communicate(timeout=300)
            answer = waiting.result()
    assert run.returncode == 4, said
    assert "still in flight after 10 s" in said
    assert "raise sidestep:window.holdSeconds" in said
    assert answer.status == 201
    urllib3.request("DELETE", f"{url}/{answer.json()['project']['id']}", headers=headers)
    assert serves_as(context, before)
    assert left(context) == set()
    Desk(desk.folder).run("follow", "--execute")


@pytest.mark.in_set("control")
def test_a_dead_run_leaves_the_limit_to_the_source(
    context: Context, desk: Desk, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = desk.cutover()
    assert waits_for(lambda: desk.state("fence.control") is State.DONE)
    run.kill()
    run.wait()
    kept: Any = json.loads(context.source.controllers[0].read("/var/lib/migrate/reopen.json"))
    limit = 600 + reopen_timer.RESERVE_SECONDS
    assert kept["seconds"] == limit
    assert call(context.source.controllers[0], "reopen_timer.state")["left"] <= limit
    # the night passes
    kept["deadline"] = time.time() + 2
    context.source.controllers[0].write(
        "/var/lib/migrate/reopen.json", json.dumps(kept), mode=0o600
    )
    assert waits_for(
        lambda: call(context.source.controllers[0], "reopen_timer.state")["state"] == "reopened",
        120,
    )
    assert "the source has reopened itself and serves" in desk.run("status")
    desk.run("rollback", "--execute")
    assert left(context) == set()


@pytest.mark.in_set("control")
def test_once_it_has_moved_nothing_is_aborted(context: Context, desk: Desk) -> None:
    said, _ = (run := desk.cutover()).communicate(timeout=400)
    if run.returncode:
        assert desk.state("vip.takeover") is State.DONE, said
    assert "`migrate rollback --execute` goes back" in desk.run("abort", code=3)
    assert markers.stage(context) == "released"
    desk.run("rollback", "--execute", "--accept-losses")
    assert left(context) == set()
