"""What the commands do to Ceph, by connections and a journal of their own: none knows another."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from migrate.cloud import Context, apart
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase, Plan, Step
from migrate.engine.runner import Observer, Runner
from migrate.phases import renew_ceph
from migrate.phases.plan import compose
from migrate.phases.renew_ceph import OF_MONITORS
from migrate.phases.session import Session
from tests.ceph.killed import killed_at


def of_follow(context: Context) -> Plan:
    """Ceph's steps of `follow`."""
    follow = compose(context).phase(Phase.FOLLOW)
    return Plan(tuple(one for one in follow if one.id.startswith("ceph.")))


def quietly(*_: object) -> None:
    """Nobody is told."""


def advance(
    path: Path, context: Context, steps: Collection[Step], notify: Observer = quietly
) -> None:
    """`migrate follow`, *steps* of it."""
    with closing(Journal(path, "follow")) as journal:
        Runner(of_follow(context), journal, apart(context), notify).advance(steps)


def retreat(path: Path, context: Context, dead: Collection[str] = ()) -> None:
    """Its way back, with those controllers passed over; a new *path* undoes every step."""
    mine = apart(context)
    mine = replace(mine, target=mine.target.without(dead))
    with closing(Journal(path, "rollback")) as journal:
        Runner(of_follow(context), journal, mine).retreat()


def renew(path: Path, context: Context, names: Collection[str], notify: Observer = quietly) -> None:
    """`migrate settle --ceph --execute`, with all that has no way back named."""
    with closing(Journal(path, "settle")) as journal:
        mine = Session(apart(context), compose(context), journal)
        renew_ceph.renew(mine, names, names or context.settings.ceph.monitors, notify)


def put_back(path: Path, context: Context) -> None:
    """`migrate settle --ceph --back --execute`."""
    with closing(Journal(path, "settle")) as journal:
        renew_ceph.put_back(Session(apart(context), compose(context), journal), (), quietly)


def killed_at_each_boundary(
    path: Path, context: Context, names: Collection[str] = (), upto: Step | None = None
) -> None:
    """`renew`, killed once each of its steps was begun, and once it was done; but *upto* is not."""
    of_hosts = tuple(f"{name}." for name in names)
    for step in compose(context).phase(Phase.STORAGE):
        if upto and step.id == upto.id:
            return
        if step.id.startswith(of_hosts) if names else step.id in OF_MONITORS:
            for state in (State.STARTED, State.DONE):
                killed_at(step, state, partial(renew, path, context, names))
