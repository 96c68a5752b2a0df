"""A virtual IP given by one host and taken by another, under calls and transfers that go on.

Each function is one call of `migrate/takeover/hand_over.py`, where their order is; all are safe to
repeat, from wherever one of them was killed.
"""

from migrate.onhost import flows, record, silent, systemd, virtual_ip
from migrate.onhost.systemd import run
from migrate.onhost.virtual_ip import AWAY, KEEPALIVED


def prepare(ways: list[flows.Way], near: list[str]) -> None:
    """Know what begins on this target from now on; what began before is the old holder's."""
    virtual_ip.noted_here()
    flows.install(flows.TAKES, ways, near)


def give(ways: list[flows.Way], near: list[str], stays: bool) -> None:
    """Let the other host have the addresses of *ways*: what has begun here goes on here.

    Where it *stays* it goes to `lo`, silent; on the target it is there anyway.
    """
    wanted = [way["address"] for way in ways]
    with record.locked():
        if stays:
            virtual_ip.noted(wanted)
        systemd.end_at_once(KEEPALIVED)  # one that is asked to end takes the address away
        flows.install(flows.GIVES, ways, near)
        if stays:
            silent.carry(ways)
        virtual_ip.take_off(wanted)
    run("systemctl", "reset-failed", KEEPALIVED, check=False)


def give_back(staged: str, ways: list[flows.Way], near: list[str]) -> None:
    """`give` of this target, which does not take them again after a reboot; then `leave`."""
    virtual_ip.no_more(staged)
    give(ways, near, stays=False)


def carried_or_given(wanted: list[str]) -> dict[str, str]:
    """Which of *wanted* are here, or were before they were given, by their interface."""
    kept = (record.load(AWAY) or {}).get("addresses", [])
    return {one["address"]: one["device"] for one in (*kept, *virtual_ip.addresses(wanted))}


def at_work() -> bool:
    """Whether anything is left of what `give` and `take` need while both hosts serve."""
    return bool(flows.standing()) or silent.carried()


def forget_given(wanted: list[str]) -> None:
    """End what goes on at *wanted*, which are given; nothing of them is here any more."""
    if silent.carried():
        flows.cut(wanted)
    silent.put_down()
    flows.remove()
