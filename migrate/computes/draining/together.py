"""Servers of one host on their way side by side: as many at once as the stack file lets."""

import threading
from collections.abc import Collection

from migrate.cloud import Context, side_by_side
from migrate.computes.draining import turns
from migrate.computes.draining.move import Move
from migrate.errors import StepError


def run(context: Context, moves: Collection[Move], *, all_of_them: bool) -> list[str]:
    """Why servers are not where they are wanted, an entry for each.

    Once one has failed no other begins, unless *all_of_them* are to be tried. What is on its way
    comes to its end. StepError where a stop was asked for before all had their turn.
    """
    shared, failed, left = turns.of(context), threading.Event(), list[str]()

    def take_turn(move: Move) -> str:
        with shared.one(move.host.name, move.other or move.to) as ours:
            if not ours:
                left.append(move.server)
            elif (all_of_them or not failed.is_set()) and (wrong := move.run()):
                failed.set()
                return f"{move.name or move.server}: {wrong}"
        return ""

    at_once = context.settings.settle.concurrency.per_host
    wrong = [one for one in side_by_side.each(take_turn, moves, at_once) if one]
    if left:
        host = next(iter(moves)).host.name
        told = (
            f"{shared.cancellation.reason}: {len(left)} servers of {host} did not have their turn"
        )
        raise StepError("; ".join([told, *wrong]))
    return wrong
