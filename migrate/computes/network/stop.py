"""The source's network agents: stopped for good once they carry nothing, and nothing is left.

Its bridges and their records in neutron stay: those go in `finish`.
"""

from migrate.cloud import Context, hosts, wait
from migrate.cloud.host import Host
from migrate.computes.network import reading
from migrate.computes.network.facts import CARGO, KNOWN, SWITCH
from migrate.errors import StepError
from migrate.onhost import call

GRACE_SECONDS, START_SECONDS = 15.0, 180.0
LEFT_SECONDS, LEFT_PAUSE = 180.0, 2.0  # a live agent takes away what it has let go


def stopped(context: Context) -> bool:
    """Whether they are stopped and masked everywhere, and left nothing behind."""

    def ask(host: Host) -> bool:
        return bool(call(host, "agent_units.retired", list(KNOWN))) and not _left(host)

    return all(hosts.gather(context.source.controllers, ask))


def stop(context: Context) -> None:
    """Wait until they have taken away what they made, then stop, disable and mask them."""
    _refuse_carrying(context)

    def act(host: Host) -> None:
        if left := wait.while_any(lambda: _left(host), LEFT_SECONDS, LEFT_PAUSE):
            raise StepError(
                f"{host.name}: agents carry nothing any more, and yet there is "
                f"{', '.join(left)}: see whose it is, remove it by hand (`ip netns delete`, "
                "`ovs-vsctl del-port`), then the same again"
            )
        call(host, "agent_units.retire", list(KNOWN), GRACE_SECONDS, timeout=120)

    hosts.gather(context.source.controllers, act)
    _refuse_carrying(context)  # what neutron gave them in the last moment


def start_again(context: Context) -> None:
    """As they were; Open vSwitch's is heard first: a router that is given back is dark without it.

    With a dead target there is no neutron that could hear it, and nothing to be given back.
    """
    source, resting = context.source.controllers, reading.resting(context)
    waited = [name for name in resting if SWITCH in resting[name] and context.target.controllers]
    before = reading.read(reading.api(context)).at(waited, SWITCH) if waited else []

    def act(host: Host) -> None:
        wrong = call(host, "agent_units.restore", START_SECONDS, timeout=START_SECONDS + 60)
        if wrong:
            raise StepError(
                f"{host.name}: not every agent came back: {'; '.join(wrong)}. Start it, then the "
                "same again"
            )

    hosts.gather(source, act)
    if waited:
        reading.await_agents(reading.api(context), waited, [SWITCH], before)
    hosts.call_each(source, "agent_units.forget")  # until then a run that died waits again


def _refuse_carrying(context: Context) -> None:
    facts = reading.read(reading.api(context))
    for cargo in CARGO:
        if held := facts.held_at(reading.names(context.source.controllers), cargo):
            raise StepError(
                f"{len(held)} {cargo.name} are still carried on the source ({', '.join(held)}): "
                "neutron has given them there meanwhile; the same again moves them"
            )


def _left(host: Host) -> list[str]:
    found: list[str] = call(host, "namespaces.left")
    return found
