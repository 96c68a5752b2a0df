"""What is asked of both clouds before anything changes; every answer is collected."""

from migrate.checks import (
    access,
    accounts,
    agents,
    backends,
    ceph,
    charset,
    chosen,
    clock,
    database,
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
from migrate.checks.check import Check
from migrate.cloud import Context, side_by_side
from migrate.engine.finding import Finding, Severity, error, filled, info
from migrate.errors import MigrateError, UnreachableError, one_line

CHECKS: tuple[Check, ...] = tuple(
    one.CHECK
    for one in (
        *(access, path, chosen, clock),
        virtual_ip,  # another holder is why APIs fail
        *(gate, listeners, release, units, agents, network_hosts, shape, keepalived, scope),
        *(endpoints, backends, ceph),
        *(operations, records, leftovers, tokens, trusts, logins, accounts, started),
        *(database, charset, definitions, revisions, migrations, online, upgrade_status),
        *(space, target, translation, reach),
    )
)
QUICK: tuple[Check, ...] = tuple(check for check in CHECKS if check.quick)
# what `migrate follow` must find before it fills the target
TARGET: tuple[Check, ...] = (access.CHECK, path.CHECK, chosen.CHECK, space.CHECK, target.CHECK)
WORKERS = 6


def run(context: Context, checks: tuple[Check, ...] = CHECKS) -> list[Finding]:
    """All findings of all *checks*, in their order; the worst of each first.

    A check that fails itself is a finding. What a host that does not let us in would have been
    asked is not repeated for every check: the check of the access names it once.
    """
    first = [_guarded(check, context) for check in checks if check is access.CHECK]
    shut = [finding.where for part, _ in first for finding in part]
    within = access.without(context, shut) if shut else context
    rest = [check for check in checks if check is not access.CHECK]
    found = first + side_by_side.each(lambda check: _guarded(check, within), rest, WORKERS)
    checks = (*(check for check in checks if check is access.CHECK), *rest)
    findings = [finding for part, _ in found for finding in sorted(part, key=_rank)]
    findings = list({(f.message, f.where): f for f in reversed(findings)}.values())[::-1]
    unasked = [check.name for check, (_, cut) in zip(checks, found, strict=True) if cut]
    if unasked:
        told = any(finding.check == access.CHECK.name for finding in findings)
        message = f"not asked, because a host does not let us in: {', '.join(unasked)}"
        one = (info if told else error)(message, "Mend the access and check again")
        findings += filled([one], check=access.CHECK.name)
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


def _rank(finding: Finding) -> int:
    return list(Severity).index(finding.severity)
