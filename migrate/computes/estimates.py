"""About how long it takes, and what users notice; measured in the lab, by hand, on two hosts.

Where it says so nothing was measured yet, and the figure is put together of others. Guests had
96 MB of memory: one that is large or busy writing takes longer, by what its network carries.
"""

from collections.abc import Mapping
from enum import StrEnum
from math import ceil


class Way(StrEnum):
    """How a host comes to the new release."""

    IN_PLACE = "in-place"
    REINSTALL = "reinstall"
    UPDATE = "update"  # to newer pins of the release that it has
    REBOOT = "reboot"  # the same, and a boot

    @property
    def emptied(self) -> bool:
        """Whether no server runs on the host meanwhile."""
        return self in (Way.REINSTALL, Way.REBOOT)

    @property
    def renews(self) -> bool:
        """Whether the host was of the old release: with the last there is no way back."""
        return self in (Way.IN_PLACE, Way.REINSTALL)


class Action(StrEnum):
    """What becomes of a server."""

    STAYS = "stays"
    LIVE = "live-migrate"
    COLD = "cold-migrate"
    STOP = "stop and start"
    REFUSED = "refused"


STOP_SECONDS = 63.0  # a guest that ignores ACPI: nova's shutdown_timeout is 60
BOOTED_SECONDS = 60.0  # a boot of the host itself; not measured, and most hardware takes longer
START_SECONDS = 10.0  # a stopped server that is started on a renewed host
MOVES = {  # one alone, and each of several at once
    Action.LIVE: (30.0, 50.0),  # 23-32 s of 12, 48-52 s two at once
    Action.COLD: (STOP_SECONDS + START_SECONDS,) * 2,  # not measured; copying the disk comes on top
    Action.STOP: (STOP_SECONDS, STOP_SECONDS),
    Action.STAYS: (0.0, 0.0),
}
BOOT_SECONDS = 17.0
TRIP_SECONDS = 60.0  # one server to another host and back
PROBE_SECONDS = BOOT_SECONDS + TRIP_SECONDS + 18  # put together: it is stopped and deleted, too
COPY_SECONDS = 10.0  # a GiB of an image into a volume; not measured: 1 Gbit/s carries that
RENEWALS = {
    # environment 46, nova-compute 4, heard again 28, Open vSwitch agent 15, a server booted, which
    # goes and comes where this cloud live-migrates
    Way.IN_PLACE: 46 + 4 + 28 + 15 + BOOT_SECONDS + TRIP_SECONDS,
    # power off 22, boot and files 5, packages 24, environment 46, start 24, a server booted 17
    Way.REINSTALL: 22 + 5 + 24 + 46 + 24 + 17.0,
    # put together: as in place, with a boot
    Way.UPDATE: 46 + 4 + 28 + 15 + BOOT_SECONDS + TRIP_SECONDS,
    Way.REBOOT: 46 + 4 + 28 + 15 + BOOT_SECONDS + TRIP_SECONDS + BOOTED_SECONDS,
}
MOVED = {
    Action.LIVE: "1-4 pings lost of 10 a second; its console log begins anew",
    Action.COLD: "shut down, and started on another host; one that is stopped only changes its "
    "host",
    Action.STOP: "off from the stop until its host is renewed",
}
RUNS_ON = (
    "nothing, where Open vSwitch's agent has minimize_polling = false; else up to 5 s without "
    "network"
)
NOTICED = {
    (Way.IN_PLACE, Action.STAYS): RUNS_ON,
    (Way.UPDATE, Action.STAYS): RUNS_ON,
    (Way.REBOOT, Action.STAYS): "nothing: it is stopped and stays so, on its host's disk",
    (Way.REINSTALL, Action.STAYS): "nothing: it is stopped and stays so, on the disk that is kept",
    **{(way, action): noticed for way in Way for action, noticed in MOVED.items()},
}
WAYS_BACK = {
    Way.IN_PLACE: "the old units again, in seconds",
    Way.REINSTALL: "reinstalled with the old release from what was kept",
    Way.UPDATE: "the version before again, in seconds",
    Way.REBOOT: "the version before again, in seconds; what the command of "
    "sidestep:settle.update has done stays",
}


def drain(counts: Mapping[Action, int], per_host: int) -> float:
    """Seconds until a host is empty, *counts* servers of each action, *per_host* at once."""
    moving = sum(count for action, count in counts.items() if action is not Action.STAYS)
    at_once = min(per_host, moving)
    work = sum(_each(action, at_once) * count for action, count in counts.items())
    longest = max((_each(action, at_once) for action, count in counts.items() if count), default=0)
    return max(longest, work / at_once) if at_once else 0.0


def batch(hosts: list[Mapping[Action, int]], way: Way, per_host: int, in_all: int) -> float:
    """Seconds for a batch: its servers on their way, then the renewal."""
    return moving(hosts, per_host, in_all) + host_renewal(hosts, way)


def moving(hosts: list[Mapping[Action, int]], per_host: int, in_all: int) -> float:
    """Seconds of the slowest host's drain, or of what all may do at once."""
    if not any(hosts):
        return 0.0
    drains = max((drain(counts, per_host) for counts in hosts), default=0.0)
    count = sum(n for counts in hosts for action, n in counts.items() if action is not Action.STAYS)
    longest = max(
        (_each(action, count) for counts in hosts for action, n in counts.items() if n),
        default=0.0,
    )
    return max(drains, ceil(count / in_all) * longest)


def probes(count: int, rooted: int, image: float) -> float:
    """Seconds to try *count* live migrations, *rooted* of them by servers that boot from volumes,
    which are made of images of up to *image* GiB.
    """
    return count * PROBE_SECONDS + rooted * image * COPY_SECONDS


def host_renewal(hosts: list[Mapping[Action, int]], way: Way) -> float:
    """Seconds from empty to open, with the servers started that were stopped for it."""
    stopped = max((counts.get(Action.STOP, 0) for counts in hosts), default=0)
    return RENEWALS[way] + START_SECONDS * stopped


def _each(action: Action, at_once: int) -> float:
    alone, among_others = MOVES[action]
    return alone if at_once < 2 else among_others
