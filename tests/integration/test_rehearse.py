"""The real upgrade in a clone of the target's databases, on two real machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import PurePosixPath
from typing import Any

import pytest

from migrate.cloud import Context, transfer
from migrate.database import baseline, clone, clone_urls, connection, copy, ownership, rehearsed
from migrate.database.difference import differences
from migrate.database.service_databases import known
from migrate.engine import markers
from migrate.engine.journal import Journal
from migrate.engine.plan import Plan
from migrate.errors import PreconditionError
from migrate.onhost import call
from migrate.phases import plan, readiness, rehearse
from migrate.phases.session import Session

pytestmark = pytest.mark.integration
REVISION = """import sqlalchemy as sa
from alembic import op

revision = "main2"
down_revision = "main1"


def upgrade():
    op.add_column("things", sa.Column("extra", sa.Integer()))
    op.create_unique_constraint("uniq_name", "things", ["name"])
    op.execute("ALTER TABLE things MODIFY name VARCHAR(80) COLLATE utf8mb3_bin, ALGORITHM=COPY")
    if "parts" in sa.inspect(op.get_bind()).get_table_names():  # at once, and an index beside it
        op.add_column("parts", sa.Column("extra", sa.Integer()))
        op.create_index("extra", "parts", ["extra"])
"""


@pytest.fixture(scope="module")
def context(two_databases: Context) -> Iterator[Context]:
    with pytest.MonkeyPatch.context() as patched:
        for name in ("mark", "unmark", "refuse_after"):  # the pair has no fence of the cloud's own
            patched.setattr(markers, name, lambda *_: None)
        transfer.allow(two_databases)
        ownership.discard(two_databases)
        copy.first_pass(two_databases)
        yield two_databases
        ownership.discard(two_databases)
        transfer.forbid(two_databases)


@pytest.fixture
def session(context: Context) -> Iterator[Session]:
    steps = Plan.of(plan.steps(context.recipes))
    with closing(Journal(context.home / "journal", "rehearse")) as journal:
        yield Session(context, steps, journal)


@pytest.fixture
def revision(context: Context) -> Iterator[str]:
    """A revision of alpha's that is particular about its rows, for the length of a test."""
    target = context.target.database
    site = target.run(
        "python3", "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    ).strip()
    path = str(PurePosixPath(site, "alpha/main/versions/two.py"))
    before = target.read(path)
    target.write(path, REVISION, mode=0o644)
    yield path
    target.write(path, before, mode=0o644)


def sql(context: Context, statement: str, side: str = "target") -> list[Any]:
    host = context.target.database if side == "target" else context.source.database
    with connection.session(host) as link:
        return connection.rows(link, statement)


def both(context: Context) -> list[dict[str, Any]]:
    return [baseline.of(context, host) for host in (context.source.database, _target(context))]


def _target(context: Context) -> Any:
    return context.target.database


def nothing_left(context: Context) -> None:
    target = _target(context)
    assert not clone.left(target)
    assert not target.exists(f"/run/{clone.UNIT}")
    assert clone.UNIT not in target.run("systemctl", "list-units", "--all", "--plain")
    assert "migrate-rehearsal" not in target.run("ps", "-eo", "args")
    assert not sql(context, f"SELECT 1 FROM mysql.user WHERE user = '{clone_urls.USER}'")


def same(context: Context, before: list[dict[str, Any]]) -> None:
    for was, now in zip(before, both(context), strict=True):
        assert differences(was, now) == []


def test_the_upgrade_goes_through_in_the_clone_and_nowhere_else(
    context: Context, session: Session, revision: str
) -> None:
    before = both(context)
    assert rehearse.foreseen(context)["fits"]
    for _ in range(2):  # repeatable
        found = rehearse.rehearse(session)
        alpha = found["projects"]["alpha"]
        assert rehearse.wrong(found) == []
        assert [one["about"] for one in alpha["tools"]] == ["", "alpha", "alpha_cell0"]
        assert alpha["start"] > 0
        rebuilt = {one["table"]: one for one in alpha["rebuilt"]}
        assert list(rebuilt) == ["alpha.things", "alpha_cell0.things"]  # and not alpha.parts
        assert rebuilt["alpha.things"]["rows"] > 1000
        nothing_left(context)
    same(context, before)
    kept = rehearsed.kept(context)
    estimates = {one.id: one.estimate for one in plan.compose(context)}
    assert estimates["alpha.schema"] == pytest.approx(3 + kept["projects"]["alpha"]["work"])
    assert estimates["database.compare"] == max(1, kept["look_seconds"])
    assert not kept["followed"]


def test_a_row_that_a_migration_does_not_take_is_named(
    context: Context, session: Session, revision: str
) -> None:
    sql(context, "UPDATE alpha.things SET name = 'thing 7' WHERE id = 8")
    before = both(context)
    try:
        found = rehearse.rehearse(session)
        (line,) = rehearse.wrong(found)
        assert "Duplicate entry 'thing 7' for key 'uniq_name' (error 1062)" in line
        assert "statement: ALTER TABLE things ADD CONSTRAINT uniq_name UNIQUE (name)" in line
        nothing_left(context)
        same(context, before)
    finally:
        sql(context, "UPDATE alpha.things SET name = 'thing 8' WHERE id = 8")


def test_cells_lead_to_the_clone_and_one_that_does_not_starts_no_tool(context: Context) -> None:
    target = _target(context)
    with clone.running(context):
        copies, password = clone_urls.lead(context)
        with connection.session(target, clone.SOCKET) as link:
            rows = connection.rows(
                link, "SELECT database_connection, transport_url FROM alpha_api.cell_mappings"
            )
        assert all(clone.SOCKET in url and password in url for url, _ in rows)
        assert {broker for _, broker in rows} == {clone_urls.NOWHERE}
        elsewhere = [one for one in known(context) if one.project == "beta"]
        with pytest.raises(PreconditionError, match="does not lead to the clone"):
            clone_urls.prove(context, [*copies, *elsewhere])
    nothing_left(context)


def test_a_tool_meets_neither_network_nor_the_first_server(context: Context) -> None:
    look = "ip -o link; ls /run/mysqld; ls /run/migrate-rehearsal"
    with clone.running(context):
        environment = {"LC_ALL": "C"}
        argv = ["sh", "-c", look]
        path = "/usr/sbin:/usr/bin:/sbin:/bin"
        told = call(
            *(_target(context), "tools.run", "alpha", path, argv, environment, list(clone.HIDDEN))
        )
    assert "host0" not in told["output"]
    assert "mysqld.sock" not in told["output"]
    assert "socket" in told["output"]


def test_what_a_killed_run_left_goes_first(context: Context, session: Session) -> None:
    target = _target(context)
    own = (connection.SOCKET, "0", "1")
    target.shell(clone.START, clone.FOLDER, clone.UNIT, clone.SOCKET, *own, timeout=120)
    target.write(f"{clone.FOLDER}/half", "x")
    assert clone.left(target)
    assert rehearse.wrong(rehearse.rehearse(session)) == []
    nothing_left(context)


def test_the_way_back_leaves_nothing_of_one(context: Context) -> None:
    target = _target(context)
    own = (connection.SOCKET, "0", "1")
    target.shell(clone.START, clone.FOLDER, clone.UNIT, clone.SOCKET, *own, timeout=120)
    ownership.discard(context)
    nothing_left(context)
    with pytest.raises(PreconditionError, match="no first pass"):
        rehearse.refuse(context)
    copy.first_pass(context)


def test_without_room_nothing_is_cloned(
    context: Context, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clone, "LEFT_FREE", 2**60)
    with pytest.raises(PreconditionError, match="give that file system more room"):
        rehearse.rehearse(session)
    nothing_left(context)


def test_not_once_the_window_has_begun(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "cutover_begun", lambda _: "the machines are marked 'copied'")
    with pytest.raises(PreconditionError, match="the window has begun"):
        rehearse.refuse(context)
