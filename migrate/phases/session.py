"""One command at work on one stack: its settings, both clouds, the plan, the journal, the lock."""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from migrate.cloud import Context, connect, settings
from migrate.cloud.admission import Run
from migrate.cloud.os_cloud import logging_in_as
from migrate.computes import operators
from migrate.engine import cloud_lock, state_lock
from migrate.engine.cancellation import Cancellation
from migrate.engine.journal import Journal
from migrate.engine.plan import Phase, Plan
from migrate.engine.runner import Observer, Runner
from migrate.errors import JournalError, SettingsError
from migrate.phases import expected
from migrate.phases.plan import compose
from migrate.services import chosen


@dataclass(frozen=True, slots=True)
class Session:
    """What the commands share; whoever changes things holds the lock.

    `tell` shows people a line that is no step's.
    """

    context: Context
    plan: Plan
    journal: Journal
    tell: Callable[[str], None] = lambda _: None
    cancellation: Cancellation = field(default_factory=Cancellation)

    @property
    def home(self) -> Path:
        return self.context.home

    def runner(
        self,
        *phases: Phase,
        notify: Observer = lambda *_: None,
        past: Collection[str] = (),
        standing: Collection[str] = (),
    ) -> Runner:
        """A runner over the steps of *phases* only; *past* names steps without a way back.

        Those of *standing* were begun, as machines say, whatever the journal does.
        """
        self.refuse_unknown(past)
        return Runner(
            self.plan.phase(*phases),
            self.journal,
            self.context,
            notify,
            allowed=past,
            standing=standing,
            cancellation=self.cancellation,
        )

    def refuse_unknown(self, past: Collection[str], *phases: Phase) -> None:
        """SettingsError where *past* names what is no step of *phases*, or at all, without a way
        back.
        """
        steps = self.plan.phase(*phases) if phases else self.plan
        if unknown := set(past) - {step.id for step in steps if step.revert is None}:
            raise SettingsError(
                f"--past {', '.join(sorted(unknown))}: no such step without a way back; "
                "the command without --execute marks them `none` in `way back`"
            )

    def remark(self, kind: str, text: str) -> None:
        """Record in the journal, and show, what is no step's event; a full disk forbids nothing."""
        with suppress(JournalError):
            self.journal.remark(kind, text)
        self.tell(f"{kind}: {text}")


def context_of(
    stack: str, root: Path | None = None, run: Run | None = None, os_cloud: str = ""
) -> Context:
    """The context of *stack*; reads its file, contacts nothing.

    *os_cloud* is the administrator's entry of clouds.yaml, where it is not the stack's.
    """
    decided, home = settings.load(stack, root), settings.home(stack, root)
    if os_cloud:
        decided = logging_in_as(decided, os_cloud)
    return connect(stack, decided, home, chosen(decided.services), run=run)


def _planned(context: Context, journal: Journal) -> Plan:
    """The plan, with the times that steps will take here."""
    return expected.foreseen(compose(context), *expected.known(context, journal))[0]


@contextmanager
def opened(
    stack: str,
    command: str,
    *,
    changes: bool,
    notes: bool = False,
    root: Path | None = None,
    take_over: bool = False,
    os_cloud: str = "",
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Session]:
    """A session for *command*; with *changes* the only one on the stack, noted in the journal.

    Before that one begins, what an earlier run left running, here or on any host, is gone. One that
    *notes* something is beside others; any other only reads, also in a folder that takes nothing.
    """
    context = context_of(stack, root, Run() if changes else None, os_cloud)
    if not changes:
        with closing(Journal(context.home / "journal", reading=not notes)) as journal:
            yield Session(context, _planned(context, journal), journal, tell)
        return
    take_over = take_over or os.environ.get(cloud_lock.TAKE_OVER) == stack
    with (
        state_lock.held(context.home, command) as mine,
        closing(Journal(context.home / "journal", command)) as journal,
    ):
        session = Session(context, _planned(context, journal), journal, tell)
        for left in operators.end_left(context):
            session.remark("orphan", f"ended on this machine: {left}")
        with cloud_lock.held(context, mine, session.remark, take_over=take_over):
            yield session
