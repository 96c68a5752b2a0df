"""One thing breaks while the window is open: the window is undone, and the next one goes through.

Each case breaks something in the moment in which a step begins. What the run says is in the case:
an operator at night reads nothing else. After that the source must be as before the window.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pytest

from migrate.errors import MigrateError
from tests.faults.bench import Bench
from tests.faults.conftest import Reference
from tests.faults.state import differences
from tests.faults.tally import Tally
from tests.lab import rig as rigs

pytestmark = [pytest.mark.rig, pytest.mark.in_set("faults-window")]
UNDONE = "the window was undone, the source serves as before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What breaks, what mends it, and what the operator must read.

    It breaks `after` seconds from when the step `at` has begun, or before the run.
    """

    name: str
    kind: str
    at: str = ""
    breaks: Callable[[Bench], None]
    mends: Callable[[Bench], None] = lambda _: None
    says: str
    undone: str = UNDONE
    survives: bool = False  # the run may as well go through, since what broke was not needed
    after: float = 0.0


def on(side: str, script: str, *, dropping: bool = False) -> Callable[[Bench], None]:
    """*script* by bash on "source" or "target"; *dropping* ends the connection it came by."""

    def act(bench: Bench) -> None:
        host = bench.source() if side == "source" else bench.target()
        if dropping:
            with suppress(MigrateError):
                host.shell(script)
        else:
            host.shell(script)

    return act


def holder(verb: str) -> Callable[[Bench], None]:
    """This host answers for the virtual IP too, or no more."""

    def act(_: Bench) -> None:
        this = rigs.rig()
        subprocess.run(
            ["ip", "address", verb, f"{this.vip}/32", "dev", this.bridge], check=verb == "add"
        )

    return act


KILL_SESSIONS = "pkill -KILL -f 'sshd-session: operator' || true"
KILL_DATABASE = """
pkill -KILL -x mariadbd
for i in $(seq 200); do mariadb -e 'SELECT 1' >/dev/null 2>&1 && break; sleep 0.1; done
"""
UNIT = "/etc/systemd/system/keystone.service"
LOAD = "systemctl daemon-reload"
TOOL = "/opt/openstack/2026.1/bin/keystone-manage"

FAULTS = (
    Fault(
        name="ssh dropped in a command",
        kind="ssh",
        at="fence.control",
        breaks=on("source", KILL_SESSIONS, dropping=True),
        says="ssh",
        survives=True,
    ),
    Fault(
        name="ssh dropped in a transfer",
        kind="ssh",
        at="database.copy",
        breaks=on("source", "pkill -KILL -f 'transfer/serve' || true"),
        after=0.6,
        says="not whole|ssh",
        survives=True,
    ),
    Fault(
        name="the target's MariaDB killed during the copy",
        kind="database",
        at="database.copy",
        breaks=on("target", KILL_DATABASE),
        after=0.3,
        says="MariaDB|not whole|mariadb",
        survives=True,
    ),
    Fault(
        name="the source's MariaDB killed during the copy",
        kind="database",
        at="database.copy",
        breaks=on("source", KILL_DATABASE),
        after=0.3,
        says="MariaDB|not whole|mariadb",
        survives=True,
    ),
    Fault(
        name="the target's MariaDB killed when all has arrived",
        kind="database",
        at="database.fingerprint",
        breaks=on("target", KILL_DATABASE),
        says="MariaDB|mariadb",
        survives=True,
    ),
    Fault(
        name="the source's MariaDB killed when all has arrived",
        kind="database",
        at="database.fingerprint",
        breaks=on("source", KILL_DATABASE),
        says="MariaDB|mariadb",
        survives=True,
    ),
    Fault(
        name="a schema tool killed at work",
        kind="schema tool",
        at="keystone.schema",
        breaks=on("target", "pkill -KILL -f migrate-warm-keystone || true"),
        after=0.5,
        says="died over a command",
        survives=True,
    ),
    Fault(
        name="a schema tool that does half and fails",
        kind="schema tool",
        at="database.copy",
        breaks=on(
            "target",
            f"systemctl stop migrate-warm-keystone; mv {TOOL} {TOOL}.real; "
            f"printf '#!/bin/sh\\n{TOOL}.real \"$@\"; exit 3\\n' > {TOOL}; chmod 755 {TOOL}",
        ),
        mends=on("target", f"mv -f {TOOL}.real {TOOL}"),
        says="keystone-manage .*exited 3",
    ),
    Fault(
        name="a unit that cannot start",
        kind="service",
        at="database.copy",
        breaks=on(
            "target",
            f"mv {UNIT} /root; systemctl mask keystone; systemctl kill --signal=KILL keystone",
        ),
        mends=on("target", f"systemctl unmask keystone; mv /root/keystone.service {UNIT}; {LOAD}"),
        says="keystone.*mask",
    ),
    Fault(
        name="a service that does not come up",
        kind="service",
        at="database.copy",
        breaks=on(
            "target",
            "mkdir -p /run/systemd/system/glance-api.service.d; printf "
            "'[Service]\\nExecStart=\\nExecStart=/bin/false\\n' "
            "> /run/systemd/system/glance-api.service.d/broken.conf; systemctl daemon-reload; "
            "systemctl kill --signal=KILL glance-api",
        ),
        mends=on(
            "target",
            "rm /run/systemd/system/glance-api.service.d/broken.conf; systemctl daemon-reload",
        ),
        says="glance of 2026.1 does not serve.*See /var/log/glance",
    ),
    Fault(
        name="the target's broker is down",
        kind="broker",
        at="database.copy",  # it takes seconds to stop: one of two proofs is the first to ask it
        breaks=on("target", "systemctl stop rabbitmq-server"),
        mends=on("target", "systemctl start rabbitmq-server"),
        says="daemons.answer: .*rabbitmq-server: .*Connection refused on .* and start it"
        "|database.urls: .* transport_url -> .*Connection refused",
    ),
    Fault(
        name="the target's broker dies and comes back",
        kind="broker",
        at="keystone.start",
        breaks=on("target", "systemctl kill --signal=KILL rabbitmq-server"),
        says="rabbitmq-server",
        survives=True,
    ),
    Fault(
        name="the source's broker dies",
        kind="broker",
        at="gate.all",
        breaks=on("source", "systemctl kill --signal=KILL rabbitmq-server"),
        says="rabbitmq-server",
        survives=True,
    ),
    Fault(
        name="the target's proxy is down",
        kind="proxy",
        at="database.copy",
        breaks=on("target", "systemctl stop haproxy"),
        mends=on("target", "systemctl start haproxy"),
        says="daemons.answer: .*haproxy: inactive on ",
    ),
    Fault(
        name="somebody else answers for the virtual IP",
        kind="address",
        at="database.synced",
        breaks=holder("add"),
        mends=holder("del"),
        says="answers for .* too, and is no controller of this cloud: find that machine",
        # this host has the address itself, so it asks itself
        undone="the window was undone, the source's data and units are as before",
    ),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_it_is_undone_and_the_next_window_goes_through(
    fault: Fault, bench: Bench, reference: Reference, tally: Tally
) -> None:
    with tally.trial(bench, f"fault: {fault.kind}", "followed"):
        try:
            ended = bench.during("cutover", fault.at, lambda: fault.breaks(bench), fault.after)
        finally:
            fault.mends(bench)
        if ended.status == 0:
            assert fault.survives, f"it did not notice: {ended}"
            assert differences(reference.released, bench.picture(), "same") == []
            bench.standing = "released"
        else:
            assert ended.status in (3, 4, 8), ended
            assert re.search(fault.says, ended.said, re.DOTALL), ended
            assert fault.undone in ended.said, ended
            assert bench.serves() == []
            assert differences(reference.followed, bench.picture(), "undone") == []
            bench.standing = "followed"


def test_no_window_is_opened_while_the_sources_broker_is_down(
    bench: Bench, reference: Reference, tally: Tally
) -> None:
    with tally.trial(bench, "fault: broker", "followed", "followed"):
        bench.source().run("systemctl", "stop", "rabbitmq-server")
        ended = bench.run("cutover")
        bench.source().run("systemctl", "start", "rabbitmq-server", timeout=120)
        assert ended.status == 3, ended
        assert "rabbitmq-server.service is inactive" in ended.said
        assert bench.serves() == []
        assert differences(reference.followed, bench.picture(), "undone") == []


def test_a_row_changed_between_copy_and_check(
    bench: Bench, reference: Reference, tally: Tally
) -> None:
    with tally.trial(bench, "fault: data", "followed", "released"):
        bench.dies("cutover", "database.copy unnoted")
        bench.target().shell("mariadb keystone -e \"UPDATE project SET description = 'forged'\"")
        # the copy is asked, not believed: it is repaired, or refused
        ended = bench.run("cutover")
        if ended.status:
            assert "row checksum of keystone.project" in ended.said, ended
            assert UNDONE in ended.said, ended
            bench.well("cutover")
        assert differences(reference.released, bench.picture(), "same") == []


def test_nobody_is_told_that_the_address_moved(
    bench: Bench, reference: Reference, tally: Tally
) -> None:
    """Every announcement of the target is lost; who had spoken to the source finds the target."""
    with tally.trial(bench, "fault: address", "followed", "released"):
        this = rigs.rig()
        assert bench.serves() == []  # this host has the source's hardware address in its table now
        with lost(
            f"ether type arp arp saddr ip {this.vip} arp daddr ip {this.vip} counter drop"
        ) as dropped:
            bench.well("cutover")
            assert bench.serves() == []
            assert dropped() > 0
        assert differences(reference.released, bench.picture(), "same") == []


@contextmanager
def lost(rule: str) -> Iterator[Callable[[], int]]:
    """What the target sends and *rule* matches is lost on its way; how many packets were."""
    this = rigs.rig()
    table = f"""
table netdev faults_{this.bridge.replace("-", "_")} {{
  chain lost {{
    type filter hook ingress device h-{this.target} priority 0;
    {rule}
  }}
}}
"""
    name = table.split()[1:3]
    subprocess.run(["nft", "-f", "-"], input=table, text=True, check=True)

    def dropped() -> int:
        told = subprocess.check_output(["nft", "list", "table", *name], text=True)
        return sum(int(number) for number in re.findall(r"packets (\d+)", told))

    try:
        yield dropped
    finally:
        subprocess.run(["nft", "delete", "table", *name], check=True)


def test_the_next_window_after_all_that(bench: Bench, reference: Reference) -> None:
    bench.bring("followed")
    bench.standing = ""
    bench.well("cutover")
    assert differences(reference.released, bench.picture(), "same") == []
    bench.standing = "released"
