"""`migrate rollback` and the delete of `Takeover`: back to the source as it was at the fence."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

from migrate import markers
from migrate.errors import MigrateError, UnreachableError
from migrate.host import Host
from migrate.plan import Phase
from migrate.runner import Observer
from migrate.session import Session, opened
from migrate.verify import views
from migrate.verify.comparison import compare


def rollback(session: Session, notify: Observer) -> None:
    """Undo the window, then what `follow` made on either side. Safe to repeat, also half-way.

    A target machine that is dead is the best reason to go back: what stood on it counts as undone,
    once nobody answers for the virtual IP any more.
    """
    gone = frozenset(host.name for host in session.context.target.controllers if _is_dead(host))
    living = replace(session, context=replace(session.context, gone=gone))
    living.runner(Phase.FOLLOW, Phase.CUTOVER, notify=notify).retreat()


def _is_dead(host: Host) -> bool:
    try:
        host.run("true", timeout=10)
    except UnreachableError:
        return True
    return False


def losses(session: Session) -> list[str]:
    """What was created, changed or deleted on the target since the fence, a line each.

    Empty before the release. Kept in `losses.json` among the stack's papers (0600), with what each
    field was and is. A target that does not answer is a loss of its own kind: nobody can say.
    """
    before = views.kept(session.context)
    try:
        if markers.stage(session.context) != "released" or not before:
            return []
    except MigrateError:
        return []  # no machine says that it was released
    try:
        now = views.take_all(session.context, names=(views.ADMIN,), before=before)[views.ADMIN]
    except Exception as error:  # whatever a dead target answers, the way back stays open
        return [
            f"the target cannot be asked what was written on it: {' '.join(str(error).split())}"
        ]
    found = {str(d): d for d in compare(before[views.ADMIN], now).differences}
    path = session.home / "losses.json"
    path.touch(mode=0o600)
    kept = [
        {"type": d.type, "id": d.id, "field": d.field, "change": d.change} for d in found.values()
    ]
    path.write_text(json.dumps(kept, indent=2))
    return list(found)


def go_back(stack: str) -> None:
    """What `pulumi destroy` calls before anything else is deleted; raises and nothing is."""
    with opened(stack, "pulumi destroy", changes=True) as session:
        with suppress(MigrateError):
            losses(session)  # for the record: naming the stack has accepted them
        rollback(session, lambda *_: None)
