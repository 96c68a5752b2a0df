"""The front before the source's HAProxy: in and out unnoticed, closed for good, in nobody's way."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3

from migrate.cloud import Context
from migrate.errors import MigrateError, StepError
from migrate.onhost import call, knock, sources
from migrate.onhost.front import UNIT
from migrate.takeover import front, gate
from migrate.takeover.gate import close
from migrate.takeover.gate.haproxy import MESSAGE
from tests.rig.calls import Calls, calling
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_set("gate")]


@pytest.fixture(autouse=True)
def _gone(context: Context) -> Iterator[None]:
    yield
    close.reopen(context)
    front.leave(context)
    assert context.source.holder.succeeds("test", "!", "-e", "/var/lib/migrate")
    assert not context.source.holder.succeeds("nft", "list", "table", "ip", "migrate_front")


def url(context: Context) -> str:
    return f"http://{context.source.virtual_ips[0].address}:5000/v3"


# a target that answers, and notes what it was asked to do
ANSWERS = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        with open("/root/answers.log", "a") as log:
            print(self.path, file=log)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.ThreadingHTTPServer((sys.argv[1], 25000), Answer).serve_forever()
"""


def post(context: Context, path: str, seconds: float = 30) -> str:
    where = f"http://{context.source.virtual_ips[0].address}:5000{path}"
    with urllib3.PoolManager(retries=False, timeout=seconds) as pool:
        try:
            return str(pool.request("POST", where).status)
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__


def signal(context: Context, name: str) -> None:
    context.source.holder.run("systemctl", "kill", "-s", name, UNIT)


def heard(context: Context, method: str = "GET") -> str:
    return knock.ask(str(context.source.virtual_ips[0].address), 5000, MESSAGE, "", method)


def test_in_and_out_under_load_without_a_failed_call(context: Context) -> None:
    host = context.source.holder
    before = host.shell("sha256sum /etc/haproxy/haproxy.cfg; systemctl show -P MainPID haproxy")
    with calling(url(context)) as calls:
        time.sleep(1)
        assert not front.stands(context)
        front.stand(context)
        assert front.stands(context)
        assert call(host, "front.end_bypassing", 10.0) == []
        inside = time.monotonic()
        with pytest.raises(TimeoutError):  # its own ports are nobody's
            socket.create_connection((context.source.holder.address, 19001), 2)
        time.sleep(2)
        front.leave(context)
        time.sleep(1)
    assert calls.failed() == []
    assert calls.since(inside).made
    assert (
        host.shell("sha256sum /etc/haproxy/haproxy.cfg; systemctl show -P MainPID haproxy")
        == before
    )


def test_closed_in_two_depths_and_open_again(context: Context) -> None:
    front.stand(context)
    gate.close_to_users(context)
    assert gate.closed_to_users(context)
    assert not gate.closed_to_all(context)
    with pytest.raises(StepError, match="the source is not closed"):
        gate.prove_closed(context)
    assert heard(context, "POST") == "closed"
    assert heard(context) == "open"  # reads begin nothing
    own = f"http://{context.source.virtual_ips[0].address}:5000/v3"
    assert context.source.holder.succeeds("curl", "-sf", "-o", "/dev/null", own)
    gate.close_to_all(context)
    assert gate.closed_to_all(context)
    gate.prove_closed(context)
    assert gate.proven_closed(context)
    assert heard(context, "POST") == "closed"
    assert heard(context) == "open"  # the source answers while it does nothing else
    assert context.source.holder.succeeds("curl", "-sf", "-o", "/dev/null", own)
    assert not context.source.holder.succeeds("curl", "-sf", "-o", "/dev/null", "-d", "{}", own)
    close.reopen(context)
    assert heard(context) == "open"
    assert not gate.closed_to_users(context)


def test_held_calls_go_to_the_target_and_none_whose_client_has_gone(context: Context) -> None:
    target, host = context.target.holder, context.source.holder
    target.write("/root/answers.py", ANSWERS, mode=0o644)
    unit = ("--unit=answers", "--collect", "python3", "/root/answers.py", target.address)
    target.run("systemd-run", "--quiet", *unit)
    try:
        front.stand(context)
        gate.close_to_all(context)
        with ThreadPoolExecutor(12) as pool:
            made = [pool.submit(post, context, f"/kept-{one}") for one in range(8)]
            gone = [pool.submit(post, context, f"/gone-{one}", 1.0) for one in range(4)]
            assert [one.result() for one in gone] == ["ReadTimeoutError"] * 4
            time.sleep(1)
            assert not any(one.done() for one in made)
            assert front.flipped(context) == 0
            front.flip(context)  # no watch is armed
            assert [one.result() for one in made] == ["201"] * 8
        assert front.flipped(context) > 0
        told = target.run("cat", "/root/answers.log").split()
        assert sorted(told) == [f"/kept-{one}" for one in range(8)]
        assert gate.closed_to_all(context)
        assert gate.proven_closed(context)
        close.reopen(context)  # by whom it may be: nothing leads back
        signal(context, "STOP")
        time.sleep(3)
        assert heard(context) in ("open", "silent")  # a line that nobody answers
        signal(context, "KILL")
        assert waits_for(lambda: post(context, "/later") == "201")
        assert "/later" in target.run("cat", "/root/answers.log")
        call(host, "front.close", "all")
        assert front.flipped(context) == 0
        assert heard(context) == "closed"  # nobody sees the source who has seen the target
    finally:
        target.run("systemctl", "stop", "answers")
        target.run("rm", "-f", "/root/answers.py", "/root/answers.log")


def arm(context: Context, seconds: float) -> None:
    program = dict(sources("reopen_timer"))
    call(context.source.holder, "reopen_timer.arm", program, seconds)


def test_the_watch_and_the_flip_do_not_both_act(context: Context) -> None:
    host = context.source.holder
    try:
        front.stand(context)
        gate.close_to_all(context)
        arm(context, 1.0)
        assert waits_for(lambda: call(host, "reopen_timer.state")["state"] == "reopened")
        assert heard(context) == "open"
        with pytest.raises(MigrateError, match="too late to go live"):
            front.flip(context)
        gate.close_to_all(context)
        arm(context, 600)
        call(host, "record.save", "reopen", {"deadline": 1.0, "seconds": 1.0, "state": "armed"})
        with pytest.raises(MigrateError, match="too late to go live"):
            front.flip(context)
        assert waits_for(lambda: call(host, "reopen_timer.state")["state"] == "reopened")
        gate.close_to_all(context)
        arm(context, 600)
        front.flip(context)
        # it looks, and goes
        assert waits_for(lambda: not call(host, "reopen_timer.state")["alive"])
        assert call(host, "reopen_timer.state")["state"] == "armed"
        assert front.flipped(context) > 0
        call(host, "front.close", "all")
    finally:
        call(host, "reopen_timer.remove")


@pytest.mark.parametrize("how", ["KILL", "STOP"])
def test_dead_or_frozen_it_is_passed_by_while_it_is_open(context: Context, how: str) -> None:
    front.stand(context)
    with calling(url(context)) as calls:
        time.sleep(1)
        signal(context, how)
        time.sleep(4)
        after = time.monotonic()
        time.sleep(2)
        signal(context, "CONT")
        time.sleep(1)
    later = Calls([one for one in calls.made if one[0] >= after])
    assert later.made
    assert later.failed() == []
    assert later.longest() < 2


def test_closed_nothing_passes_it_dead_or_after_a_boot(context: Context) -> None:
    front.stand(context)
    gate.close_to_all(context)
    signal(context, "KILL")
    shut = ("closed", "silent", "reset")
    assert waits_for(lambda: heard(context, "POST") in shut)
    assert waits_for(lambda: heard(context, "POST") == "closed")  # systemd has started it again
    context.source.holder.run("systemctl", "stop", UNIT)
    assert heard(context) in ("silent", "reset")
    assert gate.close.closed(context, "all")
    call(context.source.holder, "front.open_again")  # with nobody to tell
    assert heard(context) == "open"
