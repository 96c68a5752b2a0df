"""What is asked of both clouds before anything changes; every answer is collected."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from migrate.checks import (
    access,
    accounts,
    agents,
    backends,
    backup,
    ceph,
    ceph_cluster,
    charset,
    chosen,
    clock,
    database,
    database_host,
    definitions,
    endpoints,
    gate,
    keepalived,
    leftovers,
    listeners,
    logins,
    migrations,
    network_hosts,
    online,
    operations,
    path,
    reach,
    records,
    release,
    revisions,
    scope,
    shape,
    space,
    started,
    target,
    tokens,
    translation,
    trusts,
    units,
    upgrade_status,
    virtual_ip,
)
from migrate.cloud import Context, side_by_side
from migrate.engine.finding import Finding, Severity, error, filled, info
from migrate.errors import MigrateError, UnreachableError, one_line


@dataclass(frozen=True, slots=True)
class Check:
    """A name and a question to the machines that changes nothing; nothing found is a pass.

    One that is `quick` takes seconds, and is made again before the window: what it asks may have
    changed since `migrate check`. The rest runs tools and reads all tables.
    """

    name: str
    ask: Callable[[Context], Iterable[Finding]]
    quick: bool = False

    def run(self, context: Context) -> list[Finding]:
        """All that it finds, under its name where another part has not given it its own."""
        return list(filled(self.ask(context), check=self.name))


ACCESS = Check("access", access.run, quick=True)
CHECKS = (
    ACCESS,
    Check("path", path.run, quick=True),
    Check("chosen", chosen.run, quick=True),
    Check("clock", clock.run, quick=True),
    Check("virtual-ip", virtual_ip.run, quick=True),  # another holder is why APIs fail
    Check("gate", gate.run, quick=True),
    Check("listeners", listeners.run, quick=True),
    Check("release", release.run),
    Check("services", units.run, quick=True),
    Check("agents", agents.run, quick=True),
    Check("network-hosts", network_hosts.run, quick=True),
    Check("shape", shape.run, quick=True),
    Check("database-host", database_host.run, quick=True),
    Check("keepalived", keepalived.run, quick=True),
    Check("scope", scope.run, quick=True),
    Check("endpoints", endpoints.run, quick=True),
    Check("backends", backends.run, quick=True),
    Check("ceph", ceph.run, quick=True),
    Check("ceph-cluster", ceph_cluster.run, quick=True),
    Check("backup", backup.run),
    Check("operations", operations.run),
    Check("records", records.run),
    Check("leftovers", leftovers.run),
    Check("tokens", tokens.run),
    Check("trusts", trusts.run),
    Check("logins", logins.run, quick=True),
    Check("accounts", accounts.run, quick=True),
    Check("started", started.run),
    Check("database", database.run),
    Check("charset", charset.run),
    Check("definitions", definitions.run),
    Check("revisions", revisions.run),
    Check("migrations", migrations.run),
    Check("online-migrations", online.run),
    Check("upgrade-status", upgrade_status.run),
    Check("space", space.run, quick=True),
    Check("target", target.run, quick=True),
    Check("translation", translation.run),
    Check("reach", reach.run, quick=True),
)
QUICK = tuple(check for check in CHECKS if check.quick)
# what `migrate follow` must find before it fills the target
TARGET = tuple(one for one in CHECKS if one.name in ("access", "path", "chosen", "space", "target"))
WORKERS = 6


def run(context: Context, checks: tuple[Check, ...] = CHECKS) -> list[Finding]:
    """All findings of all *checks*, in their order; the worst of each first.

    A check that fails itself is a finding. What a host that does not let us in would have been
    asked is not repeated for every check: the check of the access names it once.
    """
    first = [_guarded(check, context) for check in checks if check is ACCESS]
    shut = [finding.where for part, _ in first for finding in part]
    within = access.without(context, shut) if shut else context
    rest = [check for check in checks if check is not ACCESS]
    found = first + side_by_side.each(lambda check: _guarded(check, within), rest, WORKERS)
    checks = (*(check for check in checks if check is ACCESS), *rest)
    ranks = list(Severity)
    findings = [
        finding
        for part, _ in found
        for finding in sorted(part, key=lambda one: ranks.index(one.severity))
    ]
    findings = list({(f.message, f.where): f for f in reversed(findings)}.values())[::-1]
    if unasked := [check.name for check, (_, cut) in zip(checks, found, strict=True) if cut]:
        told = any(finding.check == ACCESS.name for finding in findings)
        message = f"not asked, because a host does not let us in: {', '.join(unasked)}"
        one = (info if told else error)(message, "Mend the access and check again")
        findings += filled([one], check=ACCESS.name)
    return findings


def _guarded(check: Check, context: Context) -> tuple[list[Finding], bool]:
    """What *check* found, and whether it was cut short by a host that does not let us in."""
    try:
        return check.run(context), False
    except UnreachableError:
        return [], True
    except MigrateError as failure:  # says itself what to do; several checks may meet the same
        wrong = error(str(failure), "Mend it and check again")
    except Exception as failure:  # one broken check must not hide the others
        wrong = error(
            f"the check could not be made: {type(failure).__name__}: {one_line(failure)}",
            "Mend what it names; if it names nothing of yours, it is a bug of sidestep",
        )
    return list(filled([wrong], check=check.name)), False
