"""`migrate rehearse` as operators give it, beside a replica that follows: over, killed, failing.

The cutover is last: what a killed rehearsal left is gone before the window begins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import baseline, clone, clone_urls, connection
from migrate.database.replication import replica
from migrate.engine.journal import BEGUN
from migrate.onhost import call, shadow
from migrate.shadow import remedies
from tests.rig.test_control import Desk
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_order, pytest.mark.in_set("rehearse")]
GLANCE = "/etc/glance/glance-api.conf"
HEADS = {
    *("HEAD identity /services", "HEAD identity /auth/tokens", "HEAD image /images?limit=1"),
}
# of the name that a migration of keystone's gives an index of its own
IN_THE_WAY = "CREATE INDEX idx_project_id ON keystone.project_endpoint_group (project_id)"
OUT_OF_IT = "DROP INDEX idx_project_id ON keystone.project_endpoint_group"


@pytest.fixture(scope="module")
def bench(context: Context, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("desk"))
    made.run("follow", "--execute", seconds=2400)
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


def untouched(context: Context, *, equal: bool = True) -> None:
    """Nothing is left of a clone, and the target's databases are the source's, which go on."""
    source, target = context.source.database, context.target.database
    assert not clone.left(target)
    assert not target.exists(f"/run/{clone.UNIT}")
    assert clone.UNIT not in target.run("systemctl", "list-units", "--all", "--plain")
    assert clone.FOLDER not in target.run("ps", "-eo", "args")
    assert not target.exists(shadow.FOLDER)
    assert not target.exists(f"/run/netns/{shadow.SPACE}")
    assert shadow.PREFIX not in target.run("systemctl", "list-units", "--all", "--plain")
    assert "shadow" not in target.run("cat", "/proc/mounts")
    assert not target.shell("ls /run/systemd/system | grep shadow || true")
    for host in (source, target):
        with connection.session(host) as link:
            users = connection.rows(link, "SELECT user FROM mysql.user")
        assert (clone_urls.USER,) not in users
    if equal:
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
    assert waits_for(lambda: context.target.database.exists(path), 1500)
    run.kill()
    run.wait()
    assert clone.left(context.target.database)


def test_without_a_word_nothing_is_cloned(context: Context, desk: Desk) -> None:
    said = desk.run("rehearse")
    assert "where nothing leaves, and only read: keystone, glance-api" in said
    assert f"into {clone.FOLDER}" in said
    assert "keystone-manage db_sync" in said
    untouched(context)


def test_it_goes_through_while_the_replica_follows(context: Context, desk: Desk) -> None:
    run = desk.start("rehearse", "--execute")
    assert waits_for(lambda: context.target.database.exists(clone.SOCKET), 1500)
    follows(context)  # in the midst of it
    said, _ = run.communicate(timeout=2400)
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
    answered(found["shadow"])


def answered(found: dict[str, Any]) -> None:
    """The release's keystone and glance have answered as the source does, and met nobody else."""
    assert found["apis"] == ["keystone", "glance-api"]
    admin, demo = found["views"]
    assert (admin["name"], demo["name"]) == ("admin", "lab-demo")
    assert admin["kinds"]["image"] == demo["kinds"]["image"] == 4
    assert admin["kinds"]["user"] > 3
    assert admin["kinds"]["endpoint"] > 0
    assert admin["differences"] == demo["differences"] == []
    for view in (admin, demo):  # by HEAD, too
        assert set(view["asked"]) == HEADS
        assert view["asked"]["HEAD identity /auth/tokens"] == 200
    assert (found["dead"], found["left"], found["left_to"]) == ([], 0, [])
    assert {where.partition(":")[2] for where, _ in found["own_to"]} <= {"11211"}  # the cache
    assert 0 < found["memory"] < 1024**3


def test_killed_midway_it_is_repeated(context: Context, desk: Desk) -> None:
    for path in (clone.FOLDER, clone.SOCKET, shadow.GATE):
        killed(context, desk, path)
        follows(context)
    desk.run("rehearse", "--execute", seconds=2400)
    untouched(context)


def test_what_a_killed_one_left_is_gone_with_follow(context: Context, desk: Desk) -> None:
    killed(context, desk, shadow.GATE)
    assert shadow.PREFIX in context.target.database.run("systemctl", "list-units", "--plain")
    desk.run("follow", "--execute", seconds=2400)
    untouched(context)


def test_a_migration_that_fails_is_named(context: Context, desk: Desk) -> None:
    on_source(context, IN_THE_WAY)
    try:
        follows(context)
        said = desk.run("rehearse", "--execute", code=3, seconds=2400)
        assert "keystone: keystone-manage db_sync" in said
        assert "revision e8725d6fa226: Duplicate key name 'idx_project_id' (error 1061)" in said
        assert "the statement: CREATE INDEX idx_project_id ON project_endpoint_group" in said
        untouched(context)
    finally:
        on_source(context, OUT_OF_IT)


@contextmanager
def changed(host: Host, path: str, script: str) -> Iterator[None]:
    """What *script* makes of *path* ("$1"), for a while."""
    host.shell(f'test -e "$1" || touch "$1.none"; cp -a "$1" "$1.was" || true\n{script}', path)
    try:
        yield
    finally:
        host.shell(
            'rm -rf "$1"; if test -e "$1.none"; then rm "$1.none"; else mv "$1.was" "$1"; fi', path
        )


def test_what_the_new_release_would_answer_otherwise_is_told(context: Context, desk: Desk) -> None:
    """A row, an option, a policy for users, and a service that looks for the source's cache."""
    source, target = context.source.controllers[0], context.target.database
    tells = "sed -i '/^\\[DEFAULT\\]/a show_image_direct_url = True' \"$1\""
    cache = f"{source.address}:11211"
    looks = f"sed -i 's/^memcached_servers.*/memcached_servers = {cache}/' \"$1\""
    forbids = 'echo \'"get_images": "role:admin"\' > "$1"; chmod 0644 "$1"'
    with (
        changed(source, GLANCE, tells),
        changed(target, GLANCE, looks),
        changed(target, "/etc/glance/policy.yaml", forbids),
        row_of_its_own(context),
    ):
        restarted(context)
        said = " ".join(desk.run("rehearse", "--execute", code=3, seconds=2400).split())
        found = json.loads((desk.home / "rehearsal.json").read_text())["shadow"]
        untouched(context, equal=False)
    restarted(context)
    assert "answer otherwise on the clone than the source does" in said
    for clause in (remedies.LEFT, remedies.POLICY.format("the policies of image"), remedies.ELSE):
        assert clause in said
    told = [(v["name"], d["service"], d["type"]) for v in found["views"] for d in v["differences"]]
    assert set(told) == {("admin", "image", "image"), ("lab-demo", "image", "image")}
    admin, demo = (view["differences"] for view in found["views"])
    fields = {one["field"]: one for one in admin}
    assert set(fields) == {"name", "direct_url"}
    assert (fields["name"]["before"], fields["name"]["after"]) == ("small", "another")
    assert [(one["id"], one["field"]) for one in demo] == [("*", "")]
    assert "403" in demo[0]["after"]
    assert found["left"] > 0
    assert found["left_to"] == [[f"tcp {cache}", "glance"]]
    follows(context)


def restarted(context: Context) -> None:
    """The source's glance, with its configuration as it is now."""
    context.source.api.run("systemctl", "restart", "glance-api")
    url = f"http://{context.source.virtual_ips[0].address}:9292/"
    assert not call(context.source.api, "start.unanswered", [url], 90, timeout=120)


@contextmanager
def row_of_its_own(context: Context) -> Iterator[None]:
    """A row of the target's copy that is not the source's."""

    def renamed(before: str, after: str) -> None:
        with connection.session(context.target.database) as link:
            connection.rows(link, "SET SESSION sql_log_bin = 0")
            statement = "UPDATE glance.images SET name = %s WHERE name = %s"
            connection.rows(link, statement, after, before)

    renamed("small", "another")
    try:
        yield
    finally:
        renamed("another", "small")


def test_a_key_that_is_not_the_sources_is_told(context: Context, desk: Desk) -> None:
    other = 'head -c 32 /dev/urandom | base64 | tr "+/" "-_" > "$1/0"; cp "$1/0" "$1/1"'
    with changed(context.target.database, "/etc/keystone/fernet-keys", other):
        said = " ".join(desk.run("rehearse", "--execute", code=3, seconds=2400).split())
    assert "identity: login: good on the source" in said
    assert remedies.KEYS in said
    assert "401" in said
    untouched(context)


def test_the_window_begins_without_a_clone(context: Context, desk: Desk) -> None:
    killed(context, desk, shadow.GATE)
    run = desk.cutover()
    assert waits_for(lambda: desk.state("gate.timer") in BEGUN or run.poll() is not None)
    assert not clone.left(context.target.database)
    assert not context.target.database.exists(shadow.FOLDER)
    said, _ = run.communicate(timeout=2400)
    assert run.returncode == 0, said
    assert "predicted" in said
    parts = json.loads((desk.home / "report.json").read_text())["window"]
    assert set(parts["parts"]) == set(parts["predicted"])
    desk.run("rehearse", "--execute", code=3, seconds=2400)
    assert not clone.left(context.target.database)
