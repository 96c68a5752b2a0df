"""A client outside asks on while others wait, and what it heard is judged: with a real server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate.verify import availability, noticed
from migrate.verify.availability import outside
from migrate.verify.availability.judging import Source, judged
from tests.unit.test_after_verify import Handler, serve
from tests.unit.test_noticed import cloud
from tests.wait import waits_for

__all__ = ["serve"]

NEAR = 0.2


class Api(Handler):
    """Refuses, or lets wait, for a while."""

    answers = 200
    waits = 0.0  # until this instant

    def do_GET(self) -> None:  # noqa: N802
        time.sleep(max(0.0, Api.waits - time.time()))
        self.send_response(Api.answers)
        self.end_headers()

    do_POST = do_GET  # noqa: N815


@pytest.fixture(autouse=True)
def _well() -> Iterator[None]:
    yield
    Api.answers, Api.waits = 200, 0.0


def heard(home: Path, kind: str) -> int:
    return sum(one.kind == kind for one in outside.heard(home))


@pytest.mark.parametrize("how", ["failed", "waited"])
def test_a_second_is_found_while_it_asks(serve: Any, tmp_path: Path, how: str) -> None:
    context = cloud(tmp_path, serve("127.0.0.1", Api))
    with noticed.recording(context, "cutover", print, streams=outside.streams):
        assert waits_for(lambda: heard(tmp_path, "write") > 3, 60)
        began = time.time()
        if how == "failed":
            Api.answers = 503
            time.sleep(1.0)
            Api.answers = 200
        else:
            Api.waits = began + 1.0
            time.sleep(1.0)
        planted = time.time() - began
        time.sleep(1.5)
    found = judged([], Source.of_client(outside.heard(tmp_path)))
    for kind, pause in (("read", outside.READS), ("write", outside.WRITES)):
        # a busy machine answers late at other times, too
        ours = [s for s in found["stretches"] if s["kind"] == kind]
        one = min(ours, key=lambda s: abs(s["start"] - began))
        assert (one["how"], one["api"]) == (how, "api0")
        assert one["end"] - one["start"] == pytest.approx(planted, abs=NEAR + pause / 2)
    # what `noticed` is told is in the order in which it was asked
    (told,) = [one for one in noticed.kept(tmp_path)["cutover"]["heard"] if one["what"] == "api0"]
    assert told["longest"] == pytest.approx(planted if how == "failed" else 0, abs=0.4)


def test_the_window_is_in_the_record_and_without_a_front_the_client_counts(
    serve: Any, tmp_path: Path
) -> None:
    context = cloud(tmp_path, serve("127.0.0.1", Api))
    with noticed.recording(context, "cutover", print, streams=outside.streams):
        assert waits_for(lambda: heard(tmp_path, "read") > 3, 60)
    now = time.time()
    found = availability.judge(context, (now - 60, now + 60))
    assert {row["kind"] for row in found["rows"]} == {"read", "write", "tcp"}
    assert all("during" in row for row in found["rows"])
    availability.forget(context)
    assert availability.judge(context)["rows"] == []
