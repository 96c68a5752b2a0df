"""The rig's machines as the checks see them, and ways to break one thing for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from migrate.checks import Check
from migrate.cloud import Context, connect
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, Severity
from tests.lab.rig import Rig, using


@pytest.fixture(scope="package")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A source that serves keystone and glance, and an empty target, both as new."""
    with using(tmp_path_factory.mktemp("papers")) as made:
        yield made


@pytest.fixture(scope="package")
def context(rig: Rig) -> Context:
    """A source with keystone and glance, and a target that is made but empty."""
    return rig.context


@pytest.fixture(scope="package")
def source(context: Context) -> Host:
    return context.source.controllers[0]


@pytest.fixture(scope="package")
def target(context: Context) -> Host:
    return context.target.controllers[0]


def errors(check: Check, context: Context) -> list[Finding]:
    """What *check* says that forbids to go on."""
    return [one for one in check.run(context) if one.severity is Severity.ERROR]


@contextmanager
def broken(host: Host, breaking: str, mending: str) -> Iterator[None]:
    """*breaking* done on *host* by bash, and *mending* whatever happens."""
    try:
        host.shell(breaking)
        yield
    finally:
        host.shell(mending)


def assert_finds(
    check: Check, context: Context, words: tuple[str, ...], *, where: str = ""
) -> Finding:
    """*check* says one error with all *words* in it, and what to do about it."""
    found = errors(check, context)
    telling = [one for one in found if all(word in one.message for word in words)]
    assert telling, f"no error says {words}: {[str(one) for one in found]}"
    assert telling[0].remedy
    assert where in telling[0].where
    return telling[0]


def assert_is_one_error(found: list[Finding], check: str, *words: str) -> None:
    """Exactly one of *found* is of *check* and has all *words*: an error, and what to do."""
    of = [one for one in found if one.check == check and all(word in one.message for word in words)]
    assert len(of) == 1, [str(one) for one in found]
    assert of[0].severity is Severity.ERROR
    assert of[0].remedy


def changed(context: Context, change: Callable[[dict[str, Any]], None]) -> Context:
    """The same machines as another stack file would describe them."""
    values = context.settings.model_dump()
    change(values)
    settings = type(context.settings).model_validate(values)
    return connect(context.stack, settings, context.home, context.recipes)
