"""The bench for tests of this folder, and what they are compared with."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import pytest

from tests.faults import state
from tests.faults.bench import Bench, seed
from tests.faults.tally import TALLY, Tally
from tests.lab.rig import Rig, using


@pytest.fixture(scope="package")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The second rig: the first is at work for other folders."""
    with using(tmp_path_factory.mktemp("papers"), "2") as made:
        yield made


@pytest.fixture(scope="session")
def tally() -> Tally:
    return TALLY


@pytest.fixture(scope="session")
def chance() -> random.Random:
    """All chance of the session; its seed is printed, `FAULTS_SEED` repeats it."""
    number = seed()
    TALLY.remark(f"seed {number}: FAULTS_SEED={number} repeats the same instants")
    return random.Random(number)


@pytest.fixture(scope="package")
def bench(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The rig and an operator's folder; `bench.reset()` or `bench.bring()` comes first."""
    return Bench(rig, tmp_path_factory.mktemp("operator") / "home")


@dataclass(frozen=True, slots=True)
class Reference:
    """Pictures of an undisturbed pass, and how long each command took."""

    found: state.Picture
    followed: state.Picture
    released: state.Picture
    seconds: dict[str, float]  # the way back is asked for by itself: about half of a cutover

    def within(self, command: str, instants: Iterator[float], number: int) -> Iterator[float]:
        """*number* of *instants*, in seconds of *command*."""
        whole = self.seconds.get(command, self.seconds["cutover"] / 2)
        return (part * whole for part in islice(instants, number))


@pytest.fixture(scope="package")
def reference(bench: Bench) -> Reference:
    """Once over without a fault; every other pass is compared with it."""
    bench.reset()
    seconds = {}
    pictures = [bench.picture()]
    for command in ("follow", "cutover"):
        began = time.monotonic()
        bench.well(command)
        seconds[command] = time.monotonic() - began
        pictures.append(bench.picture())
    bench.standing = "released"
    told = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    TALLY.remark(f"undisturbed: {told}")
    found, followed, released = pictures
    return Reference(found, followed, released, seconds)


@pytest.fixture
def instants(chance: random.Random) -> Iterator[float]:
    """When to kill a run, as a part of the time that an undisturbed one takes, without end."""
    return iter(chance.random, None)
