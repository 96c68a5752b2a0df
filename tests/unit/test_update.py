"""Newer pins on a compute host: beside what runs, in its place, and back; when it is refused."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context, login, transfer
from migrate.computes import booting, closing, installers, proof
from migrate.computes.estimates import Way
from migrate.computes.installers import in_place, update, update_and_boot
from migrate.engine.finding import Finding, Severity
from migrate.engine.plan import Phase
from migrate.errors import PreconditionError, StepError
from migrate.onhost import agents, environment, record, systemd
from migrate.onhost import update as onhost
from migrate.phases.plan import compose, settled
from tests.unit import fakes

OLD, NEW = "1a2b", "5e6f"


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "notes"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An environment that was brought from the old lock; the unit nova-compute is this process."""
    found = tmp_path / "opt/2026.1"
    stand(found, OLD)
    record.save(environment.RECORD, {"folder": str(found)})
    unit = {"ActiveState": "active", "MainPID": str(os.getpid())}
    monkeypatch.setattr(systemd, "show", lambda names: {f"{one}.service": unit for one in names})
    monkeypatch.setattr(systemd, "run", lambda *_, **__: "")
    held: list[mmap.mmap] = []

    def restart(names: list[str], _: float) -> list[str]:
        """As a program does that starts: what is mapped lies where the folder is now."""
        while held:
            held.pop().close()
        with (found / "lib/a.so").open("rb") as library:
            held.append(mmap.mmap(library.fileno(), 0, prot=mmap.PROT_READ))
        return []

    monkeypatch.setattr(agents, "restart", restart)
    restart([], 0)
    yield str(found)
    while held:
        held.pop().close()


def stand(where: Path, lock: str) -> None:
    (where / "lib").mkdir(parents=True)
    (where / "lib/a.so").write_text(lock * 100)
    (where / environment.STAMP).write_text(f"{lock}\n")


def test_what_is_beside_runs_and_goes_back(folder: str) -> None:
    names = ["nova-compute"]
    stand(Path(environment.beside(folder)), NEW)
    assert onhost.stamps(folder) == {"runs": OLD, "beside": NEW}
    assert onhost.behind(names, folder) == []
    assert onhost.forward(folder, NEW, names, 1) == []
    assert onhost.stamps(folder) == {"runs": NEW, "beside": OLD}
    assert onhost.behind(names, folder) == []
    assert onhost.forward(folder, NEW, names, 1) == []  # again: the way back is the same
    assert onhost.back(folder, 1) == []
    assert onhost.stamps(folder) == {"runs": OLD, "beside": NEW}
    assert onhost.back(folder, 1) == []
    assert onhost.stamps(folder) == {"runs": OLD, "beside": NEW}


def test_killed_between_exchange_and_start_a_unit_is_known_to_be_behind(folder: str) -> None:
    stand(Path(environment.beside(folder)), NEW)
    onhost.exchange(folder, environment.beside(folder))
    assert onhost.behind(["nova-compute"], folder) == ["nova-compute"]
    assert onhost.maps(os.getpid(), environment.beside(folder))


def test_a_unit_that_died_of_the_exchange_is_started_on_the_way_back(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand(Path(environment.beside(folder)), NEW)
    monkeypatch.setattr(agents, "restart", lambda names, _: [f"{names[0]} is failed"])
    monkeypatch.setattr(systemd, "show", lambda _: {})
    assert onhost.forward(folder, NEW, ["nova-compute"], 1) == ["nova-compute is failed"]
    started: list[str] = []

    def restart(names: list[str], _: float) -> list[str]:
        started.extend(names)
        return []

    monkeypatch.setattr(agents, "restart", restart)
    assert onhost.back(folder, 1) == []
    assert started == ["nova-compute"]
    assert onhost.stamps(folder)["runs"] == OLD


def test_only_what_sidestep_has_brought_is_updated(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_libvirt", lambda: "/usr/lib/python3/dist-packages")
    assert onhost.unfit(folder, 1000) == []
    record.forget(environment.RECORD)
    assert "not brought by sidestep" in onhost.claim(folder, 1000)[0]


def test_the_next_update_takes_the_room_of_the_one_before(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_libvirt", lambda: "/usr/lib/python3/dist-packages")
    stand(Path(environment.beside(folder)), NEW)
    onhost.forward(folder, NEW, ["nova-compute"], 1)
    assert onhost.claim(folder, 1000) == []
    assert onhost.stamps(folder) == {"runs": NEW, "beside": ""}
    assert onhost.back(folder, 1) == []  # there is nothing to go back to, and nothing is done
    assert onhost.stamps(folder)["runs"] == NEW


def test_both_go_with_the_host_s_way_back_to_the_old_release(folder: str) -> None:
    stand(Path(environment.beside(folder)), NEW)
    onhost.forward(folder, NEW, ["nova-compute"], 1)
    environment.remove()
    assert not Path(folder).exists()
    assert not Path(environment.beside(folder)).exists()
    assert record.load(onhost.RECORD) is None


def test_what_runs_since_before_a_file_is_told(folder: str, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    os.utime(path, (0, 0))
    assert onhost.outdated(["nova-conductor"], str(path)) == []
    os.utime(path, (time.time() + 60, time.time() + 60))
    assert onhost.outdated(["nova-conductor"], str(path)) == ["nova-conductor.service"]


class Compute(fakes.FakeHost):
    """A host of the release, from the lock *runs*; *version* is that of its nova."""

    def __init__(self, name: str, runs: str, version: str = "33.0.2") -> None:
        super().__init__(name)
        program = "/opt/openstack/2026.1/bin/nova-compute"
        self.answers: dict[str, Any] = {
            "environment.system": "Python 3.13",
            "environment.stamp": runs,
            "environment.size": 9,
            "update.stamps": {"runs": runs, "beside": ""},
            "update.unfit": [],
            "update.behind": [],
            "update.outdated": [],
            "release.locked": {"strange": [f"nova=={version}", "lxml==6.0"]},
            "exchange.running": {"nova-compute": {"program": program, "arguments": []}},
            "exchange.down": [],
            "guests.running": {},
            "record.load": None,
        }

    def python(self, source: str, payload: Any = None, *_: Any, **__: Any) -> Any:
        function = source.splitlines()[0].lstrip("# ")
        self._note(function)
        if function == "record.save":
            self.answers["record.load"] = payload["arguments"][1]
        answer = self.answers.get(function, {})
        return answer() if callable(answer) else answer


@pytest.fixture
def context(tmp_path: Path) -> Context:
    found, _ = fakes.context(tmp_path)
    controllers: Any = (Compute("new", NEW, "33.0.3"), Compute("new2", NEW, "33.0.3"))
    return replace(found, target=replace(found.target, controllers=controllers))


def found(context: Context, *hosts: Any) -> list[Finding]:
    return update.findings(context, hosts)


def test_the_plan_says_from_which_lock_to_which(context: Context) -> None:
    (told,) = found(context, Compute("c1", OLD))
    assert (told.severity, told.where) == (Severity.INFO, "c1")
    assert f"from lock {OLD} to {NEW}, back to {OLD}: nova 33.0.2 to 33.0.3" in told.message


def test_controllers_that_were_not_updated_alike_are_refused(context: Context) -> None:
    late: Any = context.target.controllers[1]
    late.answers["environment.stamp"] = OLD
    (told,) = found(context, Compute("c1", OLD))
    assert told.severity is Severity.ERROR
    assert f"new {NEW}, new2 {OLD}" in told.message
    with pytest.raises(PreconditionError, match="not of one lock"):
        update.renewed(context, Compute("c1", OLD))


def test_controllers_whose_units_run_on_from_before_are_refused(context: Context) -> None:
    late: Any = context.target.controllers[1]
    late.answers["update.outdated"] = ["nova-conductor.service"]
    first, _ = found(context, Compute("c1", OLD))
    assert (first.severity, first.where) == (Severity.ERROR, "new2")
    assert "systemctl restart nova-conductor.service" in first.remedy


def test_a_host_of_another_release_is_refused(context: Context) -> None:
    host = Compute("c1", "")
    host.answers["exchange.running"] = {"nova-compute": {"program": "/usr/bin/nova-compute"}}
    (told,) = found(context, host)
    assert told.severity is Severity.ERROR
    assert "migrate settle --execute --host c1" in told.remedy


@pytest.mark.parametrize(
    ("midway", "noted", "remedy"),
    [
        (False, None, "`systemctl start nova-compute` there; its journal says why it is down"),
        (True, {"from": OLD, "to": NEW}, "systemctl start nova-compute"),  # an update failed there
        (True, None, "`migrate settle --execute --host c1` brings it over first"),
    ],
)
def test_a_unit_that_is_down_is_named_where_the_host_has_come_over(
    context: Context, monkeypatch: pytest.MonkeyPatch, midway: bool, noted: Any, remedy: str
) -> None:
    """It is told as it ran before it was exchanged: with the old release's program."""
    monkeypatch.setattr(closing, "midway", lambda *_: midway)
    host = Compute("c1", OLD)
    before = {"program": "/usr/bin/nova-compute", "arguments": []}
    host.answers["exchange.running"]["nova-compute"] = before
    host.answers |= {"exchange.down": ["nova-compute"], "record.load": noted}
    (told,) = found(context, host)
    assert (told.severity, told.where) == (Severity.ERROR, "c1")
    assert remedy in told.remedy


def test_older_services_are_refused(context: Context) -> None:
    _, told = found(context, Compute("c1", OLD, "33.0.10"))
    assert told.severity is Severity.ERROR
    assert "nova of the controllers is older" in told.message


def test_what_runs_from_the_controllers_lock_is_done_already(context: Context) -> None:
    host: Any = Compute("c1", NEW)
    assert update.renewed(context, host)
    host.answers["update.behind"] = ["nova-compute"]
    assert not update.renewed(context, host)
    assert not update.renewed(context, Compute("c1", OLD))


def booting_by(context: Context, *command: str) -> Context:
    decided = context.settings.settle.update.model_copy(update={"command": command})
    settle = context.settings.settle.model_copy(update={"update": decided})
    return replace(context, settings=context.settings.model_copy(update={"settle": settle}))


def test_a_boot_is_asked_of_the_host_and_not_believed(context: Context, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    script = tmp_path / "boot"
    script.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    script.chmod(0o755)
    context = booting_by(context, str(script))
    host: Any = Compute("c1", NEW)
    host.answers["kept.system"] = {"boot": "one"}
    with pytest.raises(StepError, match="has not booted"):
        booting.boot(context, host, NEW)
    assert not booting.booted(host, NEW)
    assert asked.read_text() == "c1 c1\n"
    boots = iter(["one", "two", "two"])
    host.answers["kept.system"] = lambda: {"boot": next(boots)}
    booting.boot(context, host, NEW)
    assert booting.booted(host, NEW)
    host.answers["kept.system"] = {"boot": "two"}
    assert not booting.booted(host, "9a9b")  # of another update


def test_no_host_is_booted_on_which_a_server_runs(context: Context, tmp_path: Path) -> None:
    host: Any = Compute("c1", NEW)
    host.answers["guests.running"] = {"s1": {}}
    with pytest.raises(StepError, match="s1 runs there"):
        booting.boot(booting_by(context, "/bin/true"), host, NEW)
    assert "record.save" not in host.asked


def test_servers_leave_only_where_a_command_is_named(context: Context) -> None:
    assert installers.updating(context).WAY is Way.UPDATE
    assert installers.updating(booting_by(context, "/bin/true")).WAY is Way.REBOOT
    assert not Way.UPDATE.emptied
    assert Way.REBOOT.emptied


def test_its_steps_are_a_phase_of_their_own(context: Context) -> None:
    usual = {one.id for one in settled("c1", in_place)}
    for installer in (update, update_and_boot):
        steps = settled("c1", installer)
        assert {one.phase for one in steps} == {Phase.UPDATE}
        assert not usual & {one.id for one in steps}
    assert not list(compose(context).phase(Phase.UPDATE))
    context.extras[installers.UPDATING] = True
    ids = [one.id for one in compose(context).phase(Phase.UPDATE)]
    each = ("bring", "close", "drain", "exchange", "proof", "open", "home")
    assert ids == [f"compute.update-{one}" for one in each]


class Real(Compute):
    """The same, on which the programs of an update run, for *folder*."""

    def __init__(self, folder: str, usual: str) -> None:
        super().__init__("c1", "")
        self.folders = {usual: folder, environment.beside(usual): environment.beside(folder)}

    def python(self, source: str, payload: Any = None, *rest: Any, **more: Any) -> Any:
        module, _, function = source.splitlines()[0].lstrip("# ").partition(".")
        if module in ("update", "record") or function in ("stamp", "beside"):
            given = [
                self.folders.get(one, one) if isinstance(one, str) else one
                for one in payload["arguments"]
            ]
            return getattr({"update": onhost, "record": record}.get(module, environment), function)(
                *given
            )
        return super().python(source, payload, *rest, **more)


@pytest.fixture
def real(context: Context, folder: str, monkeypatch: pytest.MonkeyPatch) -> Real:
    """It runs the old lock, was proven there, and the controllers have NEW."""
    host = Real(folder, context.installation.folder)

    def pull(context: Context, *_: Any, to: str, **__: Any) -> None:
        stand(Path(environment.beside(folder)), update.wanted(context))
        assert to == environment.beside(folder)

    monkeypatch.setattr(environment, "_libvirt", lambda: "/usr/lib/python3/dist-packages")
    monkeypatch.setattr(transfer, "pull_tree", pull)
    monkeypatch.setattr(login, "api", lambda _: None)
    monkeypatch.setattr(proof, "wait_until_steady", lambda *_: None)
    monkeypatch.setattr(closing, "midway", lambda *_: False)
    monkeypatch.setattr(environment, "SPARE", 0)
    host.answers |= {"environment.finish": [], "environment.programs": []}
    return host


def updated(context: Context, host: Any, lock: str) -> Context:
    """The controllers come to *lock*, and the host after them."""
    for one in context.target.controllers:
        answers: Any = one
        answers.answers["environment.stamp"] = lock
    context.extras.pop(update.LOCK, None)
    if not update.brought(context, host):
        update.bring(context, host)
    update.renew(context, host)
    return context


def test_after_two_updates_the_way_back_leads_to_the_one_between_which_was_proven(
    context: Context, real: Any, folder: str
) -> None:
    updated(context, real, NEW)
    updated(context, real, "9a9b")
    update.restore(context, real)
    assert onhost.stamps(folder) == {"runs": NEW, "beside": "9a9b"}


@pytest.mark.parametrize("then", ["9a9b", OLD])
def test_the_way_back_leads_past_an_update_that_was_never_proven(
    context: Context, real: Any, folder: str, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """It stands in the place that the proven one would have been removed from."""
    updated(context, real, NEW)
    monkeypatch.setattr(closing, "midway", lambda *_: True)  # as where its proof has failed
    context.extras[update.LOCK] = then
    assert not update.brought(context, real)
    assert update._locks(context, real, then) == (
        f"from lock {NEW} to {then}, back to {OLD} ({NEW} was never proven there: {OLD} runs "
        "again first)"
    )
    updated(context, real, then)
    assert onhost.stamps(folder)["runs"] == then
    update.restore(context, real)
    assert onhost.stamps(folder)["runs"] == OLD


def test_back_that_is_not_proven_is_not_forgotten(
    context: Context, real: Any, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unheard(*_: Any) -> None:
        raise StepError("nova does not hear its nova-compute")

    updated(context, real, NEW)
    with monkeypatch.context() as here:
        here.setattr(proof, "wait_until_steady", unheard)
        with pytest.raises(StepError, match="does not hear"):
            update.restore(context, real)
    assert record.load(update.NOTE)
    update.restore(context, real)
    assert record.load(update.NOTE) is None
    assert onhost.stamps(folder)["runs"] == OLD
