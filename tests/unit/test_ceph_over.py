"""Managers, the removal of old monitors and OSD hosts: what is judged before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migrate.engine.kept_notes import KeptNotes
from migrate.errors import CommandError, IrreversibleError, PreconditionError, StepError
from migrate.storage.ceph import commit, conf, manager, monitor, no_return, osd_host, statistics
from tests.unit import fakes


@pytest.mark.parametrize(
    ("before", "after", "may"),
    [
        *((1, 1, True), (1, 2, False), (1, 3, True), (3, 3, True), (3, 1, False), (3, 2, False)),
        *((2, 1, True), (2, 2, False), (4, 3, True), (5, 3, False), (5, 5, True)),
    ],
)
def test_as_many_monitors_may_die_as_before_and_never_are_there_two(
    before: int, after: int, may: bool
) -> None:
    if may:
        commit.refuse_number(before, after)
    else:
        with pytest.raises(PreconditionError, match=f"{after} monitors would be left of {before}"):
            commit.refuse_number(before, after)


def test_nothing_is_removed_that_was_not_named() -> None:
    old, new = fakes.FakeHost("old"), fakes.FakeHost("new")
    with pytest.raises(IrreversibleError, match="--past old"):
        commit.commit([old], [new], [], ["new"])
    assert [*old.asked, *new.asked] == []


@pytest.mark.parametrize("dead", ["", "old", "new"])
def test_after_it_nobody_goes_back_whoever_is_dead(
    monkeypatch: pytest.MonkeyPatch, dead: str
) -> None:
    monkeypatch.setitem(fakes.ANSWERS, "retired.noted", {"monitor": "old", "managers": []})
    monkeypatch.setitem(fakes.ANSWERS, "record.load", {"removed": ["old"]})
    old, new = (fakes.FakeHost(name, dead=name == dead) for name in ("old", "new"))
    for back in (monitor.leave, manager.leave, manager.hand_back, no_return.refuse):
        with pytest.raises(IrreversibleError, match=r"the old monitors \(old\) were removed"):
            back(old, new)


FRESH: dict[str, Any] = {
    "manager": "new",
    "available": True,
    "up": [0, 1],
    "reported": [1, 0],
    "ready": True,
    "groups": [{"name": "active+clean", "num": 8}, {"name": "active+clean+scrubbing", "num": 1}],
    "told": [{"state_name": "active+clean", "count": 9}],
}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"available": False}, "no manager"),
        ({"reported": [0]}, "osd.1 has not reported to manager new"),
        ({"ready": False}, "does not know all placement groups"),
        ({"groups": [{"name": "unknown", "num": 9}]}, "does not know all placement groups"),
        ({"groups": [{"name": "active+undersized", "num": 9}]}, "have not heard manager new"),
        ({"told": [{"state_name": "active+degraded", "count": 9}]}, "have not heard manager new"),
    ],
)
def test_what_is_told_is_the_present_managers_word_or_is_not_believed(
    changed: dict[str, Any], words: str
) -> None:
    said = statistics.why_stale({**FRESH, **changed})
    assert words in said
    assert bool(said) == bool(words)


class Silent(fakes.FakeHost):
    """Its `ceph` leaves so many questions without an answer, as a manager that starts anew does."""

    silent = 1

    def answer(self, function: str, payload: Any) -> Any:
        self.asked.append(function)
        if len(self.asked) <= self.silent:
            raise CommandError(self.name, "python", 1, "ceph pg stat gave no answer in 40 s")
        return FRESH


def test_a_manager_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    statistics.wait_until_fresh(host := Silent("new"))
    assert host.asked == ["ceph.statistics"] * 2
    monkeypatch.setattr(statistics, "FRESH_SECONDS", 0)
    with pytest.raises(StepError, match=r"stays old .*gave no answer in 40 s"):
        statistics.wait_until_fresh(Silent("new"))


def test_modules_in_use_that_fail_are_told_with_the_managers_reason() -> None:
    its = [
        {"name": "balancer", "can_run": False, "error_string": "PyO3 modules do not"},
        {"name": "status", "can_run": True, "error_string": ""},
        {"name": "influx", "can_run": False, "error_string": "not found"},  # nobody uses it
    ]
    always = {"nautilus": ["orchestrator_cli"], "pacific": ["balancer", "status"]}
    said = {
        "standbys": [{"name": "new", "available_modules": its}],
        "modules": ["nfs"],
        "always_on_modules": always,
    }
    assert manager.failing(said, "new") == {
        "balancer": "PyO3 modules do not",
        "nfs": "it is not there",
    }


@pytest.mark.parametrize(
    ("hosts", "named"),
    [
        ("10.0.0.1, 10.0.0.9", True),
        ("[v2:10.0.0.1:3300,v1:10.0.0.1:6789],[v2:10.0.0.9:3300,v1:10.0.0.9:6789]", True),
        ("10.0.0.9:6789", True),
        ("10.0.0.90 110.0.0.9", False),
    ],
)
def test_an_address_is_named_in_whatever_form(hosts: str, named: bool) -> None:
    text = f"[global]\nmon host = {hosts}\n"
    assert conf.names(text, "10.0.0.9") == named
    assert conf.names(conf.with_address(text, "10.0.0.9"), "10.0.0.9")
    assert conf.names(conf.with_address(text, "10.0.0.9"), "10.0.0.1") == conf.names(
        text, "10.0.0.1"
    )


@pytest.mark.parametrize(
    ("hosts", "named"),
    [
        ("fd00::1,fd00::9", True),
        ("[fd00::1]:6789 [fd00::9]:6789", True),
        ("[v2:[FD00:0::9]:3300,v1:[FD00:0::9]:6789]", True),
        ("fd00::1,fd00::9:6789", False),  # an address of its own
    ],
)
def test_an_address_of_ipv6_is_named_with_and_without_brackets(hosts: str, named: bool) -> None:
    text = f"[global]\nmon host = {hosts}\n"
    assert conf.names(text, "fd00::9") == conf.names(text, "[fd00::9]") == named
    once = conf.with_address(text, "fd00::9")
    assert conf.names(once, "fd00::9")
    assert conf.with_address(once, "fd00::9") == once
    more = conf.with_address(once, "fd00::c")
    assert not conf.names(conf.without_address(more, "[fd00::9]"), "fd00::9")


@pytest.mark.parametrize(
    ("hosts", "then"),
    [
        ("10.0.0.1, 10.0.0.9", "10.0.0.9"),
        ("[v2:10.0.0.1:3300,v1:10.0.0.1:6789],10.0.0.9", "10.0.0.9"),
        (
            "[v2:10.0.0.1:3300,v1:10.0.0.1:6789] [v2:10.0.0.9:3300,v1:10.0.0.9:6789]",
            "[v2:10.0.0.9:3300,v1:10.0.0.9:6789]",
        ),
        ("10.0.0.10,10.0.0.9", "10.0.0.10,10.0.0.9"),
        ("10.0.0.1:6789", "10.0.0.1:6789"),  # the only one
    ],
)
def test_an_old_address_goes_in_whatever_form_and_never_the_last(hosts: str, then: str) -> None:
    text = f"[global]\nmon host = {hosts}\n[client]\nrbd cache = true\n"
    made = conf.without_address(text, "10.0.0.1")
    assert conf.value(made, "mon_host") == then
    assert made.endswith("\n[client]\nrbd cache = true\n")


def test_osds_start_for_good_only_by_name_and_never_go_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note: dict[str, Any] = {"started": False, "rests": True, "osds": []}
    monkeypatch.setitem(fakes.ANSWERS, "record.load", note)
    host, new = fakes.FakeHost("osd1"), fakes.FakeHost("new")
    notes = KeptNotes(prefix="", desk="", home=tmp_path, machines=[new], keepers=[new])
    side = osd_host.Side(new, notes)
    with pytest.raises(IrreversibleError, match="--past osd1"):
        osd_host.come_home(host, side, ["osd2"])
    assert host.asked == []
    monkeypatch.setitem(fakes.ANSWERS, "record.load", {**note, "started": True})
    for back in (osd_host.forget, osd_host.wake, osd_host.stay):
        with pytest.raises(IrreversibleError, match="can never open them again"):
            back(host, side)
    assert host.asked == []


def test_addresses_that_go_on_in_the_next_line_are_one_list() -> None:
    text = "[global]\nmon host = 10.0.0.1, \\\n  10.0.0.2\nfsid = 1\n"
    more = conf.with_address(text, "10.0.0.9")
    assert more == "[global]\nmon host = 10.0.0.1,    10.0.0.2,10.0.0.9\nfsid = 1\n"
    assert [conf.names(more, f"10.0.0.{one}") for one in (1, 2, 9)] == [True] * 3
    assert conf.value(conf.without_address(text, "10.0.0.2"), "mon_host") == "10.0.0.1"
