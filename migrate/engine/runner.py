"""Carry a plan out against a journal: forwards, or back to where it began."""

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import NoReturn

from migrate.cloud import Context
from migrate.engine.cancellation import Cancellation
from migrate.engine.journal import BEGUN, Journal, State
from migrate.engine.order import Order
from migrate.engine.plan import Phase, Plan, Step
from migrate.engine.window import WAS_DONE, foretold
from migrate.errors import (
    IrreversibleError,
    JournalError,
    LockedError,
    MigrateError,
    PassedOverError,
    RefusedError,
    StepError,
    UnreachableError,
)

Observer = Callable[[Step, State, str], None]
WORKERS = 8
HOSTS = (Phase.SETTLE, Phase.UPDATE)  # whose steps are those of one host each
BOOTS = (
    ". One that had come over boots into the target's release, which must not meet the source: "
    "keep it off, or mask its nova-compute and network agents as soon as it is up, until the same "
    "again has undone that"
)


class Runner:
    """Runs steps whose needs are met side by side; nothing new starts after a failure or a stop."""

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        context: Context,
        notify: Observer = lambda *_: None,
        workers: int = WORKERS,
        *,
        allowed: Collection[str] = (),
        standing: Collection[str] = (),
        cancellation: Cancellation | None = None,
    ) -> None:
        self.plan, self.journal, self.context = plan, journal, context
        self.allowed = allowed  # steps without a way back that the operator named
        self.standing = standing  # steps that were begun, whatever this journal says
        self.notify, self.workers = notify, workers
        self.cancellation = cancellation or Cancellation()
        # what compute hosts keep from being undone, and why
        self._owed: list[tuple[Step, UnreachableError]] = []
        self._upon: dict[str, set[str]] = {}  # what is undone before each

    def advance(self, only: Collection[Step] | None = None) -> None:
        """Apply every step that the machines do not show as done, each after its needs.

        *only* are those that are meant, which need no other; all by default.
        Raises StepError naming every step that failed. Run again, it goes on where the machines
        stand: each step is asked first, whatever the journal says.
        """
        self.prepare()
        self.apply(self.plan if only is None else only)

    def prepare(self) -> None:
        """Refuse what `advance` would, of the whole plan, before anything is applied."""
        self.refuse_unnamed()
        for phase in {step.phase: None for step in self.plan}:
            self.journal.resume(phase, self.plan.fingerprint(phase), partial(self._bound, phase))

    def apply(self, steps: Plan | Collection[Step]) -> None:
        """`advance` over *steps* of a plan that was prepared; others may be applied beside them."""
        self._carry_out(steps, {step.id: step.needs for step in steps}, self._apply)

    def refuse_unnamed(self) -> None:
        """IrreversibleError if a step without a way back would run and was not named."""
        if unnamed := [one for one in self.plan if self._unnamed(one)]:
            told = "; ".join(f"{one.id} ({one.title})" for one in unnamed)
            named = " ".join(f"--past {one.id}" for one in unnamed)
            raise IrreversibleError(
                f"there is no way back past {told}; nothing was begun: add {named} to go past"
            )

    def retreat(self, only: Collection[Step] | None = None) -> None:
        """Revert what was begun, or *only* these, each step after all that need it.

        *only* are reverted whatever this journal says: another desk's may have begun them.

        Refuses before touching anything if a begun step has no way back (IrreversibleError). A
        compute host that is dead holds nothing up: StepError names it when all else is undone.
        A lost journal reverts every step: a revert of what never happened changes nothing.
        """
        self.refuse_one_way()
        begun, self._owed = self.begun() if only is None else list(only), []
        self._upon = self._needed_by(begun)
        for phase in reversed(Phase):  # one is undone whole before the one before it is touched
            steps = [step for step in reversed(begun) if step.phase is phase]
            self._carry_out(steps, self._upon, self._revert)
        if self._owed:
            self._tell_owed(came_over=only is None)

    def _tell_owed(self, *, came_over: bool) -> NoReturn:
        """PassedOverError where all of these hosts are dead; StepError where one refuses us."""
        told = dict.fromkeys(f"{step.id}: {_describe(error)}" for step, error in self._owed)
        came_over &= any(step.phase is Phase.SETTLE for step, _ in self._owed)
        words = (
            f"all else is undone, but not {'; '.join(told)}. Bring that host back, or "
            "take it out of sidestep:source.computes, then the same again"
            f"{BOOTS if came_over else ''}"
        )
        errors = [error for _, error in self._owed]
        if any(isinstance(error, RefusedError) for error in errors):
            raise StepError(words)
        raise PassedOverError(words, {name for error in errors for name in error.hosts})

    def _needed_by(self, steps: Collection[Step]) -> dict[str, set[str]]:
        """Those of *steps* that need each of them, also through steps that are not among them."""
        needed_by: dict[str, set[str]] = {step.id: set() for step in steps}
        through: dict[str, set[str]] = {}  # what a step that is not among them needs of them
        for step in self.plan:
            needs = [{one} if one in needed_by else through.get(one, set()) for one in step.needs]
            those = set[str]().union(*needs)
            if step.id not in needed_by:
                through[step.id] = those
                continue
            for need in those:
                needed_by[need].add(step.id)
        return needed_by

    def _bound(self, phase: Phase) -> bool:
        """Whether *phase* can only go on with the plan that began it.

        While the source serves a newer program may add steps; it must know those that stand.
        """
        if phase is Phase.UPDATE:
            return False  # each is another one: hosts, and whether they boot, are decided anew
        begun = set(self.journal.begun(phase))
        known = {step.id for step in self.plan}
        return bool(begun) and (phase is Phase.CUTOVER or not begun <= known)

    def refuse_one_way(self) -> None:
        """IrreversibleError if a step without a way back stands between here and there."""
        if stuck := [s.id for s in self.begun() if s.revert is None and self._stands(s)]:
            raise IrreversibleError(f"there is no way back past {', '.join(stuck)}")

    def begun(self) -> list[Step]:
        """What `retreat` undoes, in the plan's order: of a lost journal every step."""
        states = self.journal.states()
        lost = not states or self._is_of_another_desk(states)
        known = {s.id for s in self.plan if states.get(s.id) in BEGUN}.union(self.standing)
        return [s for s in self.plan if lost or s.id in known]

    def _is_of_another_desk(self, states: Mapping[str, State]) -> bool:
        """Whether it knows what comes after a window, and of none: that was run elsewhere."""
        window = [s for s in self.plan if s.phase is Phase.CUTOVER]
        after = [s for s in self.plan if s.phase in (Phase.ACCEPT, Phase.STORAGE, Phase.SETTLE)]
        return (
            bool(window)
            and not any(s.id in states for s in window)
            and any(states.get(s.id) in BEGUN for s in after)
        )

    def _unnamed(self, step: Step) -> bool:
        if step.revert is not None or step.id in self.allowed:
            return False
        return not step.done(self.context)

    def _stands(self, step: Step) -> bool:
        return self.journal.state(step.id) in BEGUN or step.done(self.context)

    def _carry_out(
        self,
        steps: Iterable[Step],
        needs: Mapping[str, Collection[str]],
        act: Callable[[Step], None],
    ) -> None:
        waiting = {step.id: step for step in steps}
        order = Order({id_: waiting.keys() & set(needs[id_]) for id_ in waiting})
        running: dict[Future[None], Step] = {}
        failures: list[tuple[Step, BaseException]] = []
        with ThreadPoolExecutor(self.workers, thread_name_prefix="step") as pool:
            while True:
                free = min(len(order), self.workers - len(running))
                ready = [order.take() for _ in range(free)]
                if not failures and self.cancellation.begins(ready):
                    for id_ in ready:
                        step = waiting.pop(id_)
                        running[pool.submit(act, step)] = step
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    step = running.pop(future)
                    self.cancellation.ended(step.id)
                    if error := future.exception():
                        failures.append((step, error))
                    else:
                        order.done(step.id)
        self._tell(failures, list(waiting))

    def _tell(self, failures: list[tuple[Step, BaseException]], waiting: list[str]) -> None:
        """StepError that names what failed, or what was not begun."""
        for _, error in failures:
            if not isinstance(error, MigrateError):
                raise error  # a bug: its traceback is worth more than our sentence
        if failures:
            told = "; ".join(f"{step.id}: {_describe(error)}" for step, error in failures)
            if self.cancellation.requested:
                told = f"{self.cancellation.reason}: {told}"
            # one that was taken over by another run says more than what failed beside it
            errors = [error for _, error in failures]
            taken = (error for error in errors if isinstance(error, LockedError))
            raise StepError(told) from next(taken, errors[0])
        if waiting:
            more = f" and {len(waiting) - 1} more" if waiting[1:] else ""
            raise StepError(f"{self.cancellation.reason} before {waiting[0]}{more}")

    def _apply(self, step: Step) -> None:
        self.journal.record(step.phase, step.id, State.STARTED, foretold(step.estimate))
        self.notify(step, State.STARTED, "")
        try:
            already = step.done(self.context)
            if not already:
                step.apply(self.context)
        except BaseException as error:
            self._mark_failed(step, error)
            raise
        self._mark(step, State.DONE, WAS_DONE if already else "")

    def _revert(self, step: Step) -> None:
        self._mark_if_possible(step, State.REVERTING)
        if error := self._owed_upon(step):
            self._mark_failed(step, error)
            self._owed.append((step, error))
            return
        note = ""
        try:
            if step.revert is not None:
                step.revert(self.context)
        except UnreachableError as error:
            refused = isinstance(error, RefusedError)  # it answers: it is not dead
            if refused or not error.hosts or not error.hosts <= self.context.dead_targets:
                self._mark_failed(step, error)
                self._owe(step, error)
                return
            note = f"{', '.join(sorted(error.hosts))} is dead, what stood there went with it"
        except BaseException as error:
            self._mark_failed(step, error)
            raise
        self._mark_if_possible(step, State.REVERTED, note)

    def _owed_upon(self, step: Step) -> UnreachableError | None:
        """Why what stands upon *step* of a compute host is not undone; None where all of it is.

        A host that comes back meanwhile would lose what still runs from it. Steps of other phases
        are of all hosts, and none holds them up.
        """
        if step.phase not in HOSTS:
            return None
        upon = self._upon[step.id]
        return next((error for one, error in self._owed if one.id in upon), None)

    def _owe(self, step: Step, error: UnreachableError) -> None:
        """Let the way back go on past a dead compute host; *error* is raised for any other."""
        if not error.hosts or not error.hosts <= self.context.optional:
            raise error
        self._owed.append((step, error))

    def _mark_failed(self, step: Step, error: BaseException) -> None:
        """Neither hides the other: *error*, and that it could not be recorded."""
        why = str(error) or type(error).__name__
        try:
            self.journal.record(step.phase, step.id, State.FAILED, why)
        except JournalError as unrecorded:
            error.add_note(f"not recorded: {unrecorded}")
        self.notify(step, State.FAILED, why)

    def _mark_if_possible(self, step: Step, state: State, note: str = "") -> None:
        """A full disk must not keep the cloud closed: what is not noted is only undone again."""
        try:
            self.journal.record(step.phase, step.id, state, note)
        except JournalError as error:
            note = note or f"not recorded: {error}"
        self.notify(step, state, note)

    def _mark(self, step: Step, state: State, note: str = "") -> None:
        self.journal.record(step.phase, step.id, state, note)
        self.notify(step, state, note)


def _describe(error: BaseException) -> str:
    """*error*, and what was noted on it."""
    return "; ".join([str(error), *getattr(error, "__notes__", [])])
