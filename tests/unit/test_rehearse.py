"""What is computed of a rehearsal without a server: failures, rebuilt tables, times, URLs."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.cloud import urls
from migrate.database import failure, rebuilt, rehearsed
from migrate.database.rebuilt import Table
from migrate.engine.plan import Impact, Phase, nothing, step
from migrate.onhost import logins, tools
from migrate.phases.plan import compose
from tests.unit import fakes

TWICE = """Traceback (most recent call last):
  File "x", line 1, in y
sqlalchemy.exc.IntegrityError: (pymysql.err.IntegrityError) \
(1062, "Duplicate entry 'net-1' for key 'uniq_physical'")
[SQL: ALTER TABLE network_segment_ranges
 ADD CONSTRAINT uniq_physical UNIQUE (physical_network)]
(Background on this error at: https://sqlalche.me/e/20/gkpj)
"""
VALUES = """(pymysql.err.DataError) (1265, "Data truncated for column 'use_quota' at row 3")
[SQL: UPDATE volumes SET name=%(name)s]
[parameters: {'name': 'a secret of a user'}]
(Background on this error at: https://sqlalche.me/e/20/9h9h)
"""


def test_a_failure_names_statement_and_row() -> None:
    assert failure.told(TWICE, "b1bca967e19d") == (
        "revision b1bca967e19d: Duplicate entry 'net-1' for key 'uniq_physical' (error 1062); the "
        "statement: ALTER TABLE network_segment_ranges ADD CONSTRAINT uniq_physical UNIQUE "
        "(physical_network)"
    )


def test_values_of_rows_are_left_out() -> None:
    told = failure.told(VALUES)
    assert told.startswith("Data truncated for column 'use_quota' at row 3 (error 1265)")
    assert "secret" not in told
    assert "secret" not in failure.told(VALUES.replace("[SQL", "[other"))


def test_what_has_no_statement_is_told_by_its_last_lines() -> None:
    assert failure.told("one\ntwo\n") == "one | two"
    assert failure.told("") == "it said nothing"


def test_tables_with_another_number_were_rebuilt_the_largest_first() -> None:
    before = {"a.x": Table(1, 5, 10), "a.y": Table(2, 5, 30), "a.z": Table(3, 1, 1)}
    after = {"a.x": Table(7, 5, 10), "a.y": Table(8, 5, 30), "a.z": Table(3, 1, 1)}
    assert list(rebuilt.rebuilt(before, {**after, "a.new": Table(9, 0, 0)})) == ["a.y", "a.x"]
    assert rebuilt.decoded("beta@002d1/words") == "beta-1.words"


@pytest.mark.parametrize(("wrong", "seconds"), [([], 7.5), (["it failed"], 3)])
def test_the_plan_has_the_time_of_a_rehearsal_that_went_well(
    tmp_path: Path, wrong: list[str], seconds: float
) -> None:
    context, _ = fakes.context(tmp_path)
    one = step(
        *(Phase.CUTOVER, Impact.NONE, "nova.schema", "x"),
        (lambda _: True, nothing, nothing),
        seconds=3,
    )
    assert list(rehearsed.timed([one], rehearsed.kept(context))) == [one]
    projects = {"nova": {"work": 4.5, "wrong": wrong}}
    rehearsed.keep(context, {"look_seconds": 2, "followed": True, "projects": projects})
    assert [s.estimate for s in rehearsed.timed([one], rehearsed.kept(context))] == [seconds]
    (tmp_path / rehearsed.FILE).write_text("not ours")
    assert rehearsed.kept(context) == {}


def test_a_failure_does_not_drop_what_went_well_before(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path)
    one = step(
        *(Phase.CUTOVER, Impact.NONE, "nova.schema", "x"),
        (lambda _: True, nothing, nothing),
        seconds=3,
    )
    well, failed = ({"nova": {"work": 4.5, "wrong": wrong}} for wrong in ([], ["it failed"]))
    told = {"look_seconds": 2, "followed": True}
    rehearsed.keep(context, {**told, "at": "Monday", "projects": well})
    assert rehearsed.older(rehearsed.kept(context)) == {}
    for day in ("Tuesday", "Wednesday"):
        rehearsed.keep(context, {**told, "at": day, "projects": failed})
        found = rehearsed.kept(context)
        assert [s.estimate for s in rehearsed.timed([one], found)] == [7.5]
        assert rehearsed.older(found) == {"nova": "Monday"}


def test_a_url_that_names_a_socket_is_asked_there() -> None:
    login = urls.parse("mysql+pymysql://u:p@localhost/d?unix_socket=/run/x/s&charset=utf8").login()
    assert 'socket="/run/x/s"' in logins.options(login)
    assert "socket" not in urls.parse("mysql+pymysql://u:p@h/d?charset=utf8").login()


def test_a_tool_tells_how_long_it_and_its_upgrades_took() -> None:
    program = "import sys,time\nfor one in 'ab': print('INFO Running upgrade 0 -> ' + one + ', x')"
    told = tools.run("root", "/usr/bin:/bin", ["python3", "-c", program], {})
    assert told["status"] == 0
    assert [name for name, _ in told["upgrades"]] == ["a", "b"]
    assert told["seconds"] >= sum(seconds for _, seconds in told["upgrades"])


@pytest.mark.parametrize(("followed", "brings"), [(True, 4.0), (False, 6.0)])
def test_the_plan_has_the_time_of_a_look_at_every_table(
    tmp_path: Path, followed: bool, brings: float
) -> None:
    """Where nothing follows, what did not come is brought besides."""
    context, _ = fakes.context(tmp_path)
    document = {"look_seconds": 4.0, "followed": followed, "projects": {}}
    rehearsed.keep(context, document)
    found = {one.id: one.estimate for one in compose(context)}
    assert found[rehearsed.BRINGS] == brings
    assert [found[one] for one in rehearsed.LOOKS] == [4.0, 4.0]
