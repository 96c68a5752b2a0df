"""A database server dies inside the window: gone on with, or undone, never a wrong copy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import baseline, connection, copy
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Plan, Step
from migrate.engine.runner import Runner
from migrate.errors import MigrateError, StepError
from migrate.phases.plan import compose
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_set("replica-breaks"), pytest.mark.in_order]
BEFORE = ("transfer.key", "database.first-pass", "database.replica", "database.proof")
FENCE = ("fence.control", "fence.read-only")
WINDOW = ("database.arrival", "database.fingerprint", "database.copy", "database.compare")
KILL = "kill -9 $(pidof mariadbd)"
MADE = (
    "CREATE TABLE keystone.followed (id INT PRIMARY KEY, t VARCHAR(200))",
    "INSERT INTO keystone.followed VALUES (1, 'a'), (2, 'b')",
    "CREATE TABLE keystone.many (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(250))",
    "INSERT INTO keystone.many (t) SELECT REPEAT(MD5(seq), 7) FROM keystone.seq_1_to_50000",
)


class Killing:
    """Carries steps out; as soon as one of them is done, a server dies."""

    def __init__(self, context: Context, papers: Path) -> None:
        plan = compose(context)
        self.steps = {one.id: one for one in plan}
        self.dies: tuple[str, Host] | None = None
        self.runner = Runner(Plan(plan.steps), Journal(papers), context, self._notify)

    def go(self, names: tuple[str, ...]) -> None:
        self.runner.apply([self.steps[name] for name in names])

    def back(self, names: tuple[str, ...]) -> None:
        self.runner.retreat([self.steps[name] for name in names])

    def _notify(self, step: Step, state: State, _: str) -> None:
        if self.dies and (step.id, state) == (self.dies[0], State.DONE):
            host, self.dies = self.dies[1], None
            host.shell(KILL)


@pytest.fixture(scope="module")
def way(context: Context, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killing]:
    sql(context.source.database, *MADE)
    made = Killing(context, tmp_path_factory.mktemp("papers"))
    yield made
    made.back(BEFORE)


def sql(host: Host, *statements: str) -> list[connection.Row]:
    with connection.session(host) as link:
        return [connection.rows(link, one) for one in statements][-1]


def answers(host: Host) -> bool:
    try:
        return bool(sql(host, "SELECT 1"))
    except MigrateError:
        return False


@pytest.mark.parametrize("after", WINDOW[:-1])
@pytest.mark.parametrize("side", ["source", "target"])
def test_killed_inside_the_window(context: Context, way: Killing, side: str, after: str) -> None:
    """Undone, then once more, killed again and gone on with: both are what a window may do."""
    source, target, dying = (
        one.database for one in (context.source, context.target, getattr(context, side))
    )
    for undone in (True, False):
        way.go(BEFORE)
        sql(
            source,
            "UPDATE keystone.followed SET t = UUID() WHERE id = 2",
            "INSERT INTO keystone.many (t) VALUES (UUID())",
        )
        way.go(FENCE)
        way.dies = (after, dying)
        try:
            way.go(WINDOW)
        except StepError:
            assert waits_for(lambda: answers(dying), 60)
            if undone:
                assert not copy.compared(context)
            else:
                way.go(WINDOW)  # the same again
        assert way.dies is None
        assert waits_for(lambda: answers(dying), 60)
        if copy.compared(context):
            held = baseline.of(context, target)
            assert held["tables"] == baseline.of(context, source)["tables"]
        else:
            assert undone
        way.back(WINDOW)  # which compares the source with its fence
        way.back(FENCE)
        assert sql(source, "SELECT @@global.read_only") == [(0,)]
