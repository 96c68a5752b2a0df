"""A machine loses power or boots again, at the worst moments: a way on or a way back is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from migrate.cloud import Context
from migrate.storage.volumes import policy
from tests.faults.bench import COMMANDS, STACK, Bench
from tests.faults.conftest import Reference
from tests.faults.state import Picture, differences
from tests.faults.tally import Tally
from tests.lab import rig as rigs
from tests.rig.test_window import reboot

pytestmark = [pytest.mark.rig, pytest.mark.in_set("faults-machines")]


def source_only(seen: Picture) -> Picture:
    name = rigs.rig().controller
    return {name: seen[name]}


def back_without_the_target(bench: Bench, reference: Reference) -> None:
    """The target is dead: the source serves as found, and it is said what became of the rest."""
    ended = bench.well("rollback")
    assert "is dead, what stood there went with it" in ended.said
    assert bench.serves() == []
    seen = source_only(bench.picture())
    assert differences(source_only(reference.found), seen, "back") == []


def test_the_target_dies_while_the_source_serves(
    bench: Bench, reference: Reference, tally: Tally
) -> None:
    with tally.trial(bench, "fault: target", "found", "followed"):
        ended = bench.during("follow", "broker.accounts", lambda: bench.power_off("target"), 1.0)
        assert ended.status in (4, 8), ended
        assert rigs.rig().target in ended.said
        assert bench.serves() == []
        bench.power_on("target")
        bench.well("follow")
        assert differences(reference.followed, bench.picture(), "same", "back") == []


def test_the_target_dies_in_the_window_and_comes_back(
    bench: Bench, reference: Reference, tally: Tally
) -> None:
    with tally.trial(bench, "fault: target", "followed", "released"):
        ended = bench.during("cutover", "database.copy", lambda: bench.power_off("target"), 0.3)
        assert ended.status in (4, 8), ended
        assert "migrate rollback --execute" in ended.said
        bench.power_on("target")
        bench.well("cutover")
        assert differences(reference.released, bench.picture(), "same", "rebooted") == []


def test_the_target_dies_in_the_window_for_good(
    bench: Bench, reference: Reference, tally: Tally
) -> None:
    with tally.trial(bench, "fault: target", "followed"):
        ended = bench.during("cutover", "keystone.start", lambda: bench.power_off("target"))
        assert ended.status in (4, 8), ended
        assert "migrate rollback --execute" in ended.said
        back_without_the_target(bench, reference)


def test_the_targets_database_is_broken_on_the_way_back(
    bench: Bench, reference: Reference, tally: Tally
) -> None:
    """It is told, and the machine may be powered off: the way back does not need it."""
    bench.reset()
    with tally.trial(bench, "fault: target", "followed"):
        bench.dies("cutover", "keystone.schema unnoted")
        bench.target().shell("systemctl mask --now mariadb")
        ended = bench.run("rollback")
        assert ended.status == 4, ended
        assert "is it running?" in ended.said
        bench.power_off("target")
        back_without_the_target(bench, reference)


def test_the_target_dies_when_it_serves(bench: Bench, reference: Reference, tally: Tally) -> None:
    bench.reset()
    with tally.trial(bench, "fault: target", "released"):
        bench.power_off("target")
        back_without_the_target(bench, reference)


def test_the_source_boots_in_the_window(bench: Bench, reference: Reference, tally: Tally) -> None:
    """The fence holds over a boot; the same command goes on."""
    bench.reset()
    with tally.trial(bench, "fault: source", "followed", "released"):
        bench.dies("cutover", "database.compare unnoted")
        reboot(bench.source())
        ended = bench.run("cutover")
        if ended.status:
            assert "undone" in ended.said, ended
            bench.well("cutover")
        assert differences(reference.released, bench.picture(), "same", "rebooted") == []


def test_the_source_boots_under_a_running_window(
    bench: Bench, reference: Reference, tally: Tally
) -> None:
    with tally.trial(bench, "fault: source", "followed", "released"):
        source = bench.source()
        ended = bench.during("cutover", "database.copy", lambda: reboot(source))
        if ended.status:
            assert "undone" in ended.said or "migrate rollback --execute" in ended.said, ended
            bench.well("cutover")
        assert differences(reference.released, bench.picture(), "same", "rebooted") == []


def test_the_source_boots_after_the_takeover(
    bench: Bench, reference: Reference, tally: Tally
) -> None:
    with tally.trial(bench, "fault: source", "released", "found"):
        reboot(bench.source())
        assert differences(reference.released, bench.picture(), "same", "rebooted") == []
        bench.well("rollback")
        assert bench.serves() == []
        assert differences(reference.found, bench.picture(), "back") == []


@contextmanager
def shared_storage(bench: Bench) -> Iterator[Context]:
    """The stack has cinder, whose calls are held as by `follow`; the rig's cloud has none."""
    path = bench.folder / "stacks" / f"Pulumi.{STACK}.yaml"
    text = path.read_text()
    document = yaml.safe_load(text)
    document["config"]["sidestep:services"].append("cinder")
    path.write_text(yaml.safe_dump(document))
    context = bench.context
    try:
        policy.protect(context)
        yield context
    finally:
        policy.hold_again(context)
        policy.unprotect(context)
        path.write_text(text)


def test_the_source_dies_when_the_target_serves(bench: Bench, tally: Tally) -> None:
    """Neither proof nor acceptance asks it; the lock stood there, so who goes on takes over."""
    with tally.trial(bench, "fault: source", "released"):
        bench.power_off("source")
        assert bench.serves() == []
        assert "0 differ" in bench.well("verify", "--take-over").said
        with shared_storage(bench) as context:
            assert policy.without_effect(context, context.target.controllers[0]) == []
            bench.well("accept", "--execute", "--take-over")
            assert policy.accepted(context)
        bench.power_on("source")
        bench.well(*COMMANDS["rollback"], "--take-over")
        assert bench.serves() == []
