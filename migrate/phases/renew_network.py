"""`migrate settle --execute --host NET`: hosts that only carry network agents, one at a time.

In place alone, and never two at once: what one carries nobody else does. They wait for no other
host and none waits for them, since agents speak to neutron's server alone, which takes both
releases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.computes import installers, reach, units
from migrate.computes.installers import in_place
from migrate.computes.network import carried, reading, refusals
from migrate.engine import finding, markers
from migrate.engine.finding import Finding, filled, info
from migrate.engine.plan import Phase, Plan, Step
from migrate.engine.runner import Observer
from migrate.errors import MigrateError
from migrate.phases import control, no_return
from migrate.phases.plan import settled_network
from migrate.phases.session import Session

NAME = "network-hosts"


def named(context: Context, names: Iterable[str]) -> list[str]:
    """Those of *names* that are network hosts of the stack file."""
    known = {host.name for host in context.source.network_hosts}
    return [one for one in dict.fromkeys(names) if one in known]


def steps(names: Collection[str]) -> Plan:
    """Those of the hosts of *names*."""
    return Plan(tuple(step for name in names for step in settled_network(name)))


def left(context: Context) -> list[Finding]:
    """Network hosts that are of the old release, for a plan of all compute hosts."""
    found = []
    for host in context.source.network_hosts:
        try:
            if carried.proven(context, host):
                continue
        except MigrateError:
            pass  # it is told all the same; by its name it is asked
        remedy = f"`migrate settle --execute --host {host.name}` renews it, before or after these"
        found.append(info("a network host is none of these", remedy, host.name))
    return list(filled(found, check=NAME))


def findings(context: Context, names: Collection[str]) -> list[Finding]:
    """What forbids to renew the hosts of *names*; one that is renewed is left alone."""
    todo = [host for host in _hosts(context, names) if not carried.proven(context, host)]
    if not todo:
        return []
    found = in_place.findings(context, todo) + reach.computes(context, todo)
    facts = reading.read(reading.api(context))
    for host in todo:
        if not _begun(context, host):
            mine = refusals.of_host(context, host, facts)
            found += filled(mine, check=NAME, where=host.name)
    return found


def _begun(context: Context, host: Host) -> bool:
    """Whether its agents may be down by our own hand."""
    return carried.kept(host) and bool(units.new(context, host) or units.down(context, host))


def renew(session: Session, names: Collection[str], notify: Observer) -> list[str]:
    """Bring them over; the names of those that were not before. Safe to repeat.

    A host that fails ends it, as it stands: the same again goes on.
    """
    context = session.context
    markers.refuse_until_live(context)
    finding.refuse(findings(context, names))
    runner = session.runner(Phase.SETTLE, notify=notify)
    runner.prepare()
    done = []
    installers.keep(context, names, installers.IN_PLACE, ())
    for host in _hosts(context, names):
        control.wait_while_paused(session, "no further host was begun")
        fresh = not carried.proven(context, host)
        runner.apply(_of(session, host))
        done += [host.name] if fresh else []
    return done


def put_back(session: Session, names: Collection[str], notify: Observer) -> None:
    """Let the hosts of *names* run the old release again, proven as before. Safe to repeat.

    What they carry by then they carry after it, too.
    """
    context = session.context
    no_return.refuse_finished(context, session.journal)
    runner = session.runner(Phase.SETTLE, notify=notify)
    for host in _hosts(context, names):
        started = bool(units.new(context, host))
        before = carried.before(context, host)
        in_place.restore(context, host)
        carried.compare(context, host, before, started=started)
        runner.retreat(_of(session, host))
        installers.forget(context, host.name)


def _hosts(context: Context, names: Collection[str]) -> list[Host]:
    return [host for host in context.source.network_hosts if host.name in names]


def _of(session: Session, host: Host) -> list[Step]:
    ids = {one.id for one in settled_network(host.name)}
    return [one for one in session.plan if one.id in ids]
