"""`pulumi up` while a run is at work: refused before a machine is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi import dynamic

from infra.resources import guarded
from infra.resources.container import ContainerProvider
from infra.resources.guarded import Guarded
from infra.resources.host_key import HostKeyProvider
from infra.resources.inside import PartProvider
from infra.resources.machine import MachineProvider
from infra.resources.standing import StandingProvider, TakeoverProvider
from migrate.cloud import settings
from migrate.engine import cloud_lock, state_directory, state_lock
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase
from migrate.errors import LockedError, PreconditionError
from tests.unit import fakes

RECORD = {"who": "ann@desk pid 7", "since": "2026-11-27", "command": "cutover", "place": "desk:/x"}
PROPS: dict[str, Any] = {
    "stack": "test",
    "address": "127.0.77.3",
    "described": {"name": "new", "warm": False},
    "machine": {"name": "new", "address": "127.0.77.3", "identity": "7f"},
    "place": {"release": "2026.1", "virtualIps": ["127.0.77.9"], "webroot": ""},
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose hosts answer nobody, with the cutover of another terminal at work."""
    stack = {**fakes.STACK, "source": {**fakes.STACK["source"]}, "target": fakes.STACK["target"]}
    stack["source"]["controllers"] = [{"name": "old", "address": "127.0.77.1"}]
    stack["ssh"] = {"port": 9}
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "stacks").mkdir()
    config = {f"sidestep:{key}": value for key, value in stack.items()}
    (tmp_path / "stacks/Pulumi.test.yaml").write_text(yaml.safe_dump({"config": config}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MIGRATE_HOME", raising=False)
    guarded.forget()
    yield settings.home("test")
    guarded.forget()


PROVIDERS: list[Guarded] = [
    PartProvider("database"),
    ContainerProvider(),
    HostKeyProvider(),
    StandingProvider(),
]


def acts(provider: Guarded) -> dict[str, Callable[[], Any]]:
    return {
        "make": lambda: provider.create(PROPS),
        "delete": lambda: provider.delete("new", PROPS),
        "change": lambda: provider.update("new", PROPS, PROPS),
    }


def test_every_provider_that_touches_something_is_guarded() -> None:
    ours = {
        one
        for one in subclasses(dynamic.ResourceProvider)
        if one.__module__.startswith("infra.") and one is not Guarded
    }
    assert {one for one in ours if not issubclass(one, Guarded)} == {MachineProvider}
    assert {type(one) for one in PROVIDERS} | {MachineProvider, TakeoverProvider} == ours


def subclasses(one: type) -> set[type]:
    found: set[type] = set(one.__subclasses__())
    return found.union(*(subclasses(each) for each in found))


@pytest.mark.parametrize("go_back", ["", "test"])
@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: type(one).__name__)
def test_nothing_is_touched_beside_a_run(
    home: Path, monkeypatch: pytest.MonkeyPatch, provider: Guarded, go_back: str
) -> None:
    monkeypatch.setenv("MIGRATE_GO_BACK", go_back)
    with state_lock.held(home, "cutover"):
        for name, act in acts(provider).items():
            with pytest.raises(
                PreconditionError, match=rf"cannot {name} .*another run is at work: .* for cutover"
            ):
                act()


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: type(one).__name__)
def test_nothing_is_touched_once_the_cutover_has_begun(home: Path, provider: Guarded) -> None:
    begin_cutover(home)
    refused = acts(provider)
    if isinstance(provider, ContainerProvider):
        del refused["change"]  # which only starts what has stopped
    for name, act in refused.items():
        with pytest.raises(
            PreconditionError, match=rf"cannot {name} .*MIGRATE_GO_BACK=test pulumi destroy"
        ):
            act()


@pytest.mark.parametrize(
    ("olds", "told"),
    [({"version": "1"}, "version would change; put the stack's file"), ({}, "state was lost")],
)
def test_a_preview_refuses_what_was_decided_otherwise(
    home: Path, olds: dict[str, Any], told: str
) -> None:
    news = {**PROPS, "version": "2"}
    assert PartProvider("database").check(olds, news).failures == []
    guarded.forget()
    begin_cutover(home)
    (failure,) = PartProvider("database").check(olds, news).failures
    assert failure.property == "version"
    assert told in failure.reason
    assert "MIGRATE_GO_BACK=test pulumi destroy" in failure.reason
    assert PartProvider("database").check(news, news).failures == []


def begin_cutover(home: Path) -> None:
    journal = Journal(home / "journal", "cutover")
    journal.record(Phase.CUTOVER, "gate.users", State.STARTED)
    journal.close()


def test_a_destroy_meets_the_lock_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGRATE_GO_BACK", "test")
    with (
        state_lock.held(home, "cutover"),
        pytest.raises(LockedError, match="another run is at work on this stack"),
    ):
        TakeoverProvider().delete("test", PROPS)


def test_nobody_at_work_is_no_obstacle(home: Path) -> None:
    assert home.is_dir()
    assert guarded.at_work("test") is None


@pytest.mark.parametrize(
    ("papers", "told"),
    [
        ("another", "ann@desk pid 7 since 2026-11-27 for cutover, state directory desk:/x"),
        ("mine", ""),
    ],
)
def test_the_source_knows_a_run_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, papers: str, told: str
) -> None:
    """A record of our own papers, whose lock is free, is a dead run's."""
    context, _ = fakes.context(tmp_path)
    record = {**RECORD, "papers": papers}
    monkeypatch.setitem(fakes.ANSWERS, "runs.holder", record)
    state_directory.record(tmp_path / "lock", {"papers": "mine"})
    assert cloud_lock.at_work(context) == told


def test_a_silent_source_leaves_our_own_lock(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path, "old")
    assert cloud_lock.at_work(context) == ""
    with state_lock.held(tmp_path, "follow"):
        assert "for follow" in cloud_lock.at_work(context)
