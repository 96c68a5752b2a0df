"""Databases on two real machines: fingerprint, copy, proof, schema tools, backup, and back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from migrate.cloud import Context, transfer
from migrate.database import (
    baseline,
    connection,
    copied_urls,
    copy,
    heads,
    ownership,
    progress,
    schema,
    warm,
)
from migrate.database.difference import differences
from migrate.database.replication import facts
from migrate.database.service_databases import known
from migrate.engine import markers
from migrate.engine.plan import Step
from migrate.errors import PreconditionError, StepError
from migrate.onhost import call
from migrate.phases import plan
from tests.integration import pair

pytestmark = pytest.mark.integration
COLD = pytest.param(warm.stop, id="cold", marks=pytest.mark.in_set("steps"))
BOTH = pytest.mark.parametrize("start", [pytest.param(warm.start, id="warm"), COLD])


@pytest.fixture(scope="module")
def context(two_databases: Context) -> Iterator[Context]:
    transfer.allow(two_databases)
    yield two_databases
    transfer.forbid(two_databases)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pair has no broker and no fence of the cloud's own: those have their tests elsewhere."""
    for name in ("mark", "unmark", "refuse_after"):
        monkeypatch.setattr(markers, name, lambda *_: None)
    proven_here = partial(copied_urls.prove, isolated=lambda _: None)
    monkeypatch.setattr(plan, "COPIED_URLS", replace(plan.COPIED_URLS, apply=proven_here))


def sql(context: Context, *statements: str, side: str = "source") -> list[Any]:
    host = context.source.controllers[0] if side == "source" else context.target.controllers[0]
    with connection.session(host) as link:
        return [connection.rows(link, statement) for statement in statements][-1]


@contextmanager
def fenced(context: Context) -> Iterator[None]:
    sql(context, "SET GLOBAL read_only = 1")
    baseline.take(context)
    try:
        yield
    finally:
        sql(context, "SET GLOBAL read_only = 0")
        baseline.lift(context)


def step(id_: str) -> Step:
    return next(one for one in plan.steps((pair.ALPHA, pair.BETA)) if one.id == id_)


@contextmanager
def over(context: Context, *ids: str) -> Iterator[None]:
    """Each step: not done, done after apply, and not done after revert, last first."""
    steps = [step(id_) for id_ in ids]
    for one in steps:
        assert not one.done(context), f"{one.id} is done before"
        one.apply(context)
        assert one.done(context), f"{one.id} is not done after"
    yield
    for one in reversed(steps):
        assert one.revert is not None
        one.revert(context)
        assert not one.done(context), f"{one.id} is done after its revert"


def behave(context: Context, how: str) -> None:
    context.target.controllers[0].write("/etc/alpha/behaviour", how, mode=0o644)


# service databases


def test_databases_are_those_that_the_services_see(context: Context) -> None:
    found = {one.name: one for one in known(context)}
    assert set(found) == {"alpha_api", "alpha", "alpha_cell0", "beta-1"}
    assert found["beta-1"].user == "beta"
    assert found["alpha"].cell == "cell1"  # its mapping is a template over the configured URL
    assert found["alpha"].url.endswith("/alpha?charset=utf8")
    assert "pw-alpha" not in repr(found["alpha"])


def test_what_decides_about_following_is_read_from_both_servers(context: Context) -> None:
    for side in (context.source, context.target):
        with connection.session(side.database) as link:
            found = facts.read(link)
            log = bool(connection.value(link, "SELECT @@global.log_bin"))
            number = connection.value(link, "SELECT @@global.server_id")
        assert found.series >= (10, 11)
        assert (found.log_bin, found.server_id) == (log, number)
        assert (found.log_bytes > 0) is log
        assert found.follows == ()
        assert found.filters == ()
        assert found.expires >= 0


# fingerprint: (what is done, how it is undone, the line that must name it)
CHANGES = [
    (
        "UPDATE alpha.things SET size = size + 1 WHERE id = 77",
        "UPDATE alpha.things SET size = size - 1 WHERE id = 77",
        "row checksum of alpha.things: 5001 rows on both sides, but not the same",
    ),
    (
        "INSERT INTO alpha.heartbeats VALUES (2, 2)",
        "DELETE FROM alpha.heartbeats WHERE id = 2",
        "number of rows of alpha.heartbeats: 1 on the before, 2 on the after",
    ),
    (
        "ALTER TABLE alpha.things MODIFY name VARCHAR(64) COLLATE utf8mb3_general_ci",
        "ALTER TABLE alpha.things MODIFY name VARCHAR(64) COLLATE utf8mb3_bin",
        "column of alpha.things.name: ",
    ),
    (
        "ALTER TABLE alpha.heartbeats COLLATE utf8mb3_bin",
        "ALTER TABLE alpha.heartbeats COLLATE utf8mb3_general_ci",
        "collation of alpha.heartbeats: before utf8mb3_general_ci, after utf8mb3_bin",
    ),
    (
        "ALTER DATABASE alpha COLLATE utf8mb3_bin",
        "ALTER DATABASE alpha COLLATE utf8mb3_general_ci",
        "database default of alpha: before utf8mb3 utf8mb3_general_ci, after utf8mb3 utf8mb3_bin",
    ),
    (
        "DROP INDEX ix_size ON alpha.things",
        "CREATE INDEX ix_size ON alpha.things (size)",
        "index of alpha.things.ix_size: only on the before",
    ),
    (
        "ALTER TABLE alpha.parts DROP FOREIGN KEY fk_thing",
        "ALTER TABLE alpha.parts ADD CONSTRAINT fk_thing FOREIGN KEY (thing)"
        " REFERENCES alpha.things (id) ON DELETE CASCADE",
        "constraint of alpha.parts.fk_thing: only on the before",
    ),
    (
        "CREATE OR REPLACE TRIGGER alpha.count_parts BEFORE INSERT ON alpha.parts"
        " FOR EACH ROW SET NEW.thing = IFNULL(NEW.thing, 2)",
        "CREATE OR REPLACE TRIGGER alpha.count_parts BEFORE INSERT ON alpha.parts"
        " FOR EACH ROW SET NEW.thing = IFNULL(NEW.thing, 1)",
        "trigger of alpha.count_parts: defined differently",
    ),
    (
        "CREATE OR REPLACE VIEW alpha.big AS SELECT id, name FROM alpha.things WHERE size > 1001",
        "CREATE OR REPLACE VIEW alpha.big AS SELECT id, name FROM alpha.things WHERE size > 1000",
        "view of alpha.big: defined differently",
    ),
    (
        "CREATE FUNCTION alpha.one() RETURNS INT RETURN 1",
        "DROP FUNCTION alpha.one",
        "routine of alpha.one: only on the after",
    ),
    (
        "ALTER EVENT alpha.tidy DISABLE",
        "ALTER EVENT alpha.tidy ENABLE",
        "event of alpha.tidy: defined differently",
    ),
    (
        "REVOKE DELETE ON `beta-1`.* FROM beta@'%'",
        "GRANT DELETE ON `beta-1`.* TO beta@'%'",
        "grant of 'beta'@'%': only on the before: GRANT SELECT, INSERT, UPDATE, DELETE ON",
    ),
    (
        "SET PASSWORD FOR alpha@localhost = PASSWORD('other')",
        "SET PASSWORD FOR alpha@localhost = PASSWORD('pw-alpha')",
        "login of 'alpha'@'localhost': password or authentication differ",
    ),
]


@pytest.mark.parametrize(("change", "undo", "line"), CHANGES, ids=lambda text: str(text)[:40])
def test_every_change_is_found_and_named(
    context: Context, change: str, undo: str, line: str
) -> None:
    before = baseline.of(context, context.source.controllers[0])
    sql(context, change)
    try:
        after = baseline.of(context, context.source.controllers[0])
    finally:
        sql(context, undo)
    found = [str(one) for one in differences(before, after, ("before", "after"))]
    assert [one for one in found if one.startswith(line)], found
    named = {line.split(": ")[0].split(" of ")[1].split(".")[0] for line in found}
    assert len(named) == 1, f"more than what was changed: {found}"
    again = differences(before, baseline.of(context, context.source.controllers[0]))
    assert again == []


def test_a_fingerprint_holds_no_password_and_no_hash(context: Context) -> None:
    text = json.dumps(baseline.of(context, context.source.controllers[0]))
    ((shown,),) = sql(context, "SHOW CREATE USER alpha@'%'")
    assert shown.split("'")[1] not in text
    assert "pw-alpha" not in text


# transfer


def test_the_key_serves_its_words_and_nothing_else(context: Context) -> None:
    target, source = context.target.controllers[0], context.source.controllers[0]
    transfer.permit(source, databases=["alpha"], folders=["/srv"])
    for words in (
        ("databases", "mysql"),
        ("databases", "elsewhere"),
        ("tables", "elsewhere.untouched"),
        ("tables", "alpha.things; DROP"),
        ("files", "/etc"),
        ("bash", "-c", "id"),
        ("hello", "; id"),
        (),
    ):
        command = transfer.command(context, target, source, *words)
        assert not target.succeeds(*command), words
    assert target.run("stat", "-c", "%a %U", transfer.KEY).split() == ["600", "root"]


def test_the_key_opens_no_shell_and_no_tunnel(context: Context) -> None:
    target, source = context.target.controllers[0], context.source.controllers[0]
    command = transfer.command(context, target, source, "hello")
    plain = [*command[:-1], "-N", "-o", "ExitOnForwardFailure=yes", "-R", "1:localhost:22"]
    assert not target.succeeds("timeout", "5", *plain)
    assert not target.succeeds(*command[:-1], "-tt", "id")
    elsewhere = [part.replace("BindAddress=" + target.address, "x=y") for part in command]
    assert elsewhere != command
    line = source.read("/home/operator/.ssh/authorized_keys").splitlines()[-1]
    assert line.startswith(f'restrict,from="{target.address}",command="sudo -n ')


def test_files_arrive_whole_or_not_at_all(context: Context) -> None:
    target, source = context.target.controllers[0], context.source.controllers[0]
    names = ["a b'c", "-x", "new\nline", "deep/er/\u00fc"]
    source.python(
        "import pathlib\n"
        "for n, name in enumerate(payload):\n"
        "    p = pathlib.Path('/srv/images', name); p.parent.mkdir(parents=True, exist_ok=True)\n"
        "    p.write_bytes(bytes([n]) * 100_000)\n"
        "p.chmod(0o640); import shutil; shutil.chown(p, 'alpha', 'beta')",
        names,
    )
    target.run("install", "-d", "/srv/images")
    transfer.pull_files(context, "/srv/images", names)
    sums = "cd /srv/images && find . -type f -print0 | sort -z | xargs -0 sha256sum -z | sha256sum"
    assert target.shell(sums) == source.shell(sums)
    owner = ("stat", "-c", "%a %U %G", "/srv/images/deep/er/\u00fc")
    assert target.run(*owner) == source.run(*owner) == "640 alpha beta\n"
    with pytest.raises(StepError, match="is no file in"):
        transfer.pull_files(context, "/srv/images", ["a b'c", "missing"])
    for outside in ("../passwd", "/etc/passwd", "way-out/passwd"):
        source.shell("ln -sfn /etc /srv/images/way-out")
        with pytest.raises(StepError, match="is no file in"):
            transfer.pull_files(context, "/srv/images", [outside])
    assert "incoming" not in target.run("ls", "-A", "/srv/images")


# the window


def test_the_window_over_and_back(context: Context) -> None:
    """The steps in order, each proven by done; the source keeps serving between the passes."""
    with over(context, "database.tools", "database.first-pass"):
        sql(context, "UPDATE alpha.heartbeats SET beats = beats + 1")
        sql(context, "UPDATE alpha_api.cell_mappings SET transport_url = transport_url")
        sql(context, "SET GLOBAL read_only = 1")
        beats = sql(context, "SELECT beats FROM alpha.heartbeats")
        window = (
            *("database.fingerprint", "database.copy", "database.compare", "database.urls"),
            "alpha.schema",
        )
        try:
            with over(context, *window):
                assert sql(context, "SELECT beats FROM alpha.heartbeats", side="target") == beats
                for name in ("alpha", "alpha_cell0"):
                    shown = sql(context, f"SHOW COLUMNS FROM {name}.things", side="target")
                    assert "extra" in [row[0] for row in shown]
                ((url,),) = sql(
                    context,
                    "SELECT database_connection FROM alpha_api.cell_mappings WHERE name = 'cell0'",
                    side="target",
                )
                assert url == f"mysql+pymysql://alpha:pw-alpha@{pair.TARGET}/alpha_cell0"
                assert baseline.source_equals_fence(context) == []
        finally:
            sql(context, "SET GLOBAL read_only = 0")
            baseline.lift(context)
    left = {row[0] for row in sql(context, "SHOW DATABASES", side="target")}
    assert left <= ownership.SYSTEM
    users = {row[0] for row in sql(context, "SELECT user FROM mysql.user", side="target")}
    assert not users & {"alpha", "beta", "stranger"}
    assert not context.target.controllers[0].exists(ownership.OPTIONS)
    shown = sql(context, "SHOW COLUMNS FROM alpha.things")
    assert "extra" not in [row[0] for row in shown]


@pytest.fixture
def copied(context: Context) -> Iterator[Context]:
    """A proven copy of a fenced source."""
    ownership.discard(context)
    with fenced(context):
        for id_ in ("database.copy", "database.compare", "database.urls"):
            step(id_).apply(context)
        yield context
        behave(context, "")
        warm.stop(context)
        ownership.discard(context)


def test_a_copy_without_a_first_pass_is_the_same(copied: Context) -> None:
    ours = {row[0] for row in sql(copied, "SHOW DATABASES", side="target")}
    assert ours >= {"alpha", "alpha_api", "alpha_cell0", "beta-1"}
    assert "elsewhere" not in ours
    assert copy.compared(copied)


def test_a_server_that_holds_other_data_is_refused(context: Context) -> None:
    ownership.discard(context)
    sql(context, "CREATE DATABASE somebodys", side="target")
    try:
        with fenced(context), pytest.raises(PreconditionError, match="already holds somebodys"):
            copy.copy(context)
        assert sql(context, "SHOW DATABASES LIKE 'alpha%'", side="target") == []
    finally:
        sql(context, "DROP DATABASE somebodys", side="target")


def test_a_stream_that_breaks_is_not_taken_for_whole(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dump dies half-way with what came being good SQL; a cut stream; a dead source."""
    ownership.discard(context)
    source = context.source.controllers[0]
    source.shell("mv /usr/bin/mariadb-dump /usr/bin/mariadb-dump.real")
    try:
        for broken in ("| head -c 3000; exit 0", "; exit 3", "; kill -9 $PPID"):
            script = f'#!/bin/bash\n/usr/bin/mariadb-dump.real "$@" {broken}\n'
            source.write("/usr/bin/mariadb-dump", script, mode=0o755)
            ownership.discard(context)
            with fenced(context):
                with pytest.raises(StepError, match="not whole"):
                    copy.copy(context)
                assert not copy.copied(context)
    finally:
        source.shell("mv /usr/bin/mariadb-dump.real /usr/bin/mariadb-dump")
    with fenced(context):
        copy.copy(context)
        step("database.compare").apply(context)
        assert copy.compared(context)
    ownership.discard(context)


def test_what_does_not_import_is_told_without_its_rows(context: Context) -> None:
    rows = "INSERT INTO nowhere.users VALUES ('a password');"
    said = call(context.target.controllers[0], "copy.load", ["echo", rows], ["nowhere"])
    assert "import 1, mark of completeness is missing" in said
    assert "ERROR 1146 (42S02) at line 1" in said
    assert "a password" not in said


def test_a_changed_copy_is_not_proven(context: Context) -> None:
    ownership.discard(context)
    with fenced(context):
        copy.copy(context)
        sql(context, "UPDATE alpha.things SET size = 0 WHERE id = 5", side="target")
        with pytest.raises(StepError, match=r"row checksum of alpha\.things"):
            step("database.compare").apply(context)
        assert not step("database.compare").done(context)
    ownership.discard(context)


def test_what_was_written_to_a_fenced_source_is_named_on_the_way_back(context: Context) -> None:
    with fenced(context):
        sql(context, "UPDATE alpha.heartbeats SET beats = beats + 1")  # root is not held
        found = [str(one) for one in baseline.source_equals_fence(context)]
        assert found == ["row checksum of alpha.heartbeats: 1 rows on both sides, but not the same"]
        with pytest.raises(StepError, match=r"row checksum of alpha\.heartbeats"):
            baseline.lift(context)
        assert baseline.taken(context)


def test_urls_that_lead_back_to_the_source_stop_everything(copied: Context) -> None:
    target = copied.target.controllers[0]
    text = target.read("/etc/beta/beta.conf")
    target.write("/etc/beta/beta.conf", text.replace(pair.VIRTUAL, pair.SOURCE))
    copied.extras.pop("database.seen", None)
    try:
        with pytest.raises(PreconditionError, match="beta-1 is served by another server"):
            step("database.urls").apply(copied)
    finally:
        target.write("/etc/beta/beta.conf", text)
        copied.extras.pop("database.seen", None)


# schema tools


def upgraded(context: Context) -> list[Any]:
    columns = "SELECT table_name, column_name FROM information_schema.columns WHERE"
    tables = sql(context, f"{columns} table_schema = 'alpha' ORDER BY 1, 2", side="target")
    return [tables, sql(context, "SELECT version_num FROM alpha.alembic_version", side="target")]


def test_warm_and_cold_tools_give_the_same(copied: Context) -> None:
    schema.upgrade(copied, pair.ALPHA)
    cold = upgraded(copied)
    assert cold[1] == [("main2",)]
    warm.start(copied)
    assert warm.started(copied)
    schema.drop(copied, pair.ALPHA)
    for name in ("copy", "compare", "urls"):
        step(f"database.{name}").apply(copied)
    began = time.monotonic()
    schema.upgrade(copied, pair.ALPHA)
    assert upgraded(copied) == cold
    assert step("alpha.schema").done(copied)
    assert time.monotonic() - began < 60


@BOTH
def test_a_tool_that_lies_is_found_by_the_heads(
    copied: Context, start: Callable[[Context], None]
) -> None:
    start(copied)
    behave(copied, "lie")
    with pytest.raises(StepError, match="alpha shows main1, the release ends in main2"):
        schema.upgrade(copied, pair.ALPHA)
    assert not step("alpha.schema").done(copied)


@BOTH
def test_a_tool_that_fails_half_way_starts_again_from_a_copy(
    copied: Context, start: Callable[[Context], None]
) -> None:
    start(copied)
    behave(copied, "half")
    with pytest.raises(StepError, match=r"alpha-manage db sync .*exited 1: half of it failed"):
        schema.upgrade(copied, pair.ALPHA)
    behave(copied, "")
    with pytest.raises(PreconditionError, match="were begun over this copy before"):
        schema.upgrade(copied, pair.ALPHA)  # "Duplicate column name" if it went on where it broke
    for name in ("copy", "urls"):
        assert not step(f"database.{name}").done(copied)
        step(f"database.{name}").apply(copied)
        assert step(f"database.{name}").done(copied)
    assert step("database.compare").done(copied)  # what was brought is proven as it comes
    schema.upgrade(copied, pair.ALPHA)
    assert step("alpha.schema").done(copied)


def test_no_tool_runs_where_the_heads_prove_that_there_is_nothing_to_do(copied: Context) -> None:
    schema.upgrade(copied, pair.ALPHA)
    proven = upgraded(copied)
    behave(copied, "half")  # whoever is called fails
    for recipe in (pair.ALPHA, replace(pair.ALPHA, heads_prove_sync=False)):
        with connection.session(copied.target.database) as link:
            progress.forget_tools(link, ["alpha"])
        assert not step("alpha.schema").done(copied)
        if recipe.heads_prove_sync:
            schema.upgrade(copied, recipe)
            assert step("alpha.schema").done(copied)
        else:
            with pytest.raises(StepError, match=r"alpha-manage db sync .*exited"):
                schema.upgrade(copied, recipe)
    assert upgraded(copied)[1] == proven[1]


def test_heads_are_read_the_same_by_both_ways(context: Context) -> None:
    warm.stop(context)
    context.extras.pop(heads.CACHE, None)
    cold = dict(heads.shipped(context, [pair.ALPHA]))
    warm.start(context)
    context.extras.pop(heads.CACHE, None)
    assert heads.shipped(context, [pair.ALPHA]) == cold
    assert cold["alpha/main/versions"].heads == {"main2"}
    warm.stop(context)
    assert not warm.started(context)


def test_what_the_key_added_is_gone_when_it_is_forbidden(context: Context) -> None:
    source, target = context.source.controllers[0], context.target.controllers[0]
    before = source.read("/home/operator/.ssh/authorized_keys").splitlines()[:-1]
    transfer.forbid(context)
    assert not transfer.ready(context)
    assert source.read("/home/operator/.ssh/authorized_keys").splitlines() == before
    assert not source.exists("/var/lib/migrate")
    assert not target.exists("/var/lib/migrate")
    transfer.allow(context)
    assert transfer.ready(context)
    for host in (source, target):  # first there for the keys alone: ours to the top
        assert host.run("stat", "-c", "%a", "/var/lib/migrate", transfer.FOLDER) == "700\n700\n"


def test_a_tree_arrives_whole_or_not_at_all(context: Context) -> None:
    """As an environment comes to a compute host: with links, modes, and a key of its own."""
    serves, pulls = context.source.controllers[0], context.target.controllers[0]
    transfer.forbid(context)
    keys = serves.read("/home/operator/.ssh/authorized_keys")
    serves.shell(
        "install -d -m 0750 /opt/tree/deep/__pycache__; cd /opt/tree; echo 1 >deep/a; "
        "chmod 0640 deep/a; ln -s /usr/bin/env bin; ln -s nowhere broken; "
        "echo 2 >deep/__pycache__/b"
    )
    pulls.shell("install -d /opt/tree; touch /opt/tree/of-before")
    listing = ("find", "/opt/tree", "-printf", r"%P %m %y %l\n")
    transfer.pull_tree(context, "/opt/tree", pulls=pulls, serves=serves)
    assert sorted(pulls.run(*listing).splitlines()) == sorted(serves.run(*listing).splitlines())
    with pytest.raises(StepError, match="/opt/other did not reach"):
        transfer.pull_tree(context, "/opt/other", pulls=pulls, serves=serves)
    assert not pulls.exists("/opt/other")
    assert not pulls.exists("/opt/other.migrate")
    assert not pulls.exists("/var/lib/migrate")
    assert serves.read("/home/operator/.ssh/authorized_keys") == keys
    serves.run("rm", "-rf", "/var/lib/migrate")
    transfer.allow(context)
