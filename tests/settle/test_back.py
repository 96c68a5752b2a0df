"""The cloud goes back from the middle: one host reinstalled, agents over, servers moved.

Whoever makes hosts anew fails first, and the way back of the host is killed at each boundary. The
reinstalled host is put back first, as `migrate status` and the runbook say. Agents, and servers
that are not where the source has them, the way back of the whole brings home by itself.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import settings, wait
from migrate.computes.service import REASON
from tests.full.test_pass import STACK, losses, migrate, succeeds
from tests.lab import cloud, demo, load, records
from tests.lab.content import images
from tests.lab.content.servers import BOOTED, wait_for_ping
from tests.lab.settings import lab as this_lab
from tests.settle import bridge, conftest, migrations
from tests.settle.hosts import BACK, host, lost, old, row, wait_until_old
from tests.settle.test_agents import AGENTS, carried
from tests.settle.test_drain import MICROVERSION, Booted, answering, ask
from tests.settle.test_drain import cloud as project
from tests.settle.test_finish import silent
from tests.settle.test_homecoming import running
from tests.settle.test_in_place import mortal
from tests.settle.test_reinstall import SETTLE, STEPS, kept, own, prepare

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("settle-back")]
NOISE = "noise"
COMMAND = "command: [python, -m, tests.lab, reinstall]"
DISK = """
raw=$(mktemp -p /var/tmp)
trap 'rm -f "$raw"' EXIT
qemu-img convert -U -O raw "/var/lib/nova/instances/$1/disk" "$raw"
sha256sum <"$raw"
"""


@dataclass(frozen=True, slots=True)
class Source:
    """How it was before the cutover; `user` is a server on cmp2 with noise on its disk."""

    user: Booted
    records: records.Records
    runs: dict[str, set[str]]  # by host
    contents: dict[str, str]


@pytest.fixture(scope="module", autouse=True)
def over() -> Iterator[Source]:
    """As the other sets have it, with one server more that the source knows."""
    demo.remove_cut_off(this_lab())
    cloud.stand_up(this_lab())
    data = random.Random(NOISE).randbytes(16 << 20)
    images.bootable(project(), NOISE, data)
    with volume().open("r+b") as file:
        file.write(data)
    user = answering(ask("a user's own", "cmp2", NOISE))
    demo.Papers(this_lab()).traces.unlink(missing_ok=True)  # they are to know it, too
    before = Source(user, records.dump(this_lab()), runs(), contents())
    demo.over(this_lab())
    try:
        yield before
    finally:
        conftest.clear()


@pytest.fixture(scope="module")
def itself(over: Source) -> dict[str, Any]:
    """By what cmp1 is known, once servers may move."""
    bridge.make(this_lab())
    prepare()
    return own()


def volume() -> Path:
    """The file of the volume that a server has, and never writes to."""
    found = project().block_storage.find_volume("attached")
    return this_lab().shared_volumes / f"volume-{found.id}"


def runs() -> dict[str, set[str]]:
    return {name: set(servers) for name, servers in running().items()}


def disk(name: str, server: str) -> str:
    """What *server* has on its own disk on the host *name*, as its guest would read it."""
    return str(host(name).shell(DISK, server, timeout=300)).split()[0]


def contents() -> dict[str, str]:
    """Digests of each server's own disk, where it runs, and of the volume."""
    found = {one: disk(name, one) for name, servers in runs().items() for one in servers}
    with volume().open("rb") as file:
        return {**found, "volume": hashlib.file_digest(file, "sha256").hexdigest()}


@contextmanager
def commanding(program: str) -> Iterator[None]:
    """*program* makes hosts anew."""
    file = settings.stack_file(STACK)
    text = file.read_text()
    assert COMMAND in text
    file.write_text(text.replace(COMMAND, f"command: ['{program}']"))
    try:
        yield
    finally:
        file.write_text(text)


def test_a_host_is_reinstalled_and_its_servers_stay_where_they_went(
    over: Source, itself: dict[str, Any]
) -> None:
    stood, began, away = records.dump(this_lab()), time.time(), over.runs["cmp1"]
    assert away, "nobody has to leave"

    def expected(line: str) -> bool:
        """A server has another host, and its port and allocation have."""
        about = any(server in line for server in away)
        return about and (" host: " in line or line.startswith("allocation "))

    with commanding("false"):
        ended = migrate(*SETTLE)
    assert ended.returncode == 4, ended.stderr
    assert row("cmp1").disabled_reason == REASON
    assert old() == {"cmp1", "cmp2"}
    assert silent() == []
    succeeds(*SETTLE)
    print(f"cmp1 reinstalled in {time.time() - began:.1f} s: {lost(began) or 'no ping lost'}")
    assert old() == {"cmp2"}
    assert own() == itself
    assert runs() == {"cmp1": set(), "cmp2": away | over.runs["cmp2"]}
    print(*records.differences(stood, records.dump(this_lab())), sep="\n")
    assert records.changes(this_lab(), stood, expected) == []


def test_agents_come_over() -> None:
    held, began = carried()[this_lab().controller], time.time()
    assert held
    succeeds(*AGENTS)
    print(f"agents over in {time.time() - began:.1f} s: {lost(began) or 'no ping lost'}")
    assert carried()[this_lab().target] >= held


def test_a_user_s_server_moves_from_the_old_release_to_the_new(over: Source) -> None:
    asked = project().compute.post(
        f"/servers/{over.user.id}/action",
        json={"os-migrateLive": {"host": "cmp1", "block_migration": "auto"}},
        microversion=MICROVERSION,
    )
    assert asked.status_code == 202, asked.text

    def ended() -> bool:
        return bool(over.user.moves and over.user.moves[-1][2] in ("completed", "error", "failed"))

    wait.until(ended, BOOTED, "it is still on its way", 2)
    assert over.user.moves == [("cmp2", "cmp1", "completed")]
    wait_for_ping("a user's own", over.user.address)
    assert runs()["cmp1"] == {over.user.id}
    assert disk("cmp1", over.user.id) == over.contents[over.user.id]


def test_the_host_is_put_back_first_as_status_says(
    over: Source, itself: dict[str, Any], tmp_path: Path
) -> None:
    (told,) = json.loads(succeeds("status", "--json"))["ways_back"]["hosts"].items()
    assert told[0] == "cmp1"
    assert "migrate settle --back" in told[1]
    began = time.time()
    for _ in range(3 * len(STEPS)):
        if (ended := mortal(tmp_path, *BACK)).returncode == 0:
            break
        assert ended.returncode == -9, ended.stdout + ended.stderr
    assert ended.returncode == 0
    died = (tmp_path / "died").read_text().split("\n")[:-1]
    assert {one.split()[0].partition(".")[2] for one in died} >= {"close", "keep", "reinstall"}
    took = time.time() - began
    print(f"cmp1 has its old release after {took:.1f} s, killed at each boundary: {died}")
    wait_until_old({"cmp1", "cmp2"})
    assert own() == itself
    assert not kept()
    assert over.user.now.compute_host == "cmp2"  # nobody stays on a host that is made anew
    wait_for_ping("a user's own", over.user.address)


def test_whoever_is_not_at_home_is_named_before_the_whole_goes_back(over: Source) -> None:
    told = {one["id"]: one["why"] for one in losses()["servers"]}
    assert told == dict.fromkeys(over.runs["cmp1"], "moved")


def test_the_whole_goes_back_and_the_source_serves_as_before(over: Source) -> None:
    """A fresh system has files of its own, and both hosts what lets servers move: only told."""
    problems = demo.go_back(this_lab(), tidy)
    print(*problems, sep="\n")
    assert runs() == over.runs
    for address in (over.user.address, *load.addresses(this_lab())):
        wait_for_ping(f"at {address}", address)
    assert records.changes(this_lab(), over.records) == []
    assert contents() == over.contents
    assert [one for one in problems if not one.startswith(("cmp1 ", "cmp2 "))] == []


def tidy() -> None:
    """No host is as it was while servers may move."""
    assert cloud.is_healthy(this_lab(), cloud.HEARD_SECONDS)
    migrations.remove(this_lab())
