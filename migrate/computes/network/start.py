"""The target's network agents: started, and heard by neutron; going back stopped without a trace.

Open vSwitch's agent comes first: the others plug into the bridge that it makes. Neutron gives an
agent that is new nothing but what nobody carries.
"""

from migrate.cloud import Context, hosts
from migrate.cloud.api import unless_gone
from migrate.cloud.host import Host
from migrate.computes.network import dhcp, reading, refusals, routers
from migrate.computes.network.facts import KNOWN, SWITCH
from migrate.errors import StepError
from migrate.onhost import call

START_SECONDS, GRACE_SECONDS = 120.0, 15.0
OTHERS = tuple(name for name in KNOWN if name != SWITCH)


def running(context: Context) -> bool:
    """Whether each agent is enabled and active on each controller, and neutron hears it."""
    target = context.target.controllers
    if not all(hosts.call_each(target, "agent_units.serving", list(KNOWN))):
        return False
    facts = reading.read(reading.api(context))
    heard = [one for one in facts.at(reading.names(target), *KNOWN) if one.alive and one.enabled]
    return len(heard) == len(KNOWN) * len(target)


def start(context: Context) -> None:
    """Start and enable them once nothing forbids it; how the switch was is noted first."""
    refusals.refuse(context)
    hosts.call_each(context.target.controllers, "switch.note")
    for binaries in ((SWITCH,), OTHERS):
        _start(context, binaries)


def _start(context: Context, binaries: tuple[str, ...]) -> None:
    target, api = context.target.controllers, reading.api(context)
    before = reading.read(api).at(reading.names(target))

    def act(host: Host) -> None:
        host.run("systemctl", "enable", "--quiet", *binaries)
        wrong = call(host, "systemd.start", list(binaries), START_SECONDS, timeout=200)
        if wrong:
            raise StepError(f"{host.name}: {'; '.join(wrong)}. See /var/log/neutron there")

    hosts.gather(target, act)
    reading.await_agents(api, reading.names(target), binaries, before)


def stop(context: Context) -> None:
    """Give back what they carry by now, then stop them, with their records and bridges."""
    if reading.untouched(context):
        return
    routers.give_back(context)
    dhcp.give_back(context)
    if not context.target.controllers:
        return

    def act(host: Host) -> None:
        if known := call(host, "systemd.show", list(KNOWN)):
            host.run("systemctl", "disable", "--quiet", *known)
            call(host, "agent_units.disarm")
            call(host, "agent_units.stop", list(KNOWN), GRACE_SECONDS, timeout=120)
        call(host, "switch.restore")

    hosts.gather(context.target.controllers, act)
    api = reading.api(context)
    for agent in reading.read(api).at(reading.names(context.target.controllers), *KNOWN):
        with unless_gone():
            api.send("DELETE", "network", f"/agents/{agent.id}")
