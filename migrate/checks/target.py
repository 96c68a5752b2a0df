"""The target is made and clean: its daemons run, empty, and nothing of another cloud is there."""

from collections.abc import Iterator

from migrate.checks.sql import SYSTEM, session
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import ownership, progress, rehearsal
from migrate.engine.finding import Finding, error, filled, info
from migrate.engine.markers import SCHEMA
from migrate.errors import MigrateError
from migrate.onhost import call, systemd
from migrate.onhost.daemons import DAEMONS
from migrate.takeover import preload


def run(context: Context) -> Iterator[Finding]:
    """Dead daemons, running services, and databases that hold tables already."""
    for host in context.target.controllers:
        yield from filled(_host(context, host), where=host.name)


def _host(context: Context, host: Host) -> Iterator[Finding]:
    yield from _daemons(host)
    folder = context.installation.folder
    if not host.exists(context.installation.python):
        yield error(f"{folder} is not there", "Run `pulumi up`: it installs it")
    try:
        yield from list(_contents(context, host))  # what was found before it failed does not count
    except MigrateError as failure:
        yield error(str(failure), "Run `pulumi up`: it starts MariaDB")


def _daemons(host: Host) -> Iterator[Finding]:
    shown = call(host, "systemd.show", list(DAEMONS))
    for unit in map(systemd.full, DAEMONS):
        state = shown.get(unit, {}).get("ActiveState", "not installed")
        if state != "active":
            yield error(
                f"{unit} is {state}",
                "Run `pulumi preview --refresh` to see what is missing, `pulumi up` to mend it",
            )


def _contents(context: Context, host: Host) -> Iterator[Finding]:
    """Data and running services; after a copy of ours, marked as such, both are as they should."""
    ours = {*ownership.recorded(host)["databases"], progress.SCHEMA}  # a first pass put them there
    with session(host) as database:
        holding = {
            row["table_schema"]: int(row["tables"])
            for row in database.rows(
                "SELECT table_schema, count(*) AS tables FROM information_schema.tables "
                "GROUP BY table_schema"
            )
            if row["table_schema"] not in {*SYSTEM, *ours}
            and not row["table_schema"].startswith(rehearsal.PREFIX)
        }
        marked = database.has(SCHEMA, "stage")
        marks = database.rows(f"SELECT stack, stage FROM {SCHEMA}.stage") if marked else []  # noqa: S608
    stacks = {str(mark.get("stack", "")) for mark in marks}
    if others := stacks - {context.stack}:
        yield error(
            f"it carries marks of stack {', '.join(sorted(others))}",
            "It belongs to another move: take another machine, or destroy that stack first",
        )
        return
    if stacks:
        stages = ", ".join(str(mark.get("stage")) for mark in marks)
        yield info(
            f"it already carries this stack's data, marked {stages}",
            "`migrate status` says where the move stands",
        )
        return
    for schema, tables in sorted(holding.items()):
        yield error(
            f"its database {schema} already holds {tables} table(s)",
            "The target must be empty: take a fresh machine (`pulumi destroy`, `pulumi up`)",
        )
    wanted = [unit for recipe in context.recipes for unit in recipe.target_units]
    held = {f"{unit}.service" for unit in preload.held(context, host)}
    for unit, state in call(host, "systemd.show", wanted).items():
        if state["ActiveState"] == "active" and unit not in held:
            yield error(
                f"{unit} runs there before the cutover",
                f"Stop and disable it: systemctl disable --now {unit}",
            )
