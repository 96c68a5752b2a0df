"""Stored attachments on a real server: every cell, page by page, and never over what a user wrote.

The pair has no Ceph: which monitors there are is told by the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.database import connection
from migrate.services.backends import Attachments
from migrate.storage.ceph import attachments
from migrate.storage.ceph.facts import Monitor
from migrate.storage.ceph.monitor import Standing
from tests.integration import pair
from tests.unit.ceph_world import cinder, nova

pytestmark = pytest.mark.integration

OLD, NEW, OTHER = "10.0.0.1", "10.0.0.12", "10.9.9.9"
MAP = [Monitor(name, {"v1": f"{at}:6789"}) for name, at in (("mon", OLD), ("pair-new", NEW))]
MANY = attachments.PAGE * 2 + 7
DATABASES = ("alpha_api", "alpha", "alpha_cell0", "beta-1")
BLOCKS = """(id INT AUTO_INCREMENT PRIMARY KEY, volume_id VARCHAR(36), deleted INT,
  connection_info MEDIUMTEXT) CHARACTER SET utf8mb3"""
# as cinder has it: ids are no numbers, and `deleted` is a boolean
VOLUMES = """(id VARCHAR(36) PRIMARY KEY, volume_id VARCHAR(36), deleted BOOLEAN,
  connection_info TEXT) CHARACTER SET utf8mb3"""


@pytest.fixture
def context(two_databases: Context, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    """A target that serves, with attachments in two cells and in another service's database."""
    alpha = Attachments(database="alpha", table="block_device_mapping", within="data")
    beta = Attachments(database="beta", table="volume_attachment")
    ceph = two_databases.settings.ceph.model_copy(update={"monitors": ("mon",)})
    found = replace(
        two_databases,
        settings=two_databases.settings.model_copy(update={"ceph": ceph}),
        recipes=(replace(pair.ALPHA, attachments=alpha), replace(pair.BETA, attachments=beta)),
        extras={},
    )
    quorum = frozenset(one.name for one in MAP)
    monkeypatch.setattr(attachments, "standing", lambda _: Standing("x", quorum, tuple(MAP), 16))
    login = f"mysql+pymysql://alpha:pw-alpha@{pair.VIRTUAL}"
    made = [f"CREATE DATABASE `{one}` CHARACTER SET utf8mb3" for one in DATABASES]
    made += [f"CREATE TABLE {one}.block_device_mapping {BLOCKS}" for one in DATABASES[1:3]]
    made += [f"CREATE TABLE `beta-1`.volume_attachment {VOLUMES}"]
    made += [
        "CREATE TABLE alpha_api.cell_mappings (id INT AUTO_INCREMENT PRIMARY KEY, "
        "name VARCHAR(255), database_connection TEXT, transport_url TEXT)",
        "INSERT INTO alpha_api.cell_mappings (name, database_connection, transport_url) VALUES "
        f"('cell0', '{login}/alpha_cell0', 'none:///'), ('cell1', '{login}/alpha', 'none:///')",
    ]
    dropped = [f"DROP DATABASE IF EXISTS `{one}`" for one in DATABASES]
    for statement in (*dropped, *made):
        sql(found, statement)
    yield found
    for statement in dropped:
        sql(found, statement)
    found.target.database.run("rm", "-f", "--", f"/var/lib/migrate/{attachments.NOTE}.json")


def sql(context: Context, statement: str, *values: object) -> list[Any]:
    with connection.session(context.target.database) as link:
        return connection.rows(link, statement, *values)


def add(context: Context, table: str, text: str, *, deleted: int = 0, id_: object = None) -> None:
    statement = f"INSERT INTO {table} (id, volume_id, deleted, connection_info) VALUES "
    sql(context, f"{statement}(%s, UUID(), %s, %s)", id_, deleted, text)


def texts(context: Context, table: str) -> list[str]:
    return [text for (text,) in sql(context, f"SELECT connection_info FROM {table} ORDER BY id")]


CELL, CELL0 = "alpha.block_device_mapping", "alpha_cell0.block_device_mapping"
OTHERS = "`beta-1`.volume_attachment"


def test_all_pages_of_all_cells_name_both_then_the_old_alone_and_the_new_alone(
    context: Context,
) -> None:
    sql(
        context,
        f"INSERT INTO {CELL} (volume_id, deleted, connection_info) "
        f"SELECT UUID(), 0, %s FROM alpha.seq_1_to_{MANY}",
        nova(OLD),
    )
    strange = [nova(OTHER), '{"driver_volume_type": "rbd", "hosts": ["10.0', "null"]
    for text in strange:
        add(context, CELL, text)
    add(context, CELL, nova(OLD), deleted=77)
    add(context, CELL0, nova(OLD))
    for id_ in ("0a", "9f", "f0"):
        add(context, OTHERS, cinder(OLD), id_=id_)
    add(context, OTHERS, cinder(OLD), deleted=1, id_="b1")

    def assert_stored(*names: str) -> None:
        assert texts(context, CELL) == [*[nova(*names)] * MANY, *strange, nova(OLD)]
        assert texts(context, CELL0) == [nova(*names)]
        assert sorted(texts(context, OTHERS)) == sorted([*[cinder(*names)] * 3, cinder(OLD)])

    assert not attachments.told(context)
    found = [one.message.partition(" ")[0] for one in attachments.findings(context)]
    assert sorted(found) == sorted([str(MANY), "1", "3", "attachments"])
    attachments.tell(context)
    assert attachments.told(context)
    assert_stored(OLD, NEW)
    assert len(list(attachments.findings(context))) == 1  # what is strange stays so
    attachments.forget(context)
    assert not attachments.told(context)
    assert_stored(OLD)
    attachments.tell(context)
    attachments.drop(context, {OLD})
    assert not attachments.left(context, {OLD})
    assert_stored(NEW)


@pytest.mark.parametrize(
    "meanwhile",
    [
        "connection_info = UPPER(connection_info)",  # equal, as the column's collation compares
        "connection_info = CONCAT(connection_info, ' ')",
        "deleted = id",
    ],
)
def test_what_became_another_since_it_was_read_is_not_written_over(
    context: Context, meanwhile: str
) -> None:
    add(context, CELL, nova(OLD))
    (row,) = attachments._rows(context, attachments._naming(*attachments._monitors(context)))
    sql(context, f"UPDATE {CELL} SET {meanwhile}")
    before = texts(context, CELL)
    attachments._store(context, [row])
    assert texts(context, CELL) == before
    sql(context, f"UPDATE {CELL} SET deleted = 0, connection_info = %s", row.text)
    attachments._store(context, [row])
    assert texts(context, CELL) == [nova(OLD, NEW)]
