"""What is left of a run is what it will take: steps side by side are not added up."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from migrate.cli import output
from migrate.cli.output import Progress
from migrate.engine.journal import State
from migrate.engine.plan import Phase, Plan, Step


def step(name: str, estimate: float, *needs: str) -> Step:
    def nothing(_: Any) -> None: ...

    return Step(
        id=name,
        title=name,
        phase=Phase.FOLLOW,
        done=lambda _: False,
        apply=nothing,
        revert=nothing,
        needs=needs,
        estimate=estimate,
    )


# copy and images run side by side; the move waits for both
STEPS = {
    "copy": step("copy", 60),
    "images": step("images", 30),
    "move": step("move", 10, "copy", "images"),
}


class Watch:
    """A run as its operator sees it, at times that the test tells."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[str] = []
        self.now = 0.0
        monkeypatch.setattr(output, "time", SimpleNamespace(monotonic=lambda: self.now))
        screen: Any = SimpleNamespace(say=self.lines.append)
        self.progress = Progress(screen, Plan.of(STEPS.values()))
        for name in ("copy", "images"):
            self.progress(STEPS[name], State.STARTED, "")

    def done(self, name: str, now: float) -> str:
        self.now = now
        self.progress(STEPS[name], State.DONE, "")
        return " ".join(re.findall(r"about \d+ s left", self.lines[-1]))


def test_steps_side_by_side_are_not_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    assert watch.done("images", 20) == "about 50 s left"  # 40 of the copy, then the move
    assert watch.done("copy", 55) == "about 10 s left"


def test_what_takes_longer_than_measured_is_about_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Watch(monkeypatch).done("images", 90) == "about 10 s left"


def test_nothing_is_left_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    watch.done("images", 30)
    watch.done("copy", 60)
    watch.progress(STEPS["move"], State.STARTED, "")
    assert watch.done("move", 70) == ""
