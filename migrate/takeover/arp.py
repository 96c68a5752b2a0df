"""What the network says: who answers for a virtual IP, and which answers are ours."""

from collections.abc import Iterable

from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.cloud.settings import VirtualIp
from migrate.onhost import call


def answering(asker: Host, one: VirtualIp, seconds: float) -> list[str]:
    """Hardware addresses that answer *asker* for *one* within *seconds*."""
    interface = call(asker, "arp.interface_of", one.interface, asker.address)
    return list(call(asker, "arp.ask", interface, str(one.address), seconds))


def hardware(those: Iterable[Host]) -> set[str]:
    """Every hardware address of *those*."""
    return {mac for addresses in call_each(those, "arp.hardware") for mac in addresses}
