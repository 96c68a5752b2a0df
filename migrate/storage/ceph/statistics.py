"""What the active manager knows of the cluster, and whether the monitors have it from this one.

A monitor goes on telling what the last manager said until the next has heard of every OSD: "clean"
may be a minute old, and of a cluster that is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrate.cloud import wait
from migrate.cloud.host import Host
from migrate.errors import CommandError, StepError, one_line
from migrate.onhost import call
from migrate.storage.ceph.facts import unclean

FRESH_SECONDS = 300


def wait_until_fresh(host: Host) -> None:
    """Return when what *host* is told of the cluster is its present manager's word.

    One that has just started anew may leave a question without an answer: it is asked again.
    """

    def stale() -> str:
        try:
            return why_stale(call(host, "ceph.statistics", timeout=180))
        except CommandError as failure:
            return one_line(failure)

    if told := wait.while_any(stale, FRESH_SECONDS):
        raise StepError(
            f"{host.name}: what the cluster says of itself stays old ({told}); see `ceph -s`"
        )


def why_stale(said: Mapping[str, Any]) -> str:
    """What the manager does not know yet of `onhost.ceph.statistics`, as words; "" if nothing."""
    if not said["manager"] or not said["available"]:
        return "no manager is active"
    if silent := sorted(set(said["up"]) - set(said["reported"])):
        return f"osd.{silent[0]} has not reported to manager {said['manager']}"
    known = {one["name"]: one["num"] for one in said["groups"]}
    if not said["ready"] or any("unknown" in state for state in known):
        return f"manager {said['manager']} does not know all placement groups"
    if unclean(known) != unclean({one["state_name"]: one["count"] for one in said["told"]}):
        return f"monitors have not heard manager {said['manager']} yet"
    return ""
