"""The virtual IP moves under calls and downloads, over and back: counted, killed, rebooted.

The order of the tests is that of a night; the first move is the one that cuts, to compare with.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.errors import CommandError
from migrate.onhost import call
from migrate.phases.plan import compose
from migrate.takeover import hand_over, virtual_ip
from tests.rig import flight
from tests.rig.test_window import carried_out, reboot
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_order, pytest.mark.in_set("address")]
PORT = 18774
BEFORE = ("isolation.private-address", "isolation.filter", "proxy.config", "fence.manager")
PROGRAM = "/run/flight.py"
STATE = """
ip -o -4 address show | awk '{$1=""; print}' | sed 's/valid_lft.*//'
ip rule; ip route show table main; ip route show table local | grep -v broadcast | sort
nft list tables; sysctl net.ipv4.conf.all.arp_ignore net.ipv4.conf.all.arp_announce
sysctl net.ipv4.conf.all.promote_secondaries
systemctl is-active keepalived rabbitmq-server memcached || true
systemctl is-enabled keepalived rabbitmq-server memcached || true
ls -A /var/lib/migrate 2>/dev/null || true
"""


@pytest.fixture(scope="module")
def ready(context: Context) -> Iterator[Context]:
    """Both sides as the step finds them, and on each somebody who answers."""
    carried_out(context, compose(context), *BEFORE)
    for host in (old(context), new(context)):
        answer(host)
    yield context
    for host in (old(context), new(context)):
        host.shell("systemctl stop flight || true")


@pytest.fixture(autouse=True)
def brokers_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take a minute to come back, and the window's tests have them."""
    monkeypatch.setattr(virtual_ip, "stop_brokers", lambda _: None)


def old(context: Context) -> Host:
    return context.source.controllers[0]


def new(context: Context) -> Host:
    return context.target.controllers[0]


def address(context: Context) -> str:
    return str(context.source.virtual_ips[0].address)


def answer(host: Host) -> None:
    host.write(PROGRAM, Path(flight.__file__).read_text(), mode=0o644)
    run = ("systemd-run", "-q", "--collect", "--unit=flight", "--property=Nice=-5")
    host.run(*run, "python3", PROGRAM, "answer", host.name, str(PORT))
    source = f"import socket\nsocket.create_connection(('127.0.0.1', {PORT}), 3)"
    assert waits_for(lambda: host.succeeds("python3", "-c", source), 20)


@dataclass
class Load:
    """What clients saw."""

    what: str
    told: list[Any] = field(default_factory=list)

    def of(self, *kinds: str) -> list[Any]:
        return [one for one in self.told if one[0] in kinds]

    @property
    def failed(self) -> list[Any]:
        return [one for one in self.of("kept", "closed", "probe") if one[4]]

    @property
    def cut(self) -> list[Any]:
        return [one for one in self.of("download") if one[4]]

    @property
    def longest(self) -> float:
        return max(self.lasted(one[1], one[2]) for one in self.of("kept", "closed", "probe"))

    @property
    def gap(self) -> float:
        """Seconds without an answer to who asks all the time."""
        good = sorted(one[2] for one in self.of("probe") if not one[4])
        return max(self.lasted(one, later) for one, later in pairwise(good))

    def lasted(self, began: float, ended: float) -> float:
        """Without the time in which the load itself did not run."""
        stalls = [min(ended, s[2]) - max(began, s[1]) for s in self.of("stall")]
        return float(ended - began - sum(one for one in stalls if one > 0))

    def by(self, name: str) -> int:
        return sum(one[3] == name for one in self.told)

    def __str__(self) -> str:
        calls = len(self.of("kept", "closed", "probe"))
        return (
            f"{self.what}: {len(self.failed)} of {calls} calls failed, longest {self.longest:.2f} "
            f"s, gap {self.gap:.2f} s, {len(self.cut)} of {len(self.of('download'))} downloads cut"
        )


@contextmanager
def loaded(context: Context, what: str) -> Iterator[Load]:
    """A load from 3 s before the block to 3 s after it; told when it has ended."""
    argv = [sys.executable, flight.__file__, "load", address(context), str(PORT)]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    load = Load(what)
    try:
        time.sleep(3)
        yield load
        time.sleep(3)
    finally:
        said, _ = child.communicate()
        load.told = json.loads(said)
        print(load)


def timed(what: str, act: Callable[..., Any], *arguments: Any) -> None:
    began = time.monotonic()
    act(*arguments)
    print(f"{what}: {time.monotonic() - began:.1f} s")


def test_where_packets_cannot_be_passed_on_it_moves_and_cuts(
    ready: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [host.shell(STATE) for host in (old(ready), new(ready))]
    monkeypatch.setattr(hand_over, "obstacles", lambda *_: ["told so"])
    with loaded(ready, "cut, over") as load:
        timed("cut, over", virtual_ip.take_over, ready)
    assert load.by(new(ready).name)
    assert virtual_ip.taken(ready)
    assert virtual_ip.quiet(ready)
    with loaded(ready, "cut, back") as load:
        timed("cut, back", virtual_ip.give_back, ready)
    assert load.by(old(ready).name)
    assert waits_for(lambda: [host.shell(STATE) for host in (old(ready), new(ready))] == before)


def test_both_hosts_can_pass_packets_on(ready: Context) -> None:
    assert hand_over.obstacles(ready, hand_over.ways(ready)) == []


@pytest.fixture(scope="module")
def at_first(ready: Context) -> list[str]:
    return [host.shell(STATE) for host in (old(ready), new(ready))]


def test_it_moves_under_calls_and_downloads(ready: Context, at_first: list[str]) -> None:
    with loaded(ready, "under what goes on, over") as load:
        timed("over", virtual_ip.take_over, ready)
        assert virtual_ip.taken(ready)
        assert virtual_ip.carried(ready)
        assert not virtual_ip.quiet(ready)  # clients keep their connections to the old holder
        assert call(old(ready), "flows.left", [address(ready)])
        # what the old holder itself begins goes to the target
        assert who_answers(ready, old(ready)) == new(ready).name
        assert not call(old(ready), "virtual_ip.holds", [address(ready)])
    assert load.failed == []
    assert load.cut == []
    assert load.longest < 3
    assert load.by(old(ready).name)
    assert load.by(new(ready).name)


def who_answers(context: Context, host: Host) -> str:
    source = (
        "import socket\n"
        f"s = socket.create_connection(({address(context)!r}, {PORT}), 3)\n"
        f"s.sendall(b'GET / HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n')\n"
        "print(s.makefile().read().split('By: ')[1].split()[0])"
    )
    return host.run("python3", "-c", source).strip()


def test_keepalived_started_by_hand_does_not_take_it(ready: Context) -> None:
    source = old(ready)
    assert call(source, "systemd.members", ["keepalived"]) == {}
    assert not source.succeeds("systemctl", "restart", "keepalived")
    source.shell("systemctl unmask -q keepalived; systemctl start keepalived")
    try:
        time.sleep(4.5)  # three adverts and more
        assert call(source, "virtual_ip.addresses", [address(ready)]) == []
    finally:
        source.shell("systemctl stop keepalived; systemctl mask -q keepalived")
    assert virtual_ip.taken(ready)


def test_what_goes_on_has_a_limit(ready: Context) -> None:
    window = ready.settings.window.model_copy(update={"transfer_seconds": 2})
    short = replace(ready, settings=ready.settings.model_copy(update={"window": window}))
    hand_over.settle(short)
    assert virtual_ip.quiet(ready)
    print(hand_over.told(ready))
    assert who_answers(ready, old(ready)) == new(ready).name


def test_it_goes_back_under_calls_and_downloads(ready: Context, at_first: list[str]) -> None:
    with loaded(ready, "under what goes on, back") as load:
        timed("back", virtual_ip.give_back, ready)
    # nobody has told clients to close what they keep, and the target ends it soon
    assert {one[0] for one in load.failed} <= {"kept"}
    assert load.gap < 3
    assert load.longest < 3
    assert load.by(old(ready).name)
    assert waits_for(lambda: [host.shell(STATE) for host in (old(ready), new(ready))] == at_first)


# --- killed


POINTS = [
    f"{module}.{name} {when}"
    for module, name in (
        ("systemd", "end_at_once"),
        ("flows", "install"),
        ("silent", "carry"),
        ("virtual_ip", "take_off"),
        ("virtual_ip", "take"),
    )
    for when in ("before", "after")
]
DIES = ("handing_over.give", "handing_over.fall_silent", "virtual_ip.take")
DEATH = """
import os as _os
_real_{name} = {name}
def {name}(*a, **k):
    {first}
    _os._exit(9)
"""


class Dying:
    """A host on which a program dies at *point*, e.g. "silent.carry before"."""

    def __init__(self, host: Host, point: str) -> None:
        self._host, (place, self._when) = host, point.split()
        self._module, _, self._name = place.partition(".")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def __eq__(self, other: object) -> bool:
        return other is self or other is self._host

    def __hash__(self) -> int:
        return hash(self._host)

    def python(self, source: str, payload: Any = None, *rest: Any) -> Any:
        texts = dict(payload["sources"])
        if source.partition("\n")[0][2:] in DIES and self._module in texts:
            texts[self._module] += self._death
        return self._host.python(source, {**payload, "sources": texts}, *rest)

    @property
    def _death(self) -> str:
        first = f"_real_{self._name}(*a, **k)" if self._when == "after" else "pass"
        return DEATH.format(name=self._name, first=first)


def dying(context: Context, point: str) -> Context:
    """*context* whose hosts die there: what only begins on the target at `take`."""
    source, target = context.source, context.target
    if ".take " in point:
        target = replace(target, controllers=(Dying(new(context), point),))
    else:
        source = replace(source, controllers=(Dying(old(context), point),))
    return replace(context, source=source, target=target)


@pytest.fixture
def unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom hosts hear is asked before: that takes longer than all the rest."""
    monkeypatch.setattr(virtual_ip, "_prove", lambda _: None)


@pytest.mark.usefixtures("unproven")
@pytest.mark.parametrize("back", [False, True], ids=["goes on", "goes back"])
def test_killed_at_every_instant(ready: Context, at_first: list[str], *, back: bool) -> None:
    with loaded(ready, f"killed at {len(POINTS)} instants, " + ("back" if back else "on")) as load:
        for point in POINTS:
            with pytest.raises(CommandError):
                virtual_ip.take_over(dying(ready, point))
            if not back:
                virtual_ip.take_over(ready)
                assert virtual_ip.taken(ready), point
            virtual_ip.give_back(ready)
            assert not virtual_ip.carried(ready), point
            assert call(old(ready), "virtual_ip.addresses", [address(ready)]), point
    assert {one[0] for one in load.failed} <= {"kept"}
    assert waits_for(lambda: [host.shell(STATE) for host in (old(ready), new(ready))] == at_first)


# --- rebooted


@pytest.mark.parametrize("point", ["flows.install after", "virtual_ip.take_off after"])
def test_the_old_holder_rebooted_in_the_middle(ready: Context, point: str) -> None:
    with pytest.raises(CommandError):
        virtual_ip.take_over(dying(ready, point))
    reboot(old(ready))
    assert call(old(ready), "virtual_ip.addresses", [address(ready)]) == []
    virtual_ip.take_over(ready)
    assert virtual_ip.taken(ready)
    answer(old(ready))
    virtual_ip.give_back(ready)
    assert call(old(ready), "virtual_ip.addresses", [address(ready)])


def test_each_rebooted_while_the_old_one_is_silent(ready: Context) -> None:
    virtual_ip.take_over(ready)
    reboot(old(ready))
    assert call(old(ready), "virtual_ip.addresses", [address(ready)]) == []
    assert virtual_ip.taken(ready)
    answer(old(ready))
    assert who_answers(ready, old(ready)) == new(ready).name
    reboot(new(ready))
    assert waits_for(lambda: virtual_ip.taken(ready))
    hand_over.settle(ready)
    assert virtual_ip.quiet(ready)
    virtual_ip.give_back(ready)
    assert not virtual_ip.carried(ready)
