"""Compute hosts of the lab: over and back, as nova has them, and the pings that servers lost."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from migrate.cloud import settings
from migrate.computes import versions
from migrate.phases.session import context_of
from tests.full.test_pass import STACK
from tests.lab import identity, load, outages
from tests.lab.settings import lab as this_lab

SETTLE = ("settle", "--execute", "--host", "cmp1", "--canary", "0")
SECTION = "  sidestep:settle:\n"
BACK = ("settle", "--execute", "--host", "cmp1", "--back")


@contextmanager
def decided(**more: Any) -> Iterator[None]:
    """The stack file says *more* of `settle` while the block runs, by its own names."""
    file = settings.stack_file(STACK)
    text = file.read_text()
    assert text.count(SECTION) == 1
    lines = "".join(f"    {name}: {json.dumps(value)}\n" for name, value in more.items())
    file.write_text(text.replace(SECTION, SECTION + lines))
    try:
        yield
    finally:
        file.write_text(text)


def begun() -> subprocess.Popen[str]:
    """`SETTLE`, which runs on; what it says is its `stdout`."""
    return subprocess.Popen(
        [sys.executable, "-m", "migrate.cli", *SETTLE, "--stack", STACK],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until(child: subprocess.Popen[str], seen: Callable[[], bool], seconds: float) -> None:
    """Return as soon as what is waited for is *seen*, while *child* of `begun` runs."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert child.poll() is None, child.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.2)


def each_test(of: Mapping[str, Any], words: tuple[str, ...]) -> None:
    """Call the tests in *of*, a module's globals, whose names have one of *words*, or all."""
    for name, test in list(of.items()):
        if name.startswith("test_") and (not words or any(word in name for word in words)):
            print(name, flush=True)
            takes = inspect.signature(test).parameters
            test(**{"tmp_path": Path(tempfile.mkdtemp())} if "tmp_path" in takes else {})


def host(name: str) -> Any:
    return next(one for one in context_of(STACK).source.computes if one.name == name)


def old() -> set[str]:
    """Names of those whose nova-compute is of the old release."""
    return versions.read(context_of(STACK)).old


def wait_until_old(names: set[str]) -> None:
    deadline = time.monotonic() + 240
    while old() != names and time.monotonic() < deadline:
        time.sleep(2)
    assert old() == names


def row(name: str) -> Any:
    admin = identity.connect(this_lab())
    (found,) = admin.compute.services(binary="nova-compute", host=name)
    return found


def lost(since: float) -> dict[str, int]:
    """Pings of the load that got no answer, by the address that was asked."""
    seen = outages.noticed(load.records(this_lab(), since))
    assert sum(one.calls for kind, one in seen.items() if kind.startswith("ping")) > 100
    return {
        kind: one.failed for kind, one in seen.items() if kind.startswith("ping") and one.failed
    }
