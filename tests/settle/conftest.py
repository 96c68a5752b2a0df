"""The lab's cloud on the target, under a load that goes on: one for each file.

With SIDESTEP_KEEP_LAB=1 it is left for the next of these sets, and one in which nothing was begun
since the cutover is used again. `make lab-down` removes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from migrate.computes import versions
from migrate.engine import markers
from migrate.engine.journal import Journal
from migrate.engine.plan import Phase
from migrate.errors import MigrateError
from migrate.phases.session import context_of
from tests.lab import cloud, demo, load, records, stack
from tests.lab.settings import lab as this_lab
from tests.settle import migrations

SINCE = (Phase.ACCEPT, Phase.SETTLE, Phase.UPDATE, Phase.FINISH)


@pytest.fixture(scope="module", autouse=True)
def over() -> Iterator[None]:
    stays = bool(os.environ.get("SIDESTEP_KEEP_LAB"))
    if not (stays and untouched()):
        demo.remove_cut_off(this_lab())  # or one that has finished for good
        demo.over(this_lab())
    load.start(this_lab())
    try:
        yield
    finally:
        if not stays:
            clear()


@pytest.fixture(scope="module")
def recorded(over: object) -> records.Records:
    """What the cloud has on record before anything is settled, the ids of agents too."""
    return records.dump(this_lab())


def untouched() -> bool:
    """Whether the cloud serves on the target, and nothing was begun since; else says why.

    What has gone over and back is not as it was: what was tried is noted, and servers have moved.
    """
    try:
        context = context_of(demo.STACK)
        old, live = versions.read(context).old, markers.live(context)
        with closing(Journal(context.home / "journal", reading=True)) as journal:
            begun = [step for phase in SINCE for step in journal.states(phase)]
        if live and len(old) == len(this_lab().computes) and not begun:
            migrations.remove(this_lab())
            return True
        why = f"hosts of the old release: {', '.join(map(str, old)) or 'none'}, live: {live}, "
        why += f"begun since the cutover: {', '.join(begun) or 'nothing'}"
    except MigrateError as error:
        why = str(error)
    print(f"the lab is built anew. {why}")
    return False


def clear() -> None:
    """Nothing of the lab, the load, or the stack is left."""
    cloud.down(this_lab())
    stack.forget()
