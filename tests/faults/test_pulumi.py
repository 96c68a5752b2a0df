"""Pulumi is killed at its work, or its state is lost: the same command again, or a clear word."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from migrate.cloud.host import Host
from tests.existing.test_existing_pass import LOOK
from tests.faults import state
from tests.faults.bench import Bench
from tests.faults.tally import Tally
from tests.faults.test_machines import source_only
from tests.infra.engine import STACK, Project
from tests.lab import rig as rigs

pytestmark = [pytest.mark.rig, pytest.mark.in_set("faults-pulumi")]
DAEMONS = ("mariadb", "rabbitmq-server", "memcached", "haproxy")
UP = ("up", "--yes", "--skip-preview")
DESTROY = ("destroy", "--yes", "--skip-preview")


@pytest.fixture
def project(bench: Bench, tmp_path: Path) -> Project:
    """A stack that was never put up, of the rig as new."""
    bench.reset()
    bench.standing = ""
    config = {name.removeprefix("sidestep:"): one for name, one in rigs.stack(rigs.rig()).items()}
    return Project(tmp_path / "project", config)


def left(host: Host) -> str:
    """What only this program makes on a controller; the rig's release was there before it."""
    paths = "ls -d /etc/sidestep /etc/sudoers.d/sidestep 2>/dev/null || true"
    return host.shell(f"{paths}; getent passwd keystone || true")


def processes(host: Host) -> str:
    """The very processes of the daemons: nothing may restart them."""
    return host.run("systemctl", "show", "-p", "Id,MainPID", *DAEMONS)


def unlocked(project: Project, *argv: str, go_back: str = "") -> None:
    """The command again: Pulumi says that it is locked and by what word that ends; then it ends.

    A provider of Pulumi's outlives it, and ends what it is at; so long another run is refused.
    """
    assert "pulumi cancel" in project.refused(*argv, go_back=go_back)
    project.pulumi("cancel", "--yes")
    deadline = time.monotonic() + 120
    while True:
        status, said = project.run(*argv, go_back=go_back)
        if "another run is at work" not in said or time.monotonic() > deadline:
            break
        time.sleep(2)
    assert status == 0, said


def over(project: Project) -> None:
    project.up()
    project.migrate("follow", "--execute")
    project.migrate("cutover", "--execute", "--confirm", STACK)


@pytest.mark.parametrize("after", [0.0, 2.0, 5.0])
def test_an_up_that_is_killed_goes_on(
    after: float, project: Project, bench: Bench, tally: Tally
) -> None:
    with tally.counted("fault: pulumi"):
        assert project.cut_off(*UP, after=after, how=signal.SIGKILL) == -signal.SIGKILL
        unlocked(project, *UP)
        assert project.changes() == {}


def test_an_up_that_is_interrupted_goes_on(project: Project, bench: Bench, tally: Tally) -> None:
    with tally.counted("fault: pulumi"):
        assert project.cut_off(*UP, after=2, how=signal.SIGINT) != 0
        project.up()
        assert project.changes() == {}


def test_a_state_that_is_lost_after_up_is_made_anew(
    project: Project, bench: Bench, tally: Tally
) -> None:
    """What stands is taken on as it is, and can be destroyed afterwards."""
    with tally.counted("fault: pulumi"):
        project.up()
        before, look = processes(bench.target()), bench.target().shell(LOOK).splitlines()
        project.lose_state()
        project.up()
        assert project.changes() == {}
        assert processes(bench.target()) == before
        assert sorted(set(bench.target().shell(LOOK).splitlines()) ^ set(look)) == []
        project.pulumi(*DESTROY)
        assert left(bench.target()) == ""


def test_a_state_that_is_lost_after_the_cutover(
    project: Project, bench: Bench, tally: Tally
) -> None:
    """The cloud that serves is not touched; the way back needs no state, and up adopts the rest."""
    with tally.counted("fault: pulumi"):
        over(project)
        before = processes(bench.target())
        project.lose_state()
        said = " ".join(project.refused(*UP).split())
        assert f"migrate rollback --execute --stack {STACK}" in said
        assert processes(bench.target()) == before
        assert bench.serves() == []
        project.migrate("rollback", "--execute", "--accept-losses")
        assert bench.serves() == []
        project.up()
        project.pulumi(*DESTROY)
        assert project.urns() == []


@pytest.mark.parametrize("after", [0.5, 4.0])
def test_a_destroy_that_is_killed_goes_on(
    after: float, project: Project, bench: Bench, tally: Tally
) -> None:
    with tally.counted("fault: pulumi"):
        project.up()
        assert project.cut_off(*DESTROY, after=after, how=signal.SIGKILL) == -signal.SIGKILL
        unlocked(project, *DESTROY)
        assert project.urns() == []
        assert left(bench.target()) == ""
        assert bench.serves() == []


@pytest.mark.parametrize("after", [4.0, 12.0])
def test_a_destroy_that_is_killed_on_the_way_back_goes_on(
    after: float, project: Project, bench: Bench, tally: Tally
) -> None:
    with tally.counted("fault: pulumi"):
        over(project)
        killed = project.cut_off(*DESTROY, after=after, how=signal.SIGKILL, go_back=STACK)
        assert killed == -signal.SIGKILL
        unlocked(project, *DESTROY, go_back=STACK)
        assert project.urns() == []
        assert bench.serves() == []


@pytest.mark.parametrize(
    ("command", "boundary"),
    [
        ("follow", "database.first-pass begun"),
        ("cutover", "gate.users unnoted"),
        ("cutover", "database.copy begun"),
        ("cutover", "vip.takeover begun"),
        ("cutover", "vip.takeover unnoted"),
        ("cutover", "release begun"),
    ],
)
def test_a_pass_that_died_is_destroyed(
    command: str, boundary: str, project: Project, bench: Bench, tally: Tally
) -> None:
    """From any moment, without another word of `migrate`; once a window is open, by name."""
    found = source_only(state.picture(bench.context))
    confirmed = ("--confirm", STACK) if command == "cutover" else ()
    with tally.counted("rollback point by destroy"):
        project.up()
        if command == "cutover":
            project.migrate("follow", "--execute")
        project.dies(command, "--execute", *confirmed, at=boundary)
        if command == "cutover":
            assert f"MIGRATE_GO_BACK={STACK}" in project.refused(*DESTROY)
            project.go_back()
        else:
            project.pulumi(*DESTROY)
        assert project.urns() == []
        assert left(bench.target()) == ""
        assert bench.serves() == []
        back = source_only(state.picture(bench.context))
        assert state.differences(found, back, "back") == []
