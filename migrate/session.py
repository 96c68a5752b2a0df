"""One command at work on one stack: its settings, both clouds, the plan, the journal, the lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from migrate import lock, settings
from migrate.cloud import Context, connect
from migrate.journal import Journal
from migrate.phases.compose import compose
from migrate.plan import Phase, Plan
from migrate.runner import Observer, Runner
from migrate.services import RECIPES


@dataclass(frozen=True, slots=True)
class Session:
    """What the commands share; whoever changes things holds the lock."""

    context: Context
    plan: Plan
    journal: Journal

    @property
    def home(self) -> Path:
        return self.context.home

    def runner(self, *phases: Phase, notify: Observer = lambda *_: None) -> Runner:
        """A runner over the steps of *phases* only."""
        return Runner(self.plan.phase(*phases), self.journal, self.context, notify)


def context_of(stack: str, root: Path | None = None) -> Context:
    """The context of *stack*; reads its file, contacts nothing."""
    return connect(stack, settings.load(stack, root), settings.home(stack, root), RECIPES)


@contextmanager
def opened(
    stack: str, command: str, *, changes: bool, root: Path | None = None
) -> Iterator[Session]:
    """A session for *command*; with *changes* under the stack's lock and noted in the journal."""
    context = context_of(stack, root)
    if not changes:
        yield Session(context, compose(context), Journal(context.home / "journal"))
        return
    with lock.held(context.home, command):
        journal = Journal(context.home / "journal", command)
        try:
            yield Session(context, compose(context), journal)
        finally:
            journal.close()
