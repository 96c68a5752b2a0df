"""`migrate rehearse` as operators give it, beside a replica that follows: over, killed, failing.

The cutover is last: what a killed rehearsal left is gone before the window begins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from migrate.cloud import Context
from migrate.database import baseline, clone, clone_urls, connection
from migrate.database.replication import replica
from migrate.engine.journal import BEGUN
from tests.rig.test_control import Desk
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_order, pytest.mark.in_set("rehearse")]
# of the name that a migration of keystone's gives an index of its own
IN_THE_WAY = "CREATE INDEX idx_project_id ON keystone.project_endpoint_group (project_id)"
OUT_OF_IT = "DROP INDEX idx_project_id ON keystone.project_endpoint_group"


@pytest.fixture(scope="module")
def bench(context: Context, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("desk"))
    made.run("follow", "--execute")
    assert replica.standing(context).follows
    return made


@pytest.fixture
def desk(bench: Desk) -> Iterator[Desk]:
    yield bench
    for run in bench.started:  # of a test that failed
        run.kill()
        run.wait()


def on_source(context: Context, statement: str) -> None:
    with connection.session(context.source.database) as link:
        connection.rows(link, statement)


def untouched(context: Context) -> None:
    """Nothing is left of a clone, and the target's databases are the source's, which go on."""
    source, target = context.source.database, context.target.database
    assert not clone.left(target)
    assert not target.exists(f"/run/{clone.UNIT}")
    assert clone.UNIT not in target.run("systemctl", "list-units", "--all", "--plain")
    assert clone.FOLDER not in target.run("ps", "-eo", "args")
    for host in (source, target):
        with connection.session(host) as link:
            users = connection.rows(link, "SELECT user FROM mysql.user")
        assert (clone_urls.USER,) not in users
    follows(context)


def follows(context: Context) -> None:
    source, target = context.source.database, context.target.database
    on_source(context, "CREATE OR REPLACE TABLE keystone.came AS SELECT UUID() AS one")
    on_source(context, "DROP TABLE keystone.came")
    assert replica.follows(context), replica.standing(context)
    assert baseline.of(context, target)["tables"] == baseline.of(context, source)["tables"]


def killed(context: Context, desk: Desk, path: str) -> None:
    """A rehearsal that dies when *path* is there on the target."""
    run = desk.start("rehearse", "--execute")
    assert waits_for(lambda: context.target.database.exists(path), 120)
    run.kill()
    run.wait()
    assert clone.left(context.target.database)


def test_without_a_word_nothing_is_cloned(context: Context, desk: Desk) -> None:
    said = desk.run("rehearse")
    assert f"into {clone.FOLDER}" in said
    assert "keystone-manage db_sync" in said
    untouched(context)


def test_it_goes_through_while_the_replica_follows(context: Context, desk: Desk) -> None:
    run = desk.start("rehearse", "--execute")
    assert waits_for(lambda: context.target.database.exists(clone.SOCKET), 120)
    follows(context)  # in the midst of it
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    untouched(context)
    found = json.loads((desk.home / "rehearsal.json").read_text())
    assert set(found["projects"]) == {"keystone", "glance"}
    upgrades = [one for tool in found["projects"]["keystone"]["tools"] for one in tool["upgrades"]]
    assert [revision for revision, _ in upgrades] == ["e8725d6fa226", "742c857f1dfb"]
    assert f"by the rehearsal of {found['at']}" in desk.run("plan")
    for project in ("keystone", "glance"):
        assert f"{project}.schema" in said
        assert found["projects"][project]["wrong"] == []


def test_killed_midway_it_is_repeated(context: Context, desk: Desk) -> None:
    for path in (clone.FOLDER, clone.SOCKET):
        killed(context, desk, path)
        follows(context)
    desk.run("rehearse", "--execute")
    untouched(context)


def test_what_a_killed_one_left_is_gone_with_follow(context: Context, desk: Desk) -> None:
    killed(context, desk, clone.SOCKET)
    desk.run("follow", "--execute")
    untouched(context)


def test_a_migration_that_fails_is_named(context: Context, desk: Desk) -> None:
    on_source(context, IN_THE_WAY)
    try:
        follows(context)
        said = desk.run("rehearse", "--execute", code=3)
        assert "keystone: keystone-manage db_sync" in said
        assert "revision e8725d6fa226: Duplicate key name 'idx_project_id' (error 1061)" in said
        assert "the statement: CREATE INDEX idx_project_id ON project_endpoint_group" in said
        untouched(context)
    finally:
        on_source(context, OUT_OF_IT)


def test_the_window_begins_without_a_clone(context: Context, desk: Desk) -> None:
    killed(context, desk, clone.SOCKET)
    run = desk.cutover()
    assert waits_for(lambda: desk.state("gate.timer") in BEGUN or run.poll() is not None)
    assert not clone.left(context.target.database)
    said, _ = run.communicate(timeout=400)
    assert run.returncode == 0, said
    assert "predicted" in said
    parts = json.loads((desk.home / "report.json").read_text())["window"]
    assert set(parts["parts"]) == set(parts["predicted"])
    desk.run("rehearse", "--execute", code=3)
    assert not clone.left(context.target.database)
