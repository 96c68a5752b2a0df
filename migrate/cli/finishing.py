"""The command after which nothing goes back: finish."""

from dataclasses import asdict
from typing import Any

from migrate.cli import findings
from migrate.cli.at_work import at_work
from migrate.cli.output import Progress, Screen, finding_document, plan_document
from migrate.engine import markers
from migrate.engine.finding import Severity
from migrate.engine.plan import Phase
from migrate.finish import MARK, purge, refusals
from migrate.phases import finish
from migrate.phases.session import Session


def run_finish(
    screen: Screen,
    stack: str,
    *,
    execute: bool,
    take_over: bool,
    os_cloud: str,
    past: tuple[str, ...],
) -> None:
    with at_work(
        screen, stack, "finish", changes=execute, take_over=take_over, os_cloud=os_cloud
    ) as session:
        session.refuse_unknown(past, Phase.FINISH)
        found = refusals.findings(session.context)
        screen.findings(found)
        answer: dict[str, Any] = {"findings": [finding_document(one) for one in found]}
        if markers.live(session.context):
            answer |= _purge(screen, session)
        if any(one.severity is Severity.ERROR for one in found):
            screen.answer(answer)
            findings.refuse_errors(screen, found)
        steps = session.plan.phase(Phase.FINISH)
        if not execute:
            screen.plan(steps, "would do, in this order")
            screen.say(
                "[red]After this there is no way back[/], neither by `migrate rollback` nor by "
                f"`pulumi destroy`. Nothing was changed; add --execute --past {MARK.id}."
            )
            screen.answer({**answer, "steps": plan_document(steps)})
            return
        completed = finish.finish(session, Progress(screen, steps), past)
        old = [host.name for host in session.context.source.core]
        rows = sum(sum(one.values()) for one in completed.values())
        needed = [one for one in found if one.check == refusals.NEEDED]
        then = f"what is told above as {refusals.NEEDED} moves first, then " if needed else ""
        screen.say(
            f"[green]Finished.[/] {rows} rows were migrated online. There is no way back any more; "
            f"nothing of OpenStack needs {', '.join(old)}: {then}power off by hand, and install "
            "anew before other use"
        )
        screen.answer({**answer, "online": completed, "released": old})


def _purge(screen: Screen, session: Session) -> dict[str, Any]:
    """What goes and what stays, shown and for the answer."""
    found = purge.planned(session.context)
    for title, things in (("goes", found.goes), ("stays as it is", found.stays)):
        rows = [(one.what, one.where, one.why) for one in things]
        screen.table(f"{session.context.stack}: {title}", ("what", "where", "why"), rows)
    return asdict(found)
