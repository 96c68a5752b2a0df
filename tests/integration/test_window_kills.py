"""A database server dies inside the window: gone on with, or undone, never a wrong copy."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import baseline, copy
from migrate.database.replication import replica
from migrate.engine import markers
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Step
from migrate.engine.runner import Runner
from migrate.errors import StepError
from migrate.onhost import call
from migrate.phases.plan import compose
from tests.integration import pair
from tests.statements import answers, sql
from tests.wait import waits_for

pytestmark = [pytest.mark.integration, pytest.mark.in_set("replica-breaks"), pytest.mark.in_order]
BEFORE = ("transfer.key", "database.first-pass", "database.replica", "database.proof")
WINDOW = ("database.arrival", "database.fingerprint", "database.copy", "database.compare")
AFTER = ("database.unfollow", "database.fence-whole")
LOG = "[mariadbd]\nlog_bin = binlog\nserver_id = 11\nbinlog_format = ROW\nread_only = OFF\n"
DOMAIN = "[mariadbd]\ngtid_domain_id = 20261\n"
FENCED = "/etc/mysql/mariadb.conf.d/90-fenced.cnf"  # as the fence's own: it outlives the server
KILL = "kill -9 $(pidof mariadbd)"
MADE = (
    "CREATE TABLE alpha.followed (id INT PRIMARY KEY, t VARCHAR(200))",
    "INSERT INTO alpha.followed VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    "CREATE TABLE alpha.many (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(250))",
    "INSERT INTO alpha.many (t) SELECT REPEAT(MD5(seq), 7) FROM alpha.seq_1_to_20000",
)


class Way:
    """Carries the plan's steps out; as soon as one of them is done, a server dies."""

    def __init__(self, context: Context, papers: Path) -> None:
        plan = compose(context)
        self.context = context
        self.steps = {one.id: one for one in plan}
        self.dies: tuple[str, Host] | None = None
        self.runner = Runner(plan, Journal(papers), context, self._notify)

    def go(self, *names: str) -> None:
        self.runner.apply([self.steps[name] for name in names])

    def back(self, *names: str) -> None:
        self.runner.retreat([self.steps[name] for name in names])

    def fence(self, number: int) -> None:
        """Nothing writes any more; *number* names the fencing."""
        source = self.context.source.database
        call(source, "record.save", "fence", {"token": f"fencing {number}"})
        source.write(FENCED, "[mariadbd]\nread_only = ON\n", mode=0o644)
        sql(source, "SET GLOBAL read_only = 1")

    def lift(self) -> None:
        source = self.context.source.database
        sql(source, "SET GLOBAL read_only = 0")
        source.run("rm", FENCED)
        call(source, "record.forget", "fence")

    def _notify(self, step: Step, state: State, _: str) -> None:
        if self.dies and (step.id, state) == (self.dies[0], State.DONE):
            host, self.dies = self.dies[1], None
            host.shell(KILL)


@pytest.fixture(scope="module")
def context() -> Iterator[Context]:
    with (
        tempfile.TemporaryDirectory(prefix="pair-") as home,
        pair.running(Path(home)) as made,
    ):
        source, target = made.source.database, made.target.database
        for host, lines in ((source, LOG), (target, DOMAIN)):  # servers die, and keep them
            host.write("/etc/mysql/mariadb.conf.d/80-test.cnf", lines, mode=0o644)
            host.run("systemctl", "restart", "mariadb", timeout=120)
        sql(source, *MADE)
        yield made


@pytest.fixture(scope="module")
def way(context: Context, tmp_path_factory: pytest.TempPathFactory) -> Way:
    return Way(context, tmp_path_factory.mktemp("papers") / "journal")


def equal(context: Context) -> bool:
    source, target = context.source.database, context.target.database
    here, there = (baseline.of(context, host)["tables"] for host in (source, target))
    return bool(here == there)


@pytest.mark.parametrize("after", WINDOW[:-1])
@pytest.mark.parametrize("side", ["source", "target"])
def test_killed_inside_the_window(context: Context, way: Way, side: str, after: str) -> None:
    """Undone, then once more, killed again and gone on with: both are what a window may do."""
    source, dying = context.source.database, getattr(context, side).database
    for number, undone in enumerate((True, False)):
        way.go(*BEFORE)
        sql(
            source,
            "UPDATE alpha.followed SET t = UUID() WHERE id = 2",
            "INSERT INTO alpha.many (t) VALUES (UUID())",
        )
        way.fence(number)
        way.dies = (after, dying)
        try:
            way.go(*WINDOW)
        except StepError:
            assert waits_for(lambda: answers(dying))
            if undone:
                assert not copy.compared(context)
            else:
                way.go(*WINDOW)  # the same again
        assert way.dies is None
        assert waits_for(lambda: answers(dying))
        assert copy.compared(context) or undone
        assert equal(context) or not copy.compared(context)
        way.back(*WINDOW)  # which compares the source with its fence
        way.lift()


def test_the_way_back_needs_no_log_once_the_window_is_over(context: Context, way: Way) -> None:
    source = context.source.database
    way.go(*BEFORE)
    sql(source, "UPDATE alpha.followed SET t = UUID() WHERE id = 2")
    way.fence(9)
    way.go(*WINDOW)
    assert markers.stage(context) == markers.COPIED
    assert equal(context)
    assert "named" in baseline.fenced(context).fingerprint["tables"]["alpha.followed"]
    assert [way.steps[name].done(context) for name in AFTER] == [False, False]
    way.go(*AFTER)
    assert [way.steps[name].done(context) for name in AFTER] == [True, True]
    assert replica.left(context.target.database) == []
    assert waits_for(lambda: purged(source))
    assert baseline.source_equals_fence(context) == []
    unseen = "UPDATE alpha.followed SET t = '{}' WHERE id = 3"
    past = "SET SESSION sql_log_bin = {}"
    sql(source, past.format(0), unseen.format("x"), past.format(1))
    with pytest.raises(StepError, match=r"row checksum of alpha\.followed"):
        way.back(*WINDOW)
    sql(source, past.format(0), unseen.format("c"), past.format(1))
    way.back(*WINDOW)
    assert markers.stage(context) == ""
    way.lift()
    way.back(*BEFORE)


def purged(source: Host) -> bool:
    """Whether the source has no log from before any more; it may keep one for a moment."""
    sql(source, "FLUSH BINARY LOGS")
    *_, (last, _) = sql(source, "SHOW BINARY LOGS")
    sql(source, f"PURGE BINARY LOGS TO '{last}'")
    return len(sql(source, "SHOW BINARY LOGS")) == 1
