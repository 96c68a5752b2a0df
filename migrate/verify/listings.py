"""What the cloud holds, listed when nothing moves any more, to be compared after the move."""

from __future__ import annotations

from collections.abc import Iterator

from migrate.engine.plan import Impact, Phase, Step
from migrate.services.base import Recipe
from migrate.verify import views


def steps(_: tuple[Recipe, ...]) -> Iterator[Step]:
    """`listing.users` before the window, `listing.before` when users are out and nothing moves.

    What users do between the two shows in the second, which is all that the window pays for. At
    the controllers themselves, and not later: closed to all, the services could not ask keystone
    whether our token is good.
    """
    yield Step(
        id="listing.users",
        title="List what each project's own users see, and keep a token of each",
        phase=Phase.CUTOVER,
        done=lambda context: views.users_path(context).exists(),
        apply=lambda context: views.keep_users(context, context.source.first),
        revert=views.forget_users,
        estimate=5.0,
    )
    yield Step(
        id="listing.before",
        title="List every resource of every project",
        phase=Phase.CUTOVER,
        done=lambda context: views.admin_path(context).exists(),
        apply=lambda context: views.keep(context, context.source.first),
        revert=views.forget,
        needs=("gate.drain",),
        impact=Impact.API_CLOSED,
        estimate=2.0,
    )
