"""What was planted is found to 0.2 s, by the front's log or by a client outside, and told where."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.onhost import call, front_log
from migrate.onhost.front import MODES, SOCKET, UNIT
from migrate.takeover import front, gate
from migrate.takeover.gate import close
from migrate.verify import availability, noticed
from migrate.verify.availability import latency, outside
from migrate.verify.availability.front import Following
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_set("gate")]

NEAR = 0.2
# the front refuses everybody for a second, the reader of its log sees it do so
REFUSING = f"""
import socket, time
def say(command):
    line = socket.socket(socket.AF_UNIX)
    line.connect("{SOCKET}")
    line.sendall(b"experimental-mode on; " + command + b"\\n")
    line.recv(1000)
say(b"set var proc.hold int(0)")
say(b"set var proc.mode int({MODES.index("all")})")
began = time.time()
time.sleep(1.0)
say(b"set var proc.mode int(0)")
print(time.time() - began)
"""
LOSING = """
nft -f - <<'END'
table inet planted { chain lose { type filter hook prerouting priority -300;
  iifname != "lo" tcp dport { 5000, 9292 } tcp flags & (syn|ack) == syn drop
}
}
END
began=$(date +%s.%N)
sleep 1.0
nft delete table inet planted
python3 -c "print($(date +%s.%N) - $began)"
"""


@pytest.fixture(autouse=True)
def _stands(context: Context) -> Iterator[None]:
    front.stand(context)
    yield
    close.reopen(context)
    front.leave(context)
    assert context.source.holder.succeeds("test", "!", "-e", "/var/lib/migrate")
    assert context.source.holder.succeeds("test", "!", "-e", front_log.RUN)


@contextmanager
def recorded(context: Context) -> Iterator[dict[str, Any]]:
    """What is judged of the block, once it has ended."""
    found: dict[str, Any] = {}
    availability.forget(context)
    following = Following(context, lambda *_: None)
    following.start()
    with noticed.recording(context, "test", print, anew=True, streams=outside.streams):
        assert waits_for(lambda: len(outside.heard(context.home)) > 20, 60)
        time.sleep(2)
        yield found
        time.sleep(2)
    following.end()
    found.update(availability.judge(context))


def of(found: dict[str, Any], by: str, *, least: float = 0.3) -> list[dict[str, Any]]:
    return [
        one for one in found["stretches"] if by in one["by"] and one["end"] - one["start"] > least
    ]


def reads(found: list[dict[str, Any]]) -> float:
    """How long the longest was to who reads."""
    return float(max(one["seconds"] for one in found if one["kind"] == "read"))


def test_an_outage_of_a_second_is_found_by_both(context: Context) -> None:
    with recorded(context) as found:
        planted = float(context.source.holder.run("python3", "-", stdin=REFUSING))
    for by in ("front", "outside"):
        failed = [one for one in of(found, by) if one["how"] == "failed"]
        assert {one["api"] for one in failed} == {"keystone", "glance"}, by
        assert reads(failed) == pytest.approx(planted, abs=NEAR), by
        assert {name for one in failed for name in one["wrong"]} == {"answered 503"}
    assert found["findings"] == []
    (row,) = [r for r in found["rows"] if (r["api"], r["kind"]) == ("keystone", "read")]
    assert row["before"]["worse"] < 1


def test_lost_packets_are_seen_outside_alone(context: Context) -> None:
    with recorded(context) as found:
        planted = float(context.source.holder.shell(LOSING))
    waited = [one for one in of(found, "outside") if one["kind"] == "read"]
    assert {one["api"] for one in waited} == {"keystone", "glance"}
    assert reads(waited) == pytest.approx(planted, abs=NEAR)
    assert of(found, "front") == []
    assert found["findings"]
    assert all("the client outside saw" in one["message"] for one in found["findings"])


def test_a_front_that_was_killed_is_a_gap_in_its_log(context: Context) -> None:
    with recorded(context) as found:
        began = time.time()
        context.source.holder.run("systemctl", "kill", "-s", "KILL", UNIT)
        assert waits_for(lambda: call(context.source.holder, "front.state")["mode"] == "open")
        lasted = time.time() - began
    (gap,) = [one for one in of(found, "front") if one["how"] == "no log"]
    # systemd starts it again after a second
    assert 1.0 - NEAR <= gap["seconds"] <= lasted + NEAR
    assert abs(gap["start"] - began) < 0.5
    (row,) = [r for r in found["rows"] if (r["api"], r["kind"]) == ("keystone", "read")]
    assert "front" in row["before"]["by"]
    assert any("logged nothing" in one["message"] for one in found["findings"])


def test_held_calls_are_told_as_waits(context: Context) -> None:
    with recorded(context) as found:
        gate.close_to_users(context)
        time.sleep(1.0)
        close.reopen(context)
    for by in ("front", "outside"):
        held = of(found, by)
        assert {(one["kind"], one["how"]) for one in held} == {("write", "waited")}, by
    (row,) = [r for r in found["rows"] if (r["api"], r["kind"]) == ("keystone", "write")]
    (says,) = [one for name, one in row["before"]["says"].items() if "front" in name]
    assert says["failed"] == 0
    assert says["held"] > 0.8


def test_no_room_for_the_log_stops_no_call(context: Context) -> None:
    host = context.source.holder
    host.run("mount", "-t", "tmpfs", "-o", "size=1m", "none", front_log.FOLDER)
    try:
        with recorded(context) as found:
            time.sleep(2)
            assert host.run("ls", front_log.FOLDER) == ""
            assert call(host, "front.state")["mode"] == "open"
            host.run("umount", front_log.FOLDER)
            time.sleep(2)
    finally:
        host.shell(f"umount {front_log.FOLDER} 2>/dev/null || true")
    # what waited for room is there
    assert of(found, "front", least=0.0) == []
    (row,) = [r for r in found["rows"] if (r["api"], r["kind"]) == ("keystone", "read")]
    assert len(row["before"]["says"]) == 2


def test_nothing_of_what_was_asked_for_is_kept(context: Context) -> None:
    host, address = context.source.holder, context.source.virtual_ips[0].address
    at = f"http://{address}:5000/v3/users/0123secret0123/x"
    host.run("curl", "-s", "-o", "/dev/null", f"{at}?token=secret")
    host.run("curl", "-s", "-o", "/dev/null", f"http://{address}:5000/v3/s3cret?a=secret")
    time.sleep(1.5)
    told = host.shell(f"cat {front_log.FOLDER}/*.log")
    assert "/v3/users/*" in told
    assert "secret" not in told
    assert "s3cret" not in told
    assert "secret" not in host.run("journalctl", "-b", "--no-pager", "-u", "migrate-*")


def test_an_ordinary_user_is_timed(context: Context) -> None:
    found = latency.sample(context)
    assert found["who"] == "lab-demo"
    assert found["apis"]["glance"]["median"] > 0
