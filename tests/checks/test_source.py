"""A source that is not fit to be moved."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from migrate import checks
from migrate.checks import (
    Check,
    agents,
    charset,
    database,
    logins,
    migrations,
    online,
    operations,
    release,
    units,
    upgrade_status,
)
from migrate.checks import path as way
from migrate.cloud import Context, login
from migrate.cloud.host import Host
from migrate.engine.finding import Finding
from tests.checked import check_of
from tests.checks.conftest import assert_finds, broken, changed, errors
from tests.lab import upload

pytestmark = [pytest.mark.rig, pytest.mark.in_set("checks")]


@pytest.mark.parametrize(
    "check",
    [
        check_of(release),
        check_of(units),
        check_of(agents),
        check_of(logins),
        check_of(database),
        check_of(charset),
        check_of(migrations),
        check_of(online),
        check_of(upgrade_status),
    ],
    ids=lambda check: check.name,
)
def test_whole(context: Context, check: Check) -> None:
    assert not errors(check, context)


def test_an_illegal_path_and_another_release(context: Context) -> None:
    def older(values: dict[str, Any]) -> None:
        values["source"]["release"] = "2024.1"

    context = changed(context, older)
    found = assert_finds(check_of(way), context, ("2024.1 to 2025.1, then 2025.1 to 2026.1",))
    assert "target.release" in found.remedy
    assert_finds(check_of(release), context, ("keystone", "is of 2025.1", "says 2024.1"))


def test_a_target_of_another_release(context: Context) -> None:
    def flamingo(values: dict[str, Any]) -> None:
        values["target"]["release"] = "2025.2"

    found = assert_finds(
        check_of(release),
        changed(context, flamingo),
        ("nothing of OpenStack 2025.2",),
        where=context.target.controllers[0].name,
    )
    assert "pulumi up" in found.remedy


def test_a_definition_that_the_next_migration_cannot_take(context: Context, source: Host) -> None:
    """A site's own index of the name that the release gives to one: error 1061 in the window."""
    index = "idx_project_id ON keystone.project_endpoint_group"
    with broken(
        source,
        f"mariadb -e 'CREATE INDEX {index} (project_id)'",
        f"mariadb -e 'DROP INDEX {index}'",
    ):
        where = context.target.controllers[0].name
        assert_finds(
            check_of(migrations), context, ("keystone", "Duplicate key", "idx_pro"), where=where
        )
    assert not errors(check_of(migrations), context)
    left = "SELECT schema_name FROM information_schema.schemata UNION SELECT user FROM mysql.user"
    assert "rehearsal" not in context.target.controllers[0].run("mariadb", "-e", left)


def test_migrations_that_went_well_are_not_tried_again(context: Context) -> None:
    assert not errors(check_of(migrations), context)
    record = context.home / migrations.RECORD
    began = time.monotonic()
    assert not errors(check_of(migrations), context)
    again = time.monotonic() - began
    assert set(json.loads(record.read_text())) == {"format", "keystone", "glance"}
    record.unlink()
    assert not errors(check_of(migrations), context)
    assert time.monotonic() - began - again > again


def test_a_unit_that_stands_still(context: Context, source: Host) -> None:
    with broken(source, "systemctl stop glance-api", "systemctl start glance-api; sleep 5"):
        assert_finds(
            check_of(units), context, ("glance-api.service", "inactive"), where=source.name
        )
        assert_finds(check_of(agents), context, ("9292", "503"))


def test_a_unit_that_fails_again_and_again(context: Context, source: Host) -> None:
    drop = "/run/systemd/system/memcached.service.d"
    lines = r"[Service]\nExecStart=\nExecStart=/bin/false\nRestart=always\nRestartSec=30\n"
    breaking = f"""
        mkdir -p {drop}; printf '{lines}' > {drop}/broken.conf
        systemctl daemon-reload; systemctl restart memcached || true; sleep 1
    """
    mending = f"rm -rf {drop}; systemctl daemon-reload; systemctl restart memcached"
    with broken(source, breaking, mending):
        assert_finds(check_of(units), context, ("memcached.service is",))


def test_keystone_away(context: Context, source: Host) -> None:
    with broken(source, "systemctl stop keystone", "systemctl start keystone; sleep 5"):
        found = assert_finds(check_of(agents), context, ("cannot log in",))
        assert "clouds.yaml" in found.remedy


def test_an_upload_in_flight(context: Context) -> None:
    connection = login.connection(context)
    with upload.trickling(connection, login.api(context).bases["image"]) as image:
        found: list[Finding] = []
        deadline = time.monotonic() + 180
        while not found and time.monotonic() < deadline:
            found = [one for one in check_of(operations).run(context) if image in one.message]
            time.sleep(0.5)
        assert "is saving" in found[0].message
        assert "Wait for it" in found[0].remedy


@pytest.mark.parametrize(
    ("breaking", "mending", "words"),
    [
        ("SET GLOBAL read_only=1", "SET GLOBAL read_only=0", ("read only",)),
        (
            "GRANT READ_ONLY ADMIN ON *.* TO glance@'%'",
            "REVOKE READ_ONLY ADMIN ON *.* FROM glance@'%'",
            ("'glance'@'%'", "READ_ONLY ADMIN", "may write although"),
        ),
        (
            "GRANT SUPER ON *.* TO keystone@'%'",
            "REVOKE SUPER ON *.* FROM keystone@'%'",
            ("'keystone'@'%'", "SUPER"),
        ),
        (
            "CREATE TABLE keystone.old (a INT) ENGINE=MyISAM",
            "DROP TABLE IF EXISTS keystone.old",
            ("keystone.old", "MyISAM"),
        ),
        (
            "CREATE USER ghost@localhost; GRANT ALL ON keystone.* TO ghost@localhost; "
            "CREATE DEFINER=ghost@localhost VIEW keystone.haunted AS SELECT 1 AS a; "
            "DROP USER ghost@localhost",
            "DROP VIEW IF EXISTS keystone.haunted; DROP USER IF EXISTS ghost@localhost",
            ("view keystone.haunted", "ghost@localhost"),
        ),
    ],
    ids=["read-only", "read-only-admin", "super", "engine", "definer"],
)
def test_a_database_that_is_not_sound(
    context: Context, source: Host, breaking: str, mending: str, words: tuple[str, ...]
) -> None:
    def sql(text: str) -> str:
        return f"mariadb <<'END'\n{text};\nEND"

    with broken(source, sql(breaking), sql(mending)):
        assert_finds(check_of(database), context, words, where=source.name)


def test_a_table_whose_file_is_cut_off(context: Context, source: Host) -> None:
    breaking = """
        mariadb glance -e 'CREATE TABLE cut ENGINE=Aria SELECT seq FROM seq_1_to_9999'
        mariadb glance -e 'FLUSH TABLES cut'
        truncate -s 3000 /var/lib/mysql/glance/cut.MAD
    """
    mending = "mariadb glance -e 'DROP TABLE IF EXISTS cut'"
    with broken(source, breaking, mending):
        assert_finds(check_of(database), context, ("CHECK TABLE glance.cut",))


def test_a_database_that_is_not_there(context: Context, source: Host) -> None:
    path = "/etc/glance/glance-api.conf"
    with broken(
        source,
        f"cp -p {path} {path}.kept; sed -i '/^connection/s,/glance$,/elsewhere,' {path}",
        f"mv -f {path}.kept {path}",
    ):
        assert_finds(check_of(database), context, ("database elsewhere", "is not there"))


def test_a_wrong_database_password(context: Context, source: Host) -> None:
    """What the service's configuration says is tried, and never shown."""
    path = "/etc/glance/glance-api.conf"
    with broken(
        source,
        f"cp -p {path} {path}.kept; sed -i 's,//glance:[^@]*@,//glance:w0rng-pass@,' {path}",
        f"mv -f {path}.kept {path}",
    ):
        found = assert_finds(check_of(logins), context, ("cannot log in to database glance",))
    assert "w0rng-pass" not in str(found)


def test_text_as_latin1_is_told(context: Context, source: Host) -> None:
    make = "mariadb -e 'CREATE TABLE glance.narrow (a VARCHAR(9)) CHARACTER SET latin1'"
    with broken(source, make, "mariadb -e 'DROP TABLE IF EXISTS glance.narrow'"):
        told = [one.message for one in check_of(charset).run(context)]
    assert any("latin1" in one and "glance.narrow" in one for one in told)


def test_a_policy_file_that_the_next_release_does_not_read(context: Context, source: Host) -> None:
    policy, conf = "/etc/keystone/policy.json", "/etc/keystone/keystone.conf"
    make = f"""
        echo '{{}}' > {policy}; chmod 644 {policy}; cp -p {conf} {conf}.kept
        printf '[oslo_policy]\npolicy_file = {policy}\n' >> {conf}
    """
    with broken(source, make, f"rm -f {policy}; mv -f {conf}.kept {conf}"):
        assert_finds(check_of(upgrade_status), context, ("Policy File JSON to YAML",))


def test_a_check_tool_that_crashes(context: Context, source: Host) -> None:
    path = "/etc/keystone/keystone.conf"
    with broken(
        source,
        f"cp -p {path} {path}.kept; echo 'not an option' >> {path}; sed -i '1i [[[' {path}",
        f"mv -f {path}.kept {path}",
    ):
        assert_finds(check_of(upgrade_status), context, ("keystone-status", "exit"))


def test_mariadb_away_is_told_once(context: Context, source: Host) -> None:
    with broken(source, "systemctl stop mariadb", "systemctl start mariadb; sleep 3"):
        found = checks.run(context, (check_of(database), check_of(charset), check_of(online)))
    assert len([one for one in found if "mysqld.sock" in one.message]) == 1
