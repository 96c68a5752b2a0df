"""`migrate settle`: the plan by which compute hosts come over; nothing is changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from migrate.cloud import Context, login
from migrate.cloud.settings import Settle
from migrate.computes import plan, reach, reading
from migrate.computes.estimates import Way
from migrate.computes.facts import Facts
from migrate.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says; None and nothing leave it to the stack file, or mean all."""

    hosts: Collection[str] = ()
    zone: str = ""
    way: Way = Way.IN_PLACE
    canary: int | None = None
    batch: int | None = None
    stop_after: int | None = None

    def over(self, settle: Settle) -> Settle:
        """*settle* with what is said here in its place."""
        said = {"canary": self.canary, "batch": self.batch, "stop_after": self.stop_after}
        update: dict[str, Any] = {key: value for key, value in said.items() if value is not None}
        return settle.model_copy(update=update)


def planned(context: Context, asked: Asked) -> plan.SettlePlan:
    """The plan for the hosts that are *asked* for, from what the cloud says now."""
    facts = reading.read(login.api(context), room=asked.way is Way.REINSTALL)
    settle = asked.over(context.settings.settle)
    names = selected(facts, asked)
    made = plan.make(facts, settle, asked.way, names)
    reached = reach.computes(context, names & {one.name for one in facts.hosts if one.up})
    return replace(made, findings=(*made.findings, *reached))


def selected(facts: Facts, asked: Asked) -> set[str]:
    """Names of the hosts that are *asked* for; SettingsError where there are none such."""
    known = {host.name: host.zone for host in facts.hosts}
    if unknown := sorted(set(asked.hosts) - known.keys()):
        raise SettingsError(
            f"--host {', '.join(unknown)}: nova knows no such compute host; "
            "`openstack compute service list` names them"
        )
    zones = sorted(set(known.values()))
    if asked.zone and asked.zone not in zones:
        there = ", ".join(zones) or "none"
        raise SettingsError(f"--zone {asked.zone}: no compute host is in it; there are: {there}")
    found = {
        name
        for name, zone in known.items()
        if (not asked.hosts or name in asked.hosts) and asked.zone in ("", zone)
    }
    if not found:
        raise SettingsError("no compute host is left: --host and --zone exclude each other")
    return found
