"""What the source is in the middle of. The cutover waits for these, for a while."""

from migrate.checks import agents
from migrate.cloud import Context
from migrate.cloud.operations import in_flight
from migrate.engine.finding import Finding, warning


def run(context: Context) -> list[Finding]:
    """A warning for each: one that lasts is no error now, but would hold the cutover up."""
    limit = context.settings.window.drain_seconds
    api = agents.administrator(context)
    return [
        warning(
            str(one),
            f"Wait for it or cancel it; a cutover gives what is in flight {limit} s to end",
            f"project {one.project}" if one.project else "",
        )
        for one in (in_flight(api) if api else ())
    ]
