"""A network host for the lab: it carries networks and routers, and no servers.

Only the set `settle-network` has it. It is put beside a cloud that stands, takes over all that the
controller's agents carry, and the stack's file names it meanwhile; it goes with the lab.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from infra import nspawn
from infra.nspawn import layers
from infra.nspawn.machine import Machine
from migrate.cloud import settings, wait
from migrate.errors import MigrateError
from migrate.onhost import call
from migrate.phases.session import context_of
from tests.lab import configuration, content, identity, packages
from tests.lab.content.servers import wait_for_ping
from tests.lab.remote import script
from tests.lab.settings import Lab
from tests.lab.stack import STACK

NAME = "net1"
AGENTS = ("openvswitch", "dhcp", "l3", "metadata")  # the others plug into the first one's bridge
HEARD_SECONDS, LEFT_SECONDS = 300.0, 180.0
COMPUTES = "    computes: "  # the line of the stack's file after which it is named


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierLab(Lab):
    """The lab with this machine beside the others."""

    @property
    def addresses(self) -> dict[str, str]:
        """Address of every machine by name, this one's included."""
        # a class with slots is another than its body's, which super() means without arguments
        return super(CarrierLab, self).addresses | {NAME: f"{self.prefix}.41"}


def beside(lab: Lab) -> CarrierLab:
    """*lab* with it."""
    return CarrierLab(**{one.name: getattr(lab, one.name) for one in fields(lab)})


def add(lab: Lab) -> None:
    """Make it, and let it carry all that the controller's agents do; servers answer after it."""
    those = beside(lab)
    machine = Machine(
        name=NAME,
        address=those.addresses[NAME],
        bridge=lab.host_bridge,
        home=lab.home,
        layers=(packages.network(), layers.bare()),
        hosts=those.hosts,
    )
    nspawn.create(machine)
    configuration.write_network_host(those, NAME, machine.root)
    nspawn.start(machine)
    nspawn.wait_for_ssh(machine)
    units = " ".join(f"neutron-{one}-agent" for one in AGENTS)
    script(those, NAME, f"systemctl enable -q --now provider-bridge\nsystemctl enable -q {units}")
    for one in AGENTS:
        script(those, NAME, f"systemctl start neutron-{one}-agent")
        wait.until(partial(_heard, lab, one), HEARD_SECONDS, f"neutron does not hear {one} there")
    take_over(lab)


def take_over(lab: Lab) -> None:
    """Everything from the controller's agents to those of this host, and wait for its servers."""
    network = identity.connect(lab).network
    old, new = (_agent(network, "dhcp", name) for name in (lab.controller, NAME))
    for one in list(network.dhcp_agent_hosting_networks(old)):
        network.remove_dhcp_agent_from_network(old, one.id)
        network.add_dhcp_agent_to_network(new, one.id)
    old, new = (_agent(network, "l3", name) for name in (lab.controller, NAME))
    for one in list(network.agent_hosted_routers(old)):
        network.remove_router_from_agent(old, one.id)
        network.add_router_to_agent(new, one.id)
    (controller,) = context_of(STACK).source.controllers
    # until then the old name spaces answer, too, and would be taken for what stood there before
    wait.until(
        lambda: not call(controller, "namespaces.left"), LEFT_SECONDS, "old agents keep some"
    )
    for name, one in content.told(lab)["servers"].items():
        if one["floating"]:
            wait_for_ping(name, one["floating"])


@contextmanager
def named() -> Iterator[None]:
    """The stack's file names it as a network host while the block runs."""
    file = settings.stack_file(STACK)
    text = file.read_text()
    (line,) = [one for one in text.splitlines(keepends=True) if one.startswith(COMPUTES)]
    address = beside(Lab()).addresses[NAME]
    ours = f"    networkHosts: [{{name: {NAME}, address: {address}}}]\n"
    file.write_text(text.replace(line, line + ours))
    try:
        yield
    finally:
        file.write_text(text)


def _heard(lab: Lab, name: str) -> bool:
    agents = identity.connect(lab).network.agents(host=NAME, binary=f"neutron-{name}-agent")
    return any(one.is_alive for one in agents)


def _agent(network: Any, name: str, host: str) -> Any:
    for one in network.agents(host=host, binary=f"neutron-{name}-agent"):
        return one
    raise MigrateError(f"neutron knows no {name} agent on {host}")
