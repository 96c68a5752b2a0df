"""One thing breaks while the source serves: the run stops and says what to do; then it goes on."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from migrate.checks import clock
from tests.checked import check_of
from tests.checks.conftest import assert_finds, broken
from tests.faults.bench import Bench
from tests.faults.conftest import Reference
from tests.faults.state import differences
from tests.faults.tally import Tally
from tests.faults.test_window import KILL_SESSIONS, Fault, lost, on

pytestmark = pytest.mark.rig
STORE = "/var/lib/glance/images"


def other_key(text: str, address: str) -> str:
    """The host at *address* has another key: it was reinstalled, or somebody is in between."""
    keys = {line.split()[0]: line.split(maxsplit=1)[1] for line in text.splitlines()}
    (other,) = set(keys) - {address}
    return "".join(f"{host} {keys[other]}\n" for host in keys)


def everywhere(script: str) -> Callable[[Bench], None]:
    def act(bench: Bench) -> None:
        for side in ("source", "target"):
            on(side, script)(bench)

    return act


IMAGE = f"$(find {STORE} -type f -size +1M | head -1)"
FAULTS = (
    Fault(
        name="ssh dropped in a command",
        kind="ssh",
        at="broker.accounts",
        breaks=on("target", KILL_SESSIONS, dropping=True),
        after=0.5,
        says="the ssh connection broke while a command ran|ssh failed",
        survives=True,
    ),
    Fault(
        name="the target's broker is down",
        kind="broker",
        breaks=on("target", "systemctl stop rabbitmq-server"),
        mends=on("target", "systemctl start rabbitmq-server"),
        says="rabbitmq-server.service is inactive .*`pulumi up` to mend it",
    ),
    Fault(
        name="the target's disk is full when images come",
        kind="disk",
        at="transfer.key",
        breaks=on(
            "target",
            f"mkdir -p {STORE}; mount -t tmpfs -o size=2m,uid=glance,gid=glance tmpfs {STORE}",
        ),
        mends=on("target", f"umount {STORE}"),
        says=r"images did not reach .*, 0 MiB free: ",
    ),
    Fault(
        name="the target's disk is full when databases come",
        kind="disk",
        breaks=on(
            "target",
            "systemctl stop mariadb; mkdir /var/lib/kept; cp -a /var/lib/mysql/. /var/lib/kept; "
            "size=$(du -sm /var/lib/kept | cut -f1); "
            "mount -t tmpfs -o size=$((size + 16))m,uid=mysql,gid=mysql tmpfs /var/lib/mysql; "
            "cp -a /var/lib/kept/. /var/lib/mysql; systemctl start mariadb",
        ),
        mends=on(
            "target",
            "systemctl stop mariadb; umount /var/lib/mysql; rm -r /var/lib/kept; "
            "systemctl start mariadb",
        ),
        says="MiB free, .* needed .*Give the target more disk",
    ),
    Fault(
        name="an image of the source is cut short",
        kind="data",
        breaks=on("source", f"cp -p {IMAGE} /root/whole; truncate -s 5000 {IMAGE}"),
        mends=on(
            "source", f"cat /root/whole > $(find {STORE} -type f -size 5000c); rm /root/whole"
        ),
        says="are wrong after they were copied.*if the source's own file is damaged",
    ),
    Fault(
        name="names are not resolved any more",
        kind="network",
        breaks=everywhere(
            "cp /etc/resolv.conf /root/; echo nameserver 192.0.2.1 > /etc/resolv.conf"
        ),
        mends=everywhere("cat /root/resolv.conf > /etc/resolv.conf; rm /root/resolv.conf"),
        says="",
        survives=True,
    ),
)


@pytest.mark.in_set("faults-follow")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_it_stops_and_goes_on(
    fault: Fault, bench: Bench, reference: Reference, tally: Tally
) -> None:
    with tally.trial(bench, f"fault: {fault.kind}", "found", "found"):
        try:
            if fault.at:
                ended = bench.during("follow", fault.at, lambda: fault.breaks(bench), fault.after)
            else:
                fault.breaks(bench)
                ended = bench.run("follow")
        finally:
            fault.mends(bench)
        assert bench.serves() == []
        if ended.status == 0:
            assert fault.survives, f"it did not notice: {ended}"
        else:
            assert ended.status in (3, 4, 8), ended
            assert re.search(fault.says, ended.said, re.DOTALL), ended
            bench.well("follow")
        assert differences(reference.followed, bench.picture(), "same", "back") == []
        bench.well("rollback")


@pytest.mark.in_set("faults-follow")
def test_the_line_to_the_target_goes_dead(bench: Bench, reference: Reference, tally: Tally) -> None:
    """Nothing is refused, nothing is answered: it is told long before most commands' deadlines."""
    with tally.trial(bench, "fault: ssh", "found", "followed"):
        with ExitStack() as line:
            ended = bench.during(
                "follow", "isolation.filter", lambda: line.enter_context(lost("tcp sport 22 drop"))
            )
        assert ended.status in (4, 8), ended
        assert "the ssh connection broke while a command ran" in ended.said
        assert "did not end in time" not in ended.said
        bench.well("follow")
        assert differences(reference.followed, bench.picture(), "same", "back") == []


@pytest.mark.in_set("faults-follow")
def test_a_file_of_the_target_that_is_cut_short_is_brought_again(
    bench: Bench, reference: Reference, tally: Tally
) -> None:
    with tally.trial(bench, "fault: data", "followed", "followed"):
        bench.target().shell(f"truncate -s 100 {IMAGE}")
        bench.well("follow")
        assert differences(reference.followed, bench.picture(), "same", "back") == []


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_host_key_that_changed(side: str, bench: Bench, tally: Tally) -> None:
    """Nobody is spoken to before somebody has found out why."""
    host = bench.source() if side == "source" else bench.target()
    with tally.counted("fault: ssh"):
        path = bench.context.settings.ssh.known_hosts
        assert path is not None
        known = path.read_text()
        path.write_text(other_key(known, host.address))
        try:
            for command in ("follow", "rollback"):
                ended = bench.run(command)
                assert ended.status in (4, 8), ended
                assert "its ssh host key has changed; find out why, then correct" in ended.said
        finally:
            path.write_text(known)


def test_a_clock_that_is_off_is_found(bench: Bench, tally: Tally) -> None:
    """By the `check` that goes before everything; no window is opened with such a clock."""
    with tally.counted("fault: clock"):
        late = "/usr/local/bin/date"
        words = '#!/bin/sh\\nexec /usr/bin/date -d "5 minutes" "$@"\\n'
        breaking = f"printf '{words}' > {late}; chmod 755 {late}"
        with broken(bench.target(), breaking, f"rm {late}"):
            assert_finds(check_of(clock), bench.context, ("its clock is", "300"))
