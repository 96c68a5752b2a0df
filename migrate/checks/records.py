"""What stands in the source's databases that would hold the window up, or is of no use any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrate.checks.check import Check
from migrate.checks.sql import Database, session
from migrate.cloud import Context
from migrate.database.connection import quoted
from migrate.database.places import places
from migrate.engine.finding import Finding, Severity

NAME = "records"
MANY = 10_000  # deleted rows that are worth to be removed before they are copied and compared
HOUR = "UTC_TIMESTAMP() - INTERVAL 1 HOUR"


@dataclass(frozen=True, slots=True)
class Question:
    """Rows of `usual`'s *table* that match *where*: told by *told* from `least` on."""

    usual: str
    table: str
    where: str
    told: str
    remedy: str
    severity: Severity = Severity.ERROR
    least: int = 1


QUESTIONS = (
    Question(
        "nova",
        "instances",
        f"deleted = 0 AND task_state IS NOT NULL AND updated_at < {HOUR}",
        "server(s) are in the middle of a task for more than an hour: the drain would wait in vain",
        "openstack server set --state error, or --state active, each",
    ),
    Question(
        "cinder",
        "volumes",
        "deleted = 0 AND status IN ('attaching', 'detaching', 'creating', 'deleting', 'extending', "
        f"'uploading', 'downloading', 'retyping', 'backing-up') AND updated_at < {HOUR}",
        "volume(s) are in the middle of something for more than an hour: the drain would wait in "
        "vain",
        "openstack volume set --state available, --attached or --detached, each",
    ),
    Question(
        "nova",
        "instances",
        "deleted <> 0",
        "deleted servers were never archived: they are copied and compared too",
        "nova-manage db archive_deleted_rows --all-cells --until-complete --purge",
        Severity.WARNING,
        MANY,
    ),
    Question(
        "cinder",
        "volumes",
        "deleted <> 0",
        "deleted volumes were never purged: they are copied and compared too",
        "cinder-manage db purge 30",
        Severity.WARNING,
        MANY,
    ),
    Question(
        "glance",
        "images",
        "deleted <> 0",
        "deleted images were never purged: they are copied and compared too",
        "glance-manage db purge --age_in_days 30, then glance-manage db purge_images_table",
        Severity.WARNING,
        MANY,
    ),
    Question(
        "heat",
        "stack",
        "deleted_at IS NOT NULL",
        "deleted stacks were never purged: they are copied and compared too",
        "heat-manage purge_deleted 30",
        Severity.WARNING,
        MANY,
    ),
    Question(
        "keystone",
        "application_credential",
        "NOT EXISTS (SELECT 1 FROM {d}.user u WHERE u.id = {t}.user_id) OR "
        "(project_id IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM {d}.project p WHERE p.id = {t}.project_id)) OR NOT EXISTS "
        "(SELECT 1 FROM {d}.application_credential_role r "
        "WHERE r.application_credential_id = {t}.internal_id)",
        "application credential(s) are of a user or project that is not there, or have no role: "
        "they work on neither side",
        "Delete them (`openstack application credential delete`)",
        Severity.WARNING,
    ),
    Question(
        "keystone",
        "trust",
        "deleted_at IS NULL AND ((project_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {d}.project "
        "p WHERE p.id = {t}.project_id)) OR NOT EXISTS "
        "(SELECT 1 FROM {d}.trust_role r WHERE r.trust_id = {t}.id))",
        "trust(s) are of a project that is not there, or have no role: stacks that use them fail "
        "on either side",
        "Update those stacks, so that they make another, or delete the trust",
        Severity.WARNING,
    ),
)


def run(context: Context) -> list[Finding]:
    """One finding for each question that has enough rows; of nova, in every cell."""
    host = context.source.first
    found = places(host, context.recipes)
    with session(host) as database:
        told = [
            (question, place.name, count)
            for question in QUESTIONS
            for place in found
            if place.usual == question.usual
            for count in _count(database, question, place.name)
        ]
    return [
        Finding(NAME, one.severity, f"{count} {one.told} ({name})", one.remedy, host.name)
        for one, name, count in told
        if count >= one.least
    ]


def _count(database: Database, question: Question, name: str) -> Iterator[int]:
    """How many rows; nothing where the source's release has no such table."""
    if database.value(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = %s AND "
        "table_name = %s",
        [name, question.table],
    ):
        table = quoted(name, question.table)
        where = question.where.format(d=quoted(name), t=table)
        yield int(database.value(f"SELECT count(*) FROM {table} WHERE {where}"))  # noqa: S608


CHECK = Check(NAME, "records that hold the window up", run)
