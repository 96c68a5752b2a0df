"""Both hosts come over, one reinstalled and the last in place, and the agents; then finish.

The report tells how many pings of each server that has cost. After finish nothing goes back.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import pytest
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from migrate.cloud import wait
from migrate.cloud.settings import home
from migrate.computes import versions
from migrate.errors import MigrateError
from migrate.phases.session import context_of
from tests.full.test_pass import STACK, migrate, succeeds
from tests.lab import cloud, identity, load, records
from tests.lab.remote import script
from tests.lab.settings import lab as this_lab
from tests.settle import bridge
from tests.settle.hosts import decided, old
from tests.settle.test_reinstall import SETTLE as REINSTALL
from tests.settle.test_reinstall import kept, prepare

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("finish")]
FINISH = ("finish", "--execute", "--past", "finish.mark")
HEARD_SECONDS = 400.0  # a call that is lost in a boot is given up after a minute, more than once
AGENT_DOWN_SECONDS = 240.0  # neutron hears an agent that was stopped for a minute and more


def errors() -> list[str]:
    """What forbids to finish, with its remedies; nothing where it may be done."""
    ended = migrate("finish", "--json")
    assert ended.returncode in (0, 3), ended.stderr
    found = json.loads(ended.stdout)["findings"]
    return [f"{one['where']} {one['message']}" for one in found if one["severity"] == "error"]


def silent() -> list[str]:
    """Addresses of servers that do not answer ping."""
    asked = ["ping", "-qc3", "-W2"]
    return [
        one
        for one in load.addresses(this_lab())
        if subprocess.run([*asked, one], capture_output=True, check=False).returncode
    ]


def on_record() -> dict[str, set[tuple[str, str]]]:
    """Who nova, cinder and neutron have on record: binary and host."""
    admin = identity.connect(this_lab())
    return {
        "nova": {(one.binary, one.host) for one in admin.compute.services()},
        "cinder": {(one.binary, one.host) for one in admin.block_storage.services()},
        "neutron": {(one.binary, one.host) for one in admin.network.agents()},
    }


def test_what_is_old_forbids_it_all_at_once() -> None:
    told = " ".join(errors())
    assert "the target is not accepted" in told
    assert "compute hosts are of an older release: cmp1, cmp2" in told
    assert "neutron-l3-agent is alive or carries something" in told
    assert "neutron-dhcp-agent is alive or carries something" in told


def pinged() -> AbstractContextManager[None]:
    """The report is to tell of every server, by each of its addresses."""
    return decided(watch=load.addresses(this_lab()))


def report(command: str) -> dict[str, Any]:
    """The report, once each address was pinged all the time that *command* ran."""
    found: dict[str, Any] = json.loads((home(STACK) / "report.json").read_text())
    heard = {one["at"]: one["calls"] for one in found["noticed"][command]["heard"]}
    assert heard.keys() == set(load.addresses(this_lab()))
    assert min(heard.values()) > 100, heard
    return found


def turn(name: str) -> dict[str, Any]:
    """What the report tells of the turn of the host *name*."""
    (found,) = [one for one in report(f"settle {name}")["settled"]["hosts"] if one["host"] == name]
    print(found)
    assert found["pings"]["whole"]
    return dict(found)


@pytest.fixture(scope="module")
def before(over: None) -> records.Records:
    """What the cloud has on record before the first host has its turn."""
    prepare()
    return records.dump(this_lab())


def test_one_host_is_reinstalled_and_servers_come_home(before: records.Records) -> None:
    """A ping that stands may stay dark after a move, so how many were lost is only told."""
    with pinged(), decided(home=True):
        succeeds(*REINSTALL)
    assert old() == {"cmp2"}
    moved = turn("cmp1")["moved"]
    assert moved
    assert [one for one in moved if one["wrong"]] == []
    assert wait.while_any(silent, 60) == []
    assert records.changes(this_lab(), before) == []


def test_the_last_comes_over_in_place_and_no_ping_is_lost(before: records.Records) -> None:
    with pinged():
        succeeds("settle", "--execute", "--host", "cmp2", "--canary", "0", "--past", "cmp2")
    assert versions.read(context_of(STACK)).old == set()
    assert turn("cmp2")["pings"] == {"lost": 0, "servers": {}, "whole": True}
    assert records.changes(this_lab(), before) == []


def test_once_agents_are_over_and_it_is_accepted_nothing_forbids() -> None:
    bridge.make(this_lab())
    with pinged():
        succeeds("settle", "--agents", "--execute")
    settled = report("settle --agents")["settled"]
    print(settled["routers"], [one for one in settled["pings"]["lost"] if not one["host"]])
    succeeds("accept", "--execute")
    assert wait.while_any(errors, AGENT_DOWN_SECONDS, pause=5) == []


def test_without_its_word_it_is_refused() -> None:
    ended = migrate("finish", "--execute")
    assert ended.returncode == 5
    assert "--past finish.mark" in ended.stderr


def test_it_purges_what_is_old_and_the_cloud_serves_on() -> None:
    left, new = this_lab().controller, this_lab().target
    assert kept()  # what was the reinstalled host's own
    began = time.monotonic()
    told: dict[str, Any] = json.loads(succeeds(*FINISH, "--json"))
    print(f"finished in {time.monotonic() - began:.1f} s: {told['online']}")
    print(*(f"{one['what']} {one['where']}" for one in told["goes"]), sep="\n")
    assert told["released"] == [left]
    assert not kept()
    found = on_record()
    print(found)
    for service in ("nova", "neutron"):
        assert not [one for one in found[service] if one[1] == left], found
        assert {new, "cmp1", "cmp2"} <= {host for _, host in found[service]}
    assert ("cinder-volume", f"{left}@nfs1") in found["cinder"]  # every volume's identity: it lives
    assert silent() == []


def test_again_it_changes_nothing() -> None:
    before = on_record()
    succeeds(*FINISH)
    assert on_record() == before


@pytest.mark.parametrize(
    "argv",
    [
        ("rollback", "--execute", "--accept-losses"),
        ("settle", "--execute", "--host", "cmp1", "--back"),
        ("settle", "--execute", "--agents", "--back"),
    ],
)
def test_nothing_goes_back(argv: tuple[str, ...]) -> None:
    ended = migrate(*argv)
    assert ended.returncode == 5, ended.stderr
    assert "there is no way back" in ended.stderr


def test_nor_by_destroying_the_stack() -> None:
    ended = subprocess.run(
        ["pulumi", "destroy", "--yes", "--skip-preview", "--stack", STACK],
        env={**os.environ, "MIGRATE_GO_BACK": STACK},
        text=True,
        check=False,
        capture_output=True,
    )
    assert ended.returncode != 0
    assert "there is no way back" in " ".join((ended.stdout + ended.stderr).split())


def test_status_says_so() -> None:
    assert "no way back" in succeeds("status")


def up_since() -> str:
    """When the target's controller was booted; "" while it does not answer."""
    (new,) = context_of(STACK).target.controllers
    try:
        return new.run("systemctl", "show", "-P", "UserspaceTimestampMonotonic").strip()
    except MigrateError:
        return ""


def unheard(since: datetime) -> list[str]:
    """Services and agents that nova and neutron have not heard after *since*; why, where neither
    can be asked.
    """
    try:
        admin = identity.connect(this_lab())
        told = [(one, one.updated_at, one.state == "up") for one in admin.compute.services()]
        told += [(one, one.last_heartbeat_at, one.is_alive) for one in admin.network.agents()]
    except (SDKException, ClientException) as error:
        return [str(error)]
    return [
        f"{one.binary} {one.host}"
        for one, at, up in told
        if not up or not at or datetime.fromisoformat(at).replace(tzinfo=UTC) < since
    ]


def test_the_new_controller_boots_and_serves_by_itself() -> None:
    before = up_since()
    script(this_lab(), this_lab().target, "systemd-run -q --on-active=1 systemctl reboot")
    wait.until(lambda: up_since() not in ("", before), 300, "it did not boot")
    assert wait.while_any(lambda: cloud.silent_apis(this_lab()), 300, pause=3) == []
    # what was heard before the boot is called alive for a minute more
    since = datetime.now(UTC)
    assert wait.while_any(lambda: unheard(since), HEARD_SECONDS, pause=5) == []
    admin = identity.connect(this_lab())
    image, flavor = admin.image.find_image("tiny"), admin.compute.find_flavor("t.tiny")
    made = admin.compute.create_server(
        name="after finish",
        image_id=image.id,
        flavor_id=flavor.id,
        networks=[{"uuid": admin.network.find_network("lan").id}],
    )
    try:
        admin.compute.wait_for_server(made, wait=400)
    finally:
        admin.compute.delete_server(made)
    # a router is built anew after a boot, by an agent whose first call may have been lost
    assert wait.while_any(silent, HEARD_SECONDS, pause=5) == []
