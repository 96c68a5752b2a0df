"""The commands before the window: plan, check, backup, follow, rehearse."""

from collections import Counter
from typing import Any

from migrate import checks
from migrate.checks.space import size
from migrate.cli import findings
from migrate.cli.at_work import at_work, refuse_missing
from migrate.cli.output import Progress, Screen, finding_document, plan_document
from migrate.cloud import Context, apart
from migrate.cloud.installation import SYSTEM
from migrate.cloud.login import ADMIN
from migrate.database import rehearsed
from migrate.database.replication import replica
from migrate.engine.finding import filled
from migrate.engine.plan import Phase, longest_path
from migrate.errors import MigrateError, PreconditionError, SettingsError, some
from migrate.phases import expected, follow, machines, readiness, rehearse, status, timings
from migrate.phases.session import context_of, opened
from migrate.shadow import remedies
from migrate.storage import backup
from migrate.storage.backup import store

SHOWN = 10  # differences that are told in the sentence
# the first line of a plan, and of the README
SCOPE = (
    f"This moves a cloud with one controller of OpenStack 2025.1 from {SYSTEM}'s packages, with "
    "Open vSwitch, IPv4, HAProxy and keepalived, to one controller of 2026.1; `migrate check` "
    "refuses what it cannot move."
)


def run_plan(screen: Screen, stack: str) -> None:
    with opened(stack, "plan", changes=False) as session:
        context = session.context
        readiness.require_path(context)
        screen.say(SCOPE)
        hop = f"{context.source.release} to {context.target.release}"
        night = session.plan.phase(Phase.FOLLOW, Phase.CUTOVER, Phase.ACCEPT)
        screen.plan(night, f"{context.stack}: {hop}")
        window = session.plan.phase(Phase.CUTOVER)
        screen.say(
            f"The window: {len(window)} steps, about {longest_path(window):.0f} s along the "
            f"longest chain, by {expected.told(session.basis, window)}{_rehearsed(context)}."
        )
        screen.say(_seed(context))
        screen.answer(plan_document(night))


def _seed(context: Context) -> str:
    """By which way the databases come first, as the machines answer now."""
    try:
        way = replica.way(apart(context, machines.PATIENCE_SECONDS))
    except MigrateError:
        return "By which way the databases come first is told where both databases answer."
    return f"As the machines are now, {way}."


def _rehearsed(context: Context) -> str:
    """Which of them are not: those of databases, once they were rehearsed."""
    found = rehearsed.kept(context)
    if not (at := found.get("at")):
        return ""
    older = [f"{name}'s by that of {when}" for name, when in rehearsed.older(found).items()]
    failed = f" ({', '.join(older)}, since it failed in this one)" if older else ""
    return f", and of databases by the rehearsal of {at}{failed}"


def run_check(screen: Screen, stack: str, *, os_cloud: str) -> None:
    refuse_missing(stack)
    found = checks.run(context_of(stack, os_cloud=os_cloud))
    screen.findings(found)
    screen.answer([finding_document(f) for f in found])
    findings.refuse_errors(screen, found)


def run_backup(screen: Screen, stack: str, *, execute: bool, take_over: bool, to: str) -> None:
    with at_work(
        screen, stack, "backup", changes=execute, runs=False, take_over=take_over
    ) as session:
        url = to or session.context.settings.backup
        if not url:
            raise SettingsError("no place for the backup: set sidestep:backup or give --to")
        store.at(url)  # a place that cannot be is told before the day on which it is needed
        screen.findings(filled(checks.backup.at(session.context, url), check="backup"))
        if not execute:
            screen.say(f"would back up every service of the source to {url}; add --execute")
            screen.answer({"would_store_at": url})
            return
        manifest = backup.back_up(session.context, url)
        if differences := backup.restore_proof(session.context, url):
            told = "; ".join(str(difference) for difference in differences[:10])
            raise PreconditionError(
                f"the backup at {url} does not restore to what the source is: {told}"
            )
        screen.say(f"[green]stored and restored, equal:[/] {url}, {len(manifest['files'])} files")
        screen.answer(manifest)


def run_follow(
    screen: Screen, stack: str, *, execute: bool, take_over: bool, past: tuple[str, ...]
) -> None:
    readiness.require_path(context_of(stack))  # before any machine is asked
    with at_work(screen, stack, "follow", changes=execute, take_over=take_over) as session:
        session.refuse_unknown(past, Phase.FOLLOW)
        steps = session.plan.phase(Phase.FOLLOW)
        if not execute:
            screen.would(steps)
            return
        follow.mend(session)
        if not readiness.begun(session.context):  # else the checks would tell just that
            findings.refuse_again(screen, session, checks.TARGET)
        follow.follow(session, Progress(screen, steps), past)
        screen.timings("what follow did, step by step", timings.of(session, Phase.FOLLOW))
        screen.answer(status.status(session, held=""))


def run_rehearse(screen: Screen, stack: str, *, execute: bool, take_over: bool) -> None:
    with at_work(
        screen, stack, "rehearse", changes=execute, runs=False, take_over=take_over
    ) as session:
        rehearse.refuse(session.context)
        if not execute:
            would = rehearse.foreseen(session.context)
            screen.remark(
                f"would clone {size(would['bytes'])} of {would['host']} into {would['folder']}: "
                f"{size(would['wanted_bytes'])} needed, {size(would['free_bytes'])} free"
            )
            screen.remark(f"would run there, without network: {'; '.join(would['tools'])}")
            apis = ", ".join(would["apis"]) or "none"
            screen.remark(f"would start on it, where nothing leaves, and only read: {apis}")
            if would["never"]:
                screen.remark(f"would never start there: {'; '.join(_reasons(would['never']))}")
            screen.say("Nothing was changed; add --execute.")
            screen.answer(would)
            return
        found = rehearse.rehearse(session)
        _measured(screen, found)
        if found["shadow"]:
            _answered(screen, found["shadow"])
        screen.answer(found)
        if wrong := rehearse.wrong(found):
            raise PreconditionError(
                f"the upgrade failed in the clone, and would in the window: {'; '.join(wrong)}; "
                "mend that on the source, `migrate follow --execute`, and rehearse again"
            )
        if differs := rehearse.differs(found):
            raise PreconditionError(
                "the release's APIs answer otherwise on the clone than the source does: "
                f"{some(differs, SHOWN, '; ')}; `--json` has them all. To mend it: "
                f"{'; '.join(remedies.of(found['shadow']))}. Mended on the source, `migrate follow "
                "--execute` brings it; then rehearse again"
            )


def _reasons(never: dict[str, str]) -> list[str]:
    return [f"{unit}, {why}" for unit, why in never.items()]


def _answered(screen: Screen, shadow: dict[str, Any]) -> None:
    """What each user was answered on the clone, kind by kind, beside what the source answers."""
    rows = []
    for view in shadow["views"]:
        who = "administrator" if view["name"] == ADMIN else view["name"]
        wrong = Counter(one["type"] for one in view["differences"])
        counts = {**dict.fromkeys(wrong, 0), **view["kinds"]}
        shown = [(type_, n) for type_, n in counts.items() if n or wrong[type_]]
        rows += [(who, type_, str(n), str(wrong[type_])) for type_, n in shown]
    title = (
        f"the release's APIs on the clone: started in {shadow['start_seconds']} s, asked for "
        f"{shadow['seconds']} s, ended; with {size(shadow['memory'])} of memory; "
        f"{shadow['left']} packets wanted to leave"
    )
    screen.table(title, ("user", "kind", "answers ", "differ "), rows)
    if shadow["own"]:
        screen.remark(
            f"{shadow['own']} packets were for the target's own daemons, which are not there: "
            + ", ".join(f"{user} {where}" for where, user in shadow["own_to"])
        )
    if shadow["never"]:
        screen.remark(f"never started there: {'; '.join(_reasons(shadow['never']))}")


def _measured(screen: Screen, found: dict[str, Any]) -> None:
    """What was predicted beside what was measured, and which tables were written anew."""
    rows = []
    for project, one in found["projects"].items():
        before = found["predicted"][project]
        state = "failed" if one["wrong"] else f"{found['predicts'][project]:.1f} s"
        times = (f"{before:.1f} s", f"{one['seconds']:.1f} s", f"{one['start']:.1f} s", state)
        rows.append((f"{project}.schema", size(one["bytes"]), *times))
    columns = ("step", "data ", "predicted ", "measured ", "of it start ", "predicted now ")
    made, looked = found["clone_seconds"], found["look_seconds"]
    title = f"rehearsed in a clone, made in {made} s; every table looked at in {looked} s"
    screen.table(title, columns, rows)
    if not found["followed"]:
        screen.remark("the target does not follow the source: it was rehearsed on what came before")
    for one in found["projects"].values():
        for table in one["rebuilt"]:
            screen.remark(
                f"written anew, which grows with the data: {table['table']}, about "
                f"{table['rows']} rows, {size(table['bytes'])}"
            )
    stay = [name for name, one in found["projects"].items() if not one["rebuilt"]]
    if stay:
        screen.remark(f"no table is written anew by the migrations of {', '.join(stay)}")
    for step, seconds in found["listings"].items():
        screen.remark(f"{step} lists this cloud in {seconds:.1f} s")
