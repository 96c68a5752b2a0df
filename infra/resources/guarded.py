"""What each resource of ours asks before it acts: is a run at work, does this cloud serve?

From the cutover on nothing is made, changed, replaced or deleted, since a run or users count on
it. A preview asks only the second question; it touches nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from pulumi import dynamic

from migrate.errors import PreconditionError

Props = dict[str, Any]
Ask = Callable[[str], str | None]

REMEMBER_SECONDS = 20
BACK = "put the stack's file and the program back as they were at the cutover"
_answers: dict[tuple[str, Ask], tuple[float, str | None]] = {}


class Guarded(dynamic.ResourceProvider):
    """A lifecycle that asks first; a class gives `make`, `change`, `remove` and what it is.

    `decided` names the inputs that only the operator or a release changes: on a cloud that serves
    a preview refuses another value. `revive` is all that is done to a cloud that serves.
    """

    def what(self, props: Props) -> str:
        """What it is, for people."""
        raise NotImplementedError

    def decided(self, _news: Props) -> Collection[str]:
        return ()

    def make(self, props: Props) -> dynamic.CreateResult:
        raise NotImplementedError

    def change(self, news: Props) -> Props:
        """Bring it to what is wanted; the outputs."""
        return news

    def revive(self, _olds: Props, _news: Props) -> bool:
        """Start what has stopped; False where more than that is wanted, and nothing was done."""
        return False

    def remove(self, props: Props) -> None:
        raise NotImplementedError

    def check(self, olds: Props, news: Props) -> dynamic.CheckResult:
        changed = [name for name in self.decided(news) if olds.get(name) != news[name]]
        words = serves(news["stack"]) if changed else None
        if not words:
            return dynamic.CheckResult(news, [])
        told = _would_change(changed) if olds else _unknown(news["stack"])
        return dynamic.CheckResult(news, [dynamic.CheckFailure(changed[0], f"{told}. {words}")])

    def create(self, props: Props) -> dynamic.CreateResult:
        self._insist(props, "make")
        return self.make(props)

    def update(self, _id: str, olds: Props, news: Props) -> dynamic.UpdateResult:
        self._insist_idle(news, "change")
        if not (words := serves(news["stack"])):
            return dynamic.UpdateResult(self.change(news))
        if self.revive(olds, news):
            return dynamic.UpdateResult(news)
        raise PreconditionError(f"cannot change {self.what(news)}: {words}")

    def delete(self, _id: str, props: Props) -> None:
        self._insist(props, "delete")
        if words := joined(props["stack"]):
            raise PreconditionError(f"cannot delete {self.what(props)}: {words}")
        self.remove(props)

    def _insist(self, props: Props, act: str) -> None:
        self._insist_idle(props, act)
        if words := serves(props["stack"]):
            raise PreconditionError(f"cannot {act} {self.what(props)}: {words}")

    def _insist_idle(self, props: Props, act: str) -> None:
        if words := at_work(props["stack"]):
            raise PreconditionError(f"cannot {act} {self.what(props)}: {words}")


def serves(stack: str) -> str | None:
    """The words that refuse since the cutover of *stack* has begun, or None."""
    from migrate.phases import guard  # noqa: PLC0415  the phases are not needed to build

    return _remembered(stack, guard.refuse_delete)


def at_work(stack: str) -> str | None:
    """The words that refuse since a run is at work on *stack*, or None."""
    from migrate.phases import guard  # noqa: PLC0415  the phases are not needed to build

    return _remembered(stack, guard.refuse_beside)


def joined(stack: str) -> str | None:
    """The words that refuse since Ceph counts on a machine of *stack*, or None."""
    from migrate.phases import guard  # noqa: PLC0415  the phases are not needed to build

    return _remembered(stack, guard.refuse_joined)


def forget() -> None:
    """Ask the machines again next time: something has just changed them."""
    _answers.clear()


def _remembered(stack: str, ask: Ask) -> str | None:
    """The machines are asked, so the answer is kept for a moment: a destroy asks for each part."""
    asked, answer = _answers.get((stack, ask), (0.0, None))
    if not asked or time.monotonic() - asked > REMEMBER_SECONDS:
        answer = ask(stack)
        _answers[stack, ask] = time.monotonic(), answer
    return answer


def _would_change(names: Collection[str]) -> str:
    return f"{', '.join(names)} would change; {BACK}"


def _unknown(stack: str) -> str:
    return (
        f"Pulumi's state does not know it; if the state was lost, put back a copy of it, else "
        f"{BACK}; or go back by `migrate rollback --execute --stack {stack}`, which needs no state"
    )
