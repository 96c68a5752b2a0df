"""Servers leave a compute host before it is renewed, as the stack file says of each, and come home.

Nova does it, and nova is asked how far it is: a run that dies leaves migrations in flight, and the
next one waits for them. What has left is kept before it is asked to (`note.py`), since nova does
not say who is to come back, nor which server was stopped for us.
"""

from migrate.computes.draining.home import at_home, bring, come
from migrate.computes.draining.leave import drain, drained, forget
from migrate.computes.draining.left_off import left_off, start_again
from migrate.computes.draining.turns import share

__all__ = [
    "at_home",
    "bring",
    "come",
    "drain",
    "drained",
    "forget",
    "left_off",
    "share",
    "start_again",
]
