"""`migrate settle`: the plan by which compute hosts come over; nothing is changed."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from migrate.cloud import Context, hosts, login
from migrate.cloud.host import Host
from migrate.cloud.settings import Settle
from migrate.computes import (
    draining,
    estimates,
    installers,
    plan,
    proof,
    reach,
    reading,
    service,
    versions,
)
from migrate.computes.estimates import Way
from migrate.computes.facts import ComputeHost, Facts
from migrate.computes.installers import Installer
from migrate.computes.network import refusals
from migrate.computes.network.facts import Agent
from migrate.computes.probing import combinations, hypervisors, note, telling
from migrate.computes.probing.facts import Seen, Trip
from migrate.engine import markers
from migrate.engine.finding import Finding, Severity, error, filled, info
from migrate.errors import MigrateError, SettingsError, UnreachableError
from migrate.phases import renew_network
from migrate.verify import boot

UNREACHED = "it is not in sidestep:source.computes of the stack file, so it cannot be reached"
STRANGER = "it was begun from here, and sidestep:source.computes does not name it any more"
FORGOTTEN = (
    "name it there again to put it back; where it is gone for good `migrate finish` forgets it"
)
NAME_IT = "name it there as nova does, or leave it out with --except"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says; None and nothing leave it to the stack file, or mean all."""

    hosts: Collection[str] = ()
    zone: str = ""
    without: Collection[str] = ()
    by: str | None = None
    update: bool = False
    canary: int | None = None
    batch: int | None = None
    stop_after: int | None = None

    @property
    def sized(self) -> bool:
        """Whether it says how many hosts at once."""
        return (self.canary, self.batch, self.stop_after) != (None, None, None)

    def over(self, settle: Settle) -> Settle:
        """*settle* with what is said here in its place."""
        said = {
            **{"by": self.by, "canary": self.canary, "batch": self.batch},
            "stop_after": self.stop_after,
        }
        update: dict[str, Any] = {key: value for key, value in said.items() if value is not None}
        return settle.model_copy(update=update)


def planned(context: Context, asked: Asked) -> plan.SettlePlan:
    """The plan for the hosts that are *asked* for, from what the cloud says now."""
    api = login.api(context)
    carriers = refusals.network_hosts(context, api)
    _refuse_named(carriers, asked)
    facts = reading.read(api)
    facts = replace(facts, servers=boot.others(api, facts.servers))
    settle = asked.over(context.settings.settle)
    installer = installers.updating(context) if asked.update else installers.named(settle.by)
    names = selected(facts, asked)
    already = updated(context, facts, installer) if asked.update else done(context, facts)
    made = plan.make(facts, settle, installer.WAY, names, already, asked.hosts)
    seen = hypervisors.read(context, api)
    probes = _probes(context, made, seen)
    rooted = sum(one.shape.boots_from_volume for one in probes)
    probing = estimates.probes(len(probes), rooted, facts.image)
    return replace(
        made,
        findings=(
            *made.findings,
            *_on_hosts(context, made, installer, seen),
            *left_out(carriers, asked),
            *_carriers(context, asked),
            *_strangers(context),
        ),
        probes=probes,
        probing=probing,
        seconds=made.seconds + probing,
    )


def _refuse_named(carriers: Collection[Agent], asked: Asked) -> None:
    """SettingsError where --host names a host of agents that nothing brings over."""
    if named := [one for one in carriers if one.at(asked.hosts)]:
        raise SettingsError(
            "; ".join(f"--host {refusals.elsewhere(one).describe()}" for one in named)
        )


def left_out(carriers: Collection[Agent], asked: Asked) -> list[Finding]:
    """Agents that nothing brings over, where all hosts are asked for: they forbid nothing here."""
    if asked.hosts or asked.zone or asked.update:
        return []
    found = [replace(refusals.elsewhere(one), severity=Severity.WARNING) for one in carriers]
    return list(filled(found, check=refusals.NAME))


def _carriers(context: Context, asked: Asked) -> list[Finding]:
    """Network hosts of the stack file, which are settled one by one."""
    if asked.hosts or asked.zone or asked.update:
        return []
    return renew_network.left(context)


def _strangers(context: Context) -> list[Finding]:
    found = [info(STRANGER, FORGOTTEN, name) for name in installers.strangers(context)]
    return list(filled(found, check="hosts"))


def done(context: Context, facts: Facts) -> set[str]:
    """Hosts that have come over, and on which nothing is left to do; nova's databases say so."""
    try:
        if not markers.live(context):
            return set()
    except UnreachableError:
        return set()  # a plan without them: to carry it out asks again
    found = versions.read(context)
    new = [one for one in facts.hosts if found.computes.get(one.name, 0) >= found.newest]
    return {one.name for one in new} - begun(context, new)


def updated(context: Context, facts: Facts, installer: Installer) -> set[str]:
    """Hosts that run from the controllers' lock, and on which nothing is left to do."""

    def ask(host: Host) -> set[str]:
        try:
            return {host.name} if installer.renewed(context, host) else set()
        except MigrateError:
            return set()  # the plan tells it

    names = {one.name for one in facts.hosts}
    known = [one for one in context.source.computes if one.name in names]
    found = set[str]().union(*hosts.gather(known, ask))
    return found - begun(context, [one for one in facts.hosts if one.name in found])


def begun(context: Context, those: Collection[ComputeHost]) -> set[str]:
    """Names of *those* that a run before this one has left in the middle."""

    def ask(host: Host) -> set[str]:
        closed = host.name in reasons or proof.noted(context, host)
        try:
            return {host.name} if closed or not draining.at_home(context, host) else set()
        except UnreachableError:
            return set()  # the plan tells it

    reasons = {one.name for one in those if one.reason == service.REASON}
    names = {one.name for one in those}
    known = [one for one in context.source.computes if one.name in names]
    return reasons.union(*hosts.gather(known, ask))


def _probes(context: Context, made: plan.SettlePlan, seen: list[Seen]) -> tuple[Trip, ...]:
    """What works is not tried again."""
    if made.way is not Way.IN_PLACE or not context.settings.settle.probe:
        return ()
    known = note.lasting(context)
    trips = combinations.expected(seen, made.names, context.target.release)
    return tuple(sorted(one for one in trips if not {one, one.back} <= known.keys()))


def _on_hosts(
    context: Context, made: plan.SettlePlan, installer: Installer, seen: list[Seen]
) -> list[Finding]:
    """What the hosts that would be renewed say themselves, before the first has its turn.

    One that a run has left in the middle forbids nothing to the others: it may have died since.
    """
    midway = {one.host.name for one in made.hosts if one.host.reason == service.REASON}
    wanted = [one.host.name for one in made.hosts if not one.refused]
    known = {host.name: host for host in context.source.computes}
    unknown = [error(UNREACHED, NAME_IT, name) for name in wanted if name not in known]
    those = [known[one] for one in wanted if one in known]
    found = installer.findings(context, those)
    found += reach.computes(context, those)
    found += filled(telling.findings(seen, made.hosts), check=telling.NAME)
    found += filled(telling.permitted(seen, made.hosts), check=telling.NAME)
    return [*filled(unknown, check="hosts")] + [
        replace(one, severity=Severity.WARNING) if one.where in midway else one for one in found
    ]


def selected(facts: Facts, asked: Asked) -> set[str]:
    """Names of the hosts that are *asked* for; SettingsError where there are none such."""
    known = {host.name: host.zone for host in facts.hosts}
    for option, names in (("--host", asked.hosts), ("--except", asked.without)):
        if unknown := sorted(set(names) - known.keys()):
            raise SettingsError(
                f"{option} {', '.join(unknown)}: nova knows no such compute host; "
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
        if name not in asked.without
    }
    if not found:
        raise SettingsError(
            "no compute host is left: --host, --zone and --except exclude each other"
        )
    return found
