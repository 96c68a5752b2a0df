"""A source that is not what the recipes move: everything wrong with it at once, asked once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate import checks
from migrate.checks import (
    accounts,
    backends,
    definitions,
    endpoints,
    keepalived,
    records,
    revisions,
    scope,
    shape,
)
from migrate.cloud import Context, login
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, Severity
from tests.checked import check_of
from tests.checks.conftest import assert_is_one_error, errors

pytestmark = pytest.mark.rig
CHECKS = (
    check_of(scope),
    check_of(shape),
    check_of(keepalived),
    check_of(endpoints),
    check_of(backends),
    check_of(accounts),
    check_of(definitions),
    check_of(records),
    check_of(revisions),
)

BREAK = Path(__file__).with_name("scope-break.sh").read_text()
MEND = Path(__file__).with_name("scope-mend.sh").read_text()


@pytest.fixture(scope="module")
def whole(context: Context) -> list[Finding]:
    return [one for check in CHECKS for one in errors(check, context)]


@pytest.fixture(scope="module")
def found(context: Context, source: Host, whole: list[Finding]) -> Iterator[list[Finding]]:
    """What the checks say of all of it, by one run of them."""
    assert not whole
    vip, own = str(context.source.virtual_ips[0].address), source.address
    keystone = login.connection(context).identity
    service = keystone.create_service(type="load-balancer", name="octavia")
    image = next(iter(keystone.services(type="image")))
    made = [
        keystone.create_endpoint(service_id=one.id, interface="internal", url=url)
        for one, url in ((service, f"http://{vip}:9876"), (image, f"http://{own}:9292"))
    ]
    head = source.shell("mariadb -N glance -e 'SELECT version_num FROM alembic_version'").strip()
    try:
        source.shell(BREAK, vip, own)
        yield checks.run(context, CHECKS)
    finally:
        source.shell(MEND, own, head)
        for one in made:
            keystone.delete_endpoint(one)
        keystone.delete_service(service)


def test_a_source_as_it_should_be_has_no_error(whole: list[Finding]) -> None:
    assert not whole


@pytest.mark.parametrize(
    ("thing", "seen"),
    [
        ("billing-api", ("connected to the database", "connected to the cache")),
        (
            "octavia",
            (
                "octavia-api.service runs",
                ":9876",
                "database octavia holds 1 table",
                "the catalogue has load-balancer",
            ),
        ),
        ("designate", ("designate-worker.service runs", "connected to the broker")),
        ("status-page", ("listens on *:8181",)),
        ("cinder-backup", ("cinder-backup.service runs",)),
        ("invoices", ("database invoices holds 1 table",)),
    ],
)
def test_each_thing_is_one_error_with_a_remedy(
    found: list[Finding], thing: str, seen: tuple[str, ...]
) -> None:
    of = [one for one in found if one.message.startswith(f"{thing} is moved by no recipe")]
    assert len(of) == 1, [str(one) for one in found]
    assert of[0].severity is Severity.ERROR
    assert all(word in of[0].message for word in seen), of[0].message
    assert f"sidestep:leave: ['{thing}']" in of[0].remedy


def test_nothing_else_is_in_scope(found: list[Finding]) -> None:
    things = {one.message.split()[0] for one in found if one.check == check_of(scope).name}
    expected = {"billing-api", "octavia", "designate", "status-page", "cinder-backup", "invoices"}
    assert things == expected


@pytest.mark.parametrize(
    "words",
    [
        (check_of(shape).name, "pacemaker manages"),
        (check_of(shape).name, "ovn-northd runs"),
        (check_of(shape).name, "all-in-one"),
        (check_of(keepalived).name, "2 VRRP instances"),
        (check_of(keepalived).name, "carries 192.0.2.77 too"),
        (check_of(endpoints).name, "endpoint of image", ":9292, and", "no virtual IP"),
        (check_of(backends).name, "glance's store rbd1 is of kind rbd"),
        (check_of(accounts).name, "keystone logs in as root"),
        (check_of(accounts).name, "may take role writers with READ_ONLY ADMIN"),
        (check_of(accounts).name, "on the target, and its accounts are for"),
        (check_of(accounts).name, "logs in by ed25519"),
        (check_of(accounts).name, "has rights on invoices.one, which is not moved"),
        (check_of(definitions).name, "1 value(s) of glance.ratios.one have more digits"),
        (check_of(definitions).name, "glance.images.bak has a name"),
        (check_of(definitions).name, "glance.past is system-versioned"),
        (check_of(definitions).name, "glance.counter is a sequence"),
        (check_of(definitions).name, "glance.clock has columns of the old temporal format: at"),
        (check_of(definitions).name, "glance.labels is of ROW_FORMAT=COMPACT"),
        (check_of(definitions).name, "of glance.afar reaches database invoices"),
        (check_of(definitions).name, "view glance.bills reaches database invoices"),
        (check_of(revisions).name, "database glance shows before, its release ends in"),
    ],
    ids=lambda words: words[1],
)
def test_each_is_an_error_with_a_remedy(found: list[Finding], words: tuple[str, ...]) -> None:
    assert_is_one_error(found, *words)


@pytest.mark.parametrize(
    "words",
    [
        (check_of(definitions).name, "database glance makes tables of latin1"),
        (
            check_of(records).name,
            "1 application credential(s) are of a user or project that is not there",
        ),
    ],
    ids=lambda words: words[1],
)
def test_each_is_a_warning(found: list[Finding], words: tuple[str, ...]) -> None:
    of = [one for one in found if one.check == words[0] and words[1] in one.message]
    assert [one.severity for one in of] == [Severity.WARNING], [str(one) for one in found]


def test_the_statement_that_mends_floats_does(
    context: Context, source: Host, found: list[Finding]
) -> None:
    """Run as it is told, and the check is content."""
    (told,) = (one for one in found if "glance.ratios.one" in one.message)
    source.shell(f"mariadb <<'END'\n{told.remedy};\nEND")
    assert not [one for one in check_of(definitions).run(context) if "ratios" in one.message]
