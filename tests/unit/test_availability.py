"""Availability from a front's own lines and a client's calls: stretches, the worse, the parting."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.cli import availability_report
from migrate.engine import state_directory
from migrate.onhost import front_log
from migrate.verify import availability
from migrate.verify.availability.calls import FAILED, NO_LOG, WAITED, Call, silences, stretches
from migrate.verify.availability.front import parsed
from migrate.verify.availability.judging import Source, judged

# as HAProxy 3.0.11 threw them, and what is kept of each
LINES = {
    "1795965024668 5000 GET 200 -- 0 0 0 11 11 old_5000 /v3": (
        "1795965024.668 5000 GET 200 -- 0 0 0 11 11 old_5000 /v3"
    ),
    "1795966503054 5000 POST 404 -- 1667 0 0 16 1684 old_5000 /v3/x1": (
        "1795966503.054 5000 POST 404 -- 1667 0 0 16 1684 old_5000 /v3/*"
    ),
    "1795966505435 5000 POST 503 LR 2000 -1 -1 -1 2000 5000 /v3/auth/tokens": (
        "1795966505.435 5000 POST 503 LR 2000 -1 -1 -1 2000 5000 /v3/auth/*"
    ),
    "1795965024742 beat": "1795965024.742 beat",
    "a line of somebody else": "",
}
NAMES = {"5000": "keystone"}


@pytest.mark.parametrize("line", LINES)
def test_what_is_kept_of_a_line(line: str) -> None:
    assert front_log.kept(line) == LINES[line]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v2.1/servers/0b1f/action", "/v2.1/servers/*"),
        ("/v2.1/servers", "/v2.1/servers"),
        (f"/v1/{'0b1f' * 8}/stacks/mine/77", "/v1/*/stacks/*"),
        ("/v3/s3cret/users?token=x", "/v3/*"),
        ("/v1/AUTH_0b1f/holiday/1", "/v1/*"),
        ("/", "/"),
        ("<BADREQ>", "/*"),
        ("/v2/" + "0b1f" * 8, "/v2/*"),
    ],
)
def test_of_a_path_no_more_than_the_apis_own_words(path: str, told: str) -> None:
    line = f"1795965024668 5000 GET 200 -- 0 0 0 11 11 old_5000 {path}"
    assert front_log.kept(line).split()[-1] == told


def test_lines_as_calls() -> None:
    text = "\n".join(front_log.kept(line) for line in LINES)
    times, calls = parsed(text + "\n1795965030.000 lost 12\n", NAMES, 2.0)
    assert len(times) == 4
    read, write, token = calls
    assert read == Call(1795965026.668, 0.011, "keystone", "read", True)
    assert (write.kind, write.good, write.waited) == ("write", True, 1.667)
    assert (token.kind, token.good, token.wrong) == ("token", False, "answered 503")


@pytest.mark.parametrize(
    "line",
    [
        "1795965024.668 5000 GET -1 CD 5 0 0 -1 900 reads_5000 /v3",
        "1795970570.536 5000 POST 500 KC -1 -1 -1 -1 146294 5000 /v3",  # ended while it was held
    ],
)
def test_whose_client_has_left_is_neither(line: str) -> None:
    ((one,),) = [parsed(line, NAMES, 0.0)[1]]
    assert one.good is None
    assert stretches([one], 1795965030) == []


def reads(*good: tuple[float, float], bad: tuple[float, ...] = ()) -> list[Call]:
    made = [Call(end, end - begin, "nova", "read", True) for begin, end in good]
    return made + [Call(at + 0.01, 0.01, "nova", "read", False, "answered 503") for at in bad]


def test_an_outage_is_from_the_first_failure_to_the_first_answer() -> None:
    calls = reads((0, 0.1), (2.1, 2.2), bad=(1.0, 1.4, 1.8))
    (one,) = stretches(calls, 10)
    assert one.start == pytest.approx(1.0)
    assert (one.end, one.how) == (2.2, FAILED)
    assert one.wrong == {"answered 503": 3}


def test_who_does_not_call_hears_no_outage_and_one_that_has_no_end_goes_on() -> None:
    assert stretches(reads((0, 0.1), (60, 60.1)), 100) == []
    (one,) = stretches(reads((0, 0.1), bad=(5.0,)), 8)
    assert one.end == 8


def test_a_late_answer_is_a_wait() -> None:
    held = Call(3.0, 3.0, "nova", "write", True, "", 2.9)
    (one,) = stretches([held], 10)
    assert (one.start, one.end, one.how) == (0.0, 3.0, WAITED)
    # while others are answered it is slow, no more
    assert stretches([held._replace(waited=3.0), Call(0.2, 0.1, "nova", "write", True)], 9) == []


def test_a_log_without_a_beat_is_silent() -> None:
    (one,) = silences([0.0, 0.2, 0.4, 1.8, 2.0], 0.2, 0.0, 2.0)
    assert one.start == pytest.approx(0.5)
    assert (one.end, one.how) == (1.8, NO_LOG)
    (at_its_end,) = silences([0.0, 0.2], 0.2, 0.0, 3.0)
    assert at_its_end.end == 3.0


def beats(start: float, end: float) -> list[float]:
    return [start + 0.2 * n for n in range(int((end - start) / 0.2) + 1)]


def steady(start: float, end: float, kind: str = "read") -> list[Call]:
    return [Call(at + 0.01, 0.01, "nova", kind, True) for at in beats(start, end)]


def test_the_worse_of_the_two_counts_and_what_one_did_not_see_is_told() -> None:
    calls = steady(0, 30)
    lost = [one for one in calls if not 12 < one.ended < 13]
    late = [Call(13.0, 1.0, "nova", "read", True, "", 1.0)]
    log = Source.of_log("ctl", beats(0, 30), lost)
    client = Source.of_client(lost + late)
    found = judged([log], client, (10, 20), 20)
    (row,) = found["rows"]
    assert row["during"]["worse"] == 1.0  # nobody was refused
    assert row["during"]["says"]["the client outside"]["waited"] == pytest.approx(1.0, abs=0.05)
    (finding,) = found["findings"]
    assert "the client outside saw late answers only of nova (read)" in finding["message"]
    assert set(row["after"]["says"]) == {"the client outside"}


def test_a_gap_in_the_log_counts_as_an_outage() -> None:
    log = Source.of_log("ctl", beats(0, 12) + beats(13.3, 30), steady(0, 12) + steady(13.3, 30))
    found = judged([log], Source.of_client(steady(0, 30)), (10, 20), 20)
    (row,) = found["rows"]
    assert row["during"]["worse"] == pytest.approx(1 - 1.2 / 10, abs=0.01)
    assert row["during"]["by"] == "the front of ctl"
    assert row["before"]["worse"] == 1.0
    (finding,) = found["findings"]
    assert "the front of ctl logged nothing for 1.2 s" in finding["message"]


def test_where_both_see_it_nothing_is_told() -> None:
    calls = steady(0, 12) + steady(13, 30)
    bad = [Call(at, 0.01, "nova", "read", False, "answered 503") for at in (12.1, 12.5, 12.9)]
    log = Source.of_log("ctl", beats(0, 30), calls + bad)
    found = judged([log], Source.of_client(calls + bad), (10, 20), 20)
    assert found["findings"] == []
    assert found["rows"][0]["during"]["worse"] == pytest.approx(0.908, abs=0.02)


def test_a_front_that_carries_nobodys_calls_is_not_missed() -> None:
    idle = Source.of_log("ctl2", beats(0, 5), [])
    found = judged([idle], Source.of_client(steady(0, 30)))
    assert found["stretches"] == []
    assert judged([], Source.of_client([]))["rows"] == []


def test_the_files_are_never_more_than_so_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_log, "LEFT_BYTES", 0)
    monkeypatch.setattr(front_log, "FOLDER", str(tmp_path))
    ring = front_log.Ring(str(tmp_path), size=200, files=3)
    for number in range(100):
        ring.add(f"{number:012} beat")
        if number % 5 == 0:
            ring.flush()
    ring.flush()
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 3
    assert sum(one.stat().st_size for one in kept) < 3 * 320
    got = front_log.read(0, 0)
    assert got["number"] == int(kept[0].name[:8])
    assert kept[-1].read_text().endswith("000000000099 beat\n")


def test_without_room_lines_wait_and_the_oldest_are_counted_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_log, "WAITING", 10)
    monkeypatch.setattr(front_log, "LEFT_BYTES", 1 << 60)
    ring = front_log.Ring(str(tmp_path))
    for number in range(12):
        ring.add(str(number))
        ring.flush()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(front_log, "LEFT_BYTES", 0)
    ring.flush()
    first, *rest = (tmp_path / "00000001.log").read_text().splitlines()
    assert first.endswith(" lost 2")
    assert rest == [str(number) for number in range(2, 12)]


def test_the_report_draws_the_window_and_who_heard_nothing(tmp_path: Path) -> None:
    log = Source.of_log("ctl", beats(0, 12) + beats(13.3, 30), steady(0, 12) + steady(13.3, 30))
    found = judged([log], Source.of_client(steady(0, 30)), (10, 20), 20)
    assert availability_report.gather(tmp_path) == {}
    assert availability_report.drawn(tmp_path) == {}
    state_directory.record(tmp_path / availability.FILE, found)
    told = availability_report.gather(tmp_path)
    assert told["window"][0] == "1970-01-01T00:00:10.000+00:00"
    shown = availability_report.drawn(tmp_path)
    (bar,) = shown["bars"]
    assert bar["said"] == "the front of ctl: no log, 1.2 s"
    assert shown["window"][0] < bar["x"] < sum(shown["window"])
