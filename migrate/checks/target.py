"""The target is made and clean: its daemons run, empty, and nothing of another cloud is there."""

from __future__ import annotations

from migrate.checks import units
from migrate.checks.check import Check
from migrate.checks.sql import SYSTEM, session
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import ownership, progress, rehearsal
from migrate.engine.finding import Finding, Severity
from migrate.engine.markers import SCHEMA
from migrate.errors import MigrateError
from migrate.onhost.daemons import DAEMONS
from migrate.takeover import preload

NAME = "target"


def run(context: Context) -> list[Finding]:
    """Dead daemons, running services, and databases that hold tables already."""
    findings = []
    for host in context.target.controllers:
        findings += _daemons(host)
        if not host.exists(context.installation.python):
            findings.append(
                _error(
                    host,
                    f"{context.installation.folder} is not there",
                    "Run `pulumi up`: it installs it",
                )
            )
        try:
            findings += _contents(context, host)
        except MigrateError as error:
            findings.append(_error(host, str(error), "Run `pulumi up`: it starts MariaDB"))
    return findings


def _daemons(host: Host) -> list[Finding]:
    findings = []
    for state in units.states(host, list(DAEMONS)):
        if state["ActiveState"] != "active":
            there = state["LoadState"] == "loaded"
            findings.append(
                _error(
                    host,
                    f"{state['Id']} is {state['ActiveState'] if there else 'not installed'}",
                    "Run `pulumi preview --refresh` to see what is missing, `pulumi up` to mend it",
                )
            )
    return findings


def _contents(context: Context, host: Host) -> list[Finding]:
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
        marked = database.value(
            "SELECT count(*) FROM information_schema.tables "
            "WHERE table_schema = %s AND table_name = 'stage'",
            [SCHEMA],
        )
        marks = database.rows(f"SELECT stack, stage FROM {SCHEMA}.stage") if marked else []  # noqa: S608
    stacks = {str(mark.get("stack", "")) for mark in marks}
    if stacks - {context.stack}:
        return [
            _error(
                host,
                f"it carries marks of stack {', '.join(sorted(stacks - {context.stack}))}",
                "It belongs to another move: take another machine, or destroy that stack first",
            )
        ]
    if stacks:
        stages = ", ".join(str(mark.get("stage")) for mark in marks)
        return [
            Finding(
                NAME,
                Severity.INFO,
                f"it already carries this stack's data, marked {stages}",
                "`migrate status` says where the move stands",
                host.name,
            )
        ]
    findings = [
        _error(
            host,
            f"its database {schema} already holds {tables} table(s)",
            "The target must be empty: take a fresh machine (`pulumi destroy`, `pulumi up`)",
        )
        for schema, tables in sorted(holding.items())
    ]
    wanted = [unit for recipe in context.recipes for unit in recipe.target_units]
    held = {f"{unit}.service" for unit in preload.held(context, host)}
    for state in units.states(host, wanted):
        if state["ActiveState"] == "active" and state["Id"] not in held:
            findings.append(
                _error(
                    host,
                    f"{state['Id']} runs there before the cutover",
                    f"Stop and disable it: systemctl disable --now {state['Id']}",
                )
            )
    return findings


def _error(host: Host, message: str, remedy: str) -> Finding:
    return Finding(NAME, Severity.ERROR, message, remedy, host.name)


CHECK = Check(NAME, "the target is made, runs its daemons and holds nothing", run, quick=True)
