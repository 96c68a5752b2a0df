"""Ceph's own releases by number and name, and from which a cluster may go to which."""

NAMES = {
    14: "nautilus",
    15: "octopus",
    16: "pacific",
    17: "quincy",
    18: "reef",
    19: "squid",
    20: "tentacle",
}
FARTHEST = 2  # releases at a time: daemons farther apart do not talk to each other


def name(number: int) -> str:
    """ "pacific" of 16; the number itself where we know no name."""
    return NAMES.get(number, str(number))


def may_follow(old: int, new: int) -> bool:
    """Whether daemons of *new* may join a cluster of *old*: known, and not too far."""
    return {old, new} <= NAMES.keys() and 0 <= new - old <= FARTHEST


def number(name: str) -> int:
    """16 of "pacific"; 0 of one that we do not know."""
    return next((number for number, one in NAMES.items() if one == name), 0)
