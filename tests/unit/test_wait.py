"""Waiting by asking again: at once when it is so, and never longer than was said."""

from __future__ import annotations

import pytest

from migrate.cloud import wait
from migrate.errors import StepError


def test_is_over_at_once_when_it_is_so() -> None:
    wait.until(lambda: True, 0, "never")
    assert wait.while_any(list, 60) == []


def test_asks_again_until_it_is_so() -> None:
    left = [["a", "b"], ["b"], []]
    assert wait.while_any(lambda: left.pop(0), 60, pause=0) == []
    assert left == []


def test_waits_on_as_long_as_it_gets_on() -> None:
    left = [*range(9, -1, -1)]
    assert wait.while_changing(lambda: left.pop(0), 0.02, pause=0.01) == 0
    assert left == []


def test_what_stays_as_it_is_is_not_waited_for() -> None:
    left = [3, 2]
    assert wait.while_changing(lambda: left.pop(0) if left else 2, 0.05, pause=0.01) == 2
    assert left == []


def test_says_what_did_not_come() -> None:
    with pytest.raises(StepError, match=r"^the moon did not rise$"):
        wait.until(lambda: False, 0.01, "the moon did not rise", pause=0.001)
    assert wait.while_any(lambda: ["still"], 0) == ["still"]


def test_a_sleep_that_raises_ends_it() -> None:
    def stopped(_: float) -> None:
        raise StepError("interrupted")

    with pytest.raises(StepError, match="interrupted"):
        wait.while_any(lambda: True, 60, sleep=stopped)


def test_tries_again_only_what_may_pass() -> None:
    told: list[Exception] = [OSError("booting"), OSError("still")]

    def act() -> str:
        if told:
            raise told.pop(0)
        return "up"

    assert wait.while_raising(OSError, act, 60, pause=0) == "up"
    told = [KeyError("a bug")]
    with pytest.raises(KeyError):
        wait.while_raising(OSError, act, 60)
    told = [OSError("dead")]
    with pytest.raises(OSError, match="dead"):
        wait.while_raising(OSError, act, -1)
