"""Network agents of the lab go over to the target's controller and back, under load."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from migrate.computes.network.facts import KNOWN
from migrate.onhost import call
from migrate.phases.session import context_of
from tests.full.test_pass import STACK, migrate, succeeds
from tests.lab import demo, identity, load, outages, records, traces
from tests.lab.settings import lab as this_lab
from tests.settle import bridge

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("settle-agents")]
AGENTS = ("settle", "--agents", "--execute")
LONGEST = 3.0  # seconds without an answer, of a server behind a router


@pytest.fixture(scope="module")
def before(over: None) -> dict[str, Any]:
    """What stands on the old controller before its agents go."""
    return look()


def look() -> dict[str, Any]:
    return traces.look(list(context_of(STACK).source.controllers))


def carried() -> dict[str, set[str]]:
    """By host, which agents neutron hears there that carry something, and what they carry."""
    admin = identity.connect(this_lab())
    found: dict[str, set[str]] = {}
    for agent in admin.network.agents():
        if agent.binary == "neutron-dhcp-agent":
            held = {f"network {one.id}" for one in admin.network.dhcp_agent_hosting_networks(agent)}
        elif agent.binary == "neutron-l3-agent":
            held = {f"router {one.id}" for one in admin.network.agent_hosted_routers(agent)}
        else:
            continue
        found[agent.host] = found.get(agent.host, set()) | held
    return found


def servers_of_dhcp() -> set[tuple[str, str]]:
    """Each port of a DHCP server and its address."""
    admin = identity.connect(this_lab())
    ports = admin.network.ports(device_owner="network:dhcp")
    return {(one.id, fixed["ip_address"]) for one in ports for fixed in one.fixed_ips}


def longest(since: float) -> dict[str, float]:
    """The longest silence of each server's address, in seconds."""
    seen = outages.noticed(load.records(this_lab(), since))
    return {kind: one.longest for kind, one in seen.items() if kind.startswith("ping")}


def test_a_bridge_that_is_missing_is_refused() -> None:
    ended = migrate(*AGENTS)
    assert ended.returncode == 3
    assert "bridge br-phy of physnet1 is missing" in ended.stderr
    bridge.make(this_lab())


def test_they_come_over_and_nothing_is_left_there(
    before: dict[str, Any], recorded: records.Records
) -> None:
    held, dhcp, began = carried()[this_lab().controller], servers_of_dhcp(), time.time()
    told = json.loads(succeeds(*AGENTS, "--json"))
    print(f"over in {time.time() - began:.1f} s, silences {longest(began)}, {told['routers']}")
    assert held
    assert carried()[this_lab().target] >= held
    assert servers_of_dhcp() >= dhcp
    (old,) = context_of(STACK).source.controllers
    assert call(old, "namespaces.left") == []
    assert max(longest(began).values()) <= LONGEST
    went = f" host: {this_lab().controller} -> {this_lab().target}"
    assert records.changes(this_lab(), recorded, lambda one: one.endswith(went) or agent(one)) == []


def agent(line: str) -> bool:
    """Whether it is of an agent on a controller: the old ones rest, the new ones came."""
    at = (this_lab().controller, this_lab().target)
    return line.partition(":")[0] in {f"{name} {host}" for name in KNOWN for host in at}


def test_again_it_changes_nothing() -> None:
    held, stood = carried(), look()
    succeeds(*AGENTS)
    assert (carried(), look()) == (held, stood)


def test_they_go_back_and_the_old_host_is_what_it_was(
    before: dict[str, Any], recorded: records.Records
) -> None:
    dhcp, began = servers_of_dhcp(), time.time()
    succeeds(*AGENTS, "--back")
    print(f"back in {time.time() - began:.1f} s, silences {longest(began)}")
    assert this_lab().target not in carried()
    assert servers_of_dhcp() >= dhcp
    assert traces.differences(before, look()) == []
    assert max(longest(began).values()) <= LONGEST
    assert records.changes(this_lab(), recorded) == []


def test_the_cloud_goes_back_with_its_agents_over() -> None:
    succeeds(*AGENTS)
    assert demo.back(this_lab()) == 0
