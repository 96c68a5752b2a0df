"""A stop falls before a step or after it, never between the question and the start."""

from __future__ import annotations

import threading
import time

from migrate.engine.cancellation import Cancellation


def test_nothing_begins_after_a_request_and_the_first_reason_stays() -> None:
    asked = Cancellation()
    assert asked.begins(["a"])
    assert asked.request("aborted by ann")
    assert asked.request("the window took too long")
    assert not asked.begins(["b"])
    assert asked.reason == "aborted by ann"


def test_a_named_step_is_not_stopped_while_it_runs() -> None:
    asked = Cancellation()
    assert asked.begins(["vip.takeover"])
    assert not asked.request("abort", unless="vip.takeover")
    assert not asked.requested
    asked.ended("vip.takeover")
    assert asked.request("abort", unless="vip.takeover")


def test_a_step_that_was_refused_is_not_under_way() -> None:
    asked = Cancellation()
    asked.request("stop")
    assert not asked.begins(["vip.takeover"])
    assert asked.request("again", unless="vip.takeover")


def test_a_way_back_forgets_what_was_asked_and_is_asked_nothing() -> None:
    asked = Cancellation()
    asked.request("stop")
    with asked.ignored():
        assert asked.begins(["revert"])
        assert not asked.request("stop")
    assert asked.begins(["next"])
    assert asked.request("stop")


def test_who_waits_is_woken() -> None:
    asked = Cancellation()
    threading.Timer(0.05, asked.request, ["stop"]).start()
    began = time.monotonic()
    assert asked.wait(20)
    assert time.monotonic() - began < 10
    assert not Cancellation().wait(0)


def test_one_session_stops_no_other() -> None:
    one, other = Cancellation(), Cancellation()
    one.request("stop")
    assert other.begins(["a"])


def test_no_interrupt_falls_into_a_way_back_that_has_begun() -> None:
    """It waits for one that has begun to interrupt, and one that comes later does nothing."""
    asked, events = Cancellation(), list[str]()
    inside = threading.Event()

    def interrupt() -> None:
        inside.set()
        time.sleep(0.1)
        events.append("interrupted")

    thread = threading.Thread(target=asked.unless_ignored, args=[interrupt])
    thread.start()
    assert inside.wait(20)
    with asked.ignored():
        events.append("resumed")
        assert not asked.unless_ignored(lambda: events.append("too late"))
    thread.join()
    assert events == ["interrupted", "resumed"]
