"""The services' accounts: the fence holds them, the copy carries them, the target lets them in."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from migrate.checks import account_facts, logins
from migrate.checks.account_facts import PUBLIC, Account, Role
from migrate.checks.sql import ADMINISTRATORS, session
from migrate.cloud import Context, urls
from migrate.cloud.host import Host
from migrate.database import service_databases
from migrate.database.holders import each_server
from migrate.database.service_databases import ServiceDatabase
from migrate.engine.finding import Finding, error, filled

LEAKING = ("ALL PRIVILEGES", "SUPER", "READ_ONLY ADMIN", "READ ONLY ADMIN")

ON_ALL = re.compile(r"^GRANT (?P<held>.+?) ON \*\.\* TO ")
ON_ONE = re.compile(
    r"^GRANT (?P<held>.+?) ON (?P<kind>(?:\w+ )?)`(?P<database>[^`]+)`\.`(?P<thing>[^`]+)` TO "
)
CARRIED = ("mysql_native_password", "ed25519")  # what the driver of the target's services answers
STRANGERS = re.compile(r" REQUIRE (?:X509|ISSUER|SUBJECT|CIPHER)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How a service logs in: as which account now, and from which addresses on the target."""

    project: str
    user: str
    now: str  # "nova@10.0.0.%", as CURRENT_USER() says it; "" where it could not log in
    then: tuple[str, ...]


def run(context: Context) -> list[Finding]:
    """Accounts that the fence, the copy or the target's server would fail on in the window."""
    found = service_databases.logins(context.source, context.recipes)
    moved = frozenset(login.name for login in found)
    plugins = account_facts.plugins(context)
    return [
        finding
        for host, own in each_server(context.source, found)
        for finding in filled(_on(context, host, own, moved, plugins), where=host.name)
    ]


def _on(
    context: Context,
    host: Host,
    found: list[ServiceDatabase],
    moved: frozenset[str],
    plugins: frozenset[str],
) -> list[Finding]:
    """What of the accounts of *host*'s server, by which services log in to *found* there."""
    answers = logins.ask(context.source.tools, found, "SELECT CURRENT_USER()")
    urls_of = [urls.parse(login.url) for login in found]
    addresses = account_facts.clients(context, [url.host for url in urls_of])
    needs = {
        Need(project=login.project, user=login.user, now=now, then=addresses[url.host])
        for login, url, (_, now) in zip(found, urls_of, answers, strict=True)
    }
    with session(host) as database:
        held = account_facts.accounts(database, {login.user for login in found})
        public = account_facts.role(database, PUBLIC)
    wrong = judge(needs, held, public, plugins)
    return wrong + [one for account in held for one in reaching(account, moved)]


def judge(
    needs: Iterable[Need], held: list[Account], public: Role, plugins: frozenset[str]
) -> list[Finding]:
    """What is wrong with the accounts *held* of the source, for a target that has *plugins*."""
    found = {
        *_administrators(needs),
        *(told for account in held for told in _account(account, plugins)),
        *(told for need in needs for told in _hosts(need, held)),
    }
    if leaks := _leaks(public.grants):
        message = f"every account holds {leaks} on *.* by PUBLIC: the fence would hold none"
        found.add(error(message, f"REVOKE {leaks} ON *.* FROM PUBLIC"))
    return sorted(found, key=lambda one: (one.message, one.remedy))


def _administrators(needs: Iterable[Need]) -> Iterator[Finding]:
    for need in needs:
        if need.user in ADMINISTRATORS:
            yield error(
                f"{need.project} logs in as {need.user}: the fence does not hold an administrator, "
                "and the copy does not carry one",
                "Give it an account of its own with rights on its own databases, and its URL that",
            )


def _account(account: Account, plugins: frozenset[str]) -> Iterator[Finding]:
    if account.user in ADMINISTRATORS:
        return
    for role in account.roles:
        if leaks := _leaks(role.grants):
            yield error(
                f"account {account.name} may take role {role.name} with {leaks} on *.*, and write "
                "although the server is read only",
                f"REVOKE {role.name} FROM {account.name}; grant what it needs on its own databases",
            )
        else:
            grants = [re.sub(r" TO `[^`]+`", f" TO {account.name}", one) for one in role.grants]
            told = "; ".join(one for one in grants if " ON *.* " not in one) or "nothing is lost"
            yield error(
                f"account {account.name} has rights by role {role.name}, which is not carried",
                f"{told}; REVOKE {role.name} FROM {account.name}",
            )
    named = account.plugins
    if named and not set(CARRIED) & plugins & set(named):
        yield error(
            f"account {account.name} logs in by {', '.join(named)}, which the target's server or "
            "its services' driver does not have",
            f"ALTER USER {account.name} IDENTIFIED VIA mysql_native_password USING PASSWORD('...')",
        )
    if STRANGERS.search(account.create):
        yield error(
            f"account {account.name} must show a certificate, and the target's server knows none",
            f"ALTER USER {account.name} REQUIRE NONE, or REQUIRE SSL",
        )


def reaching(account: Account, moved: frozenset[str]) -> Iterator[Finding]:
    """Rights on a table or routine of a database that is not moved: the target refuses the grant.

    Rights on a whole database that is not there are taken, and give nothing.
    """
    for grant in account.grants:
        found = ON_ONE.match(grant)
        if found and found["database"] not in moved and account.user not in ADMINISTRATORS:
            thing = f"{found['kind']}`{found['database']}`.`{found['thing']}`"
            yield error(
                f"account {account.name} has rights on {found['database']}.{found['thing']}, which "
                "is not moved: the target refuses to grant them",
                f"REVOKE {found['held']} ON {thing} FROM {account.name}",
            )


def _hosts(need: Need, held: list[Account]) -> Iterator[Finding]:
    """Whether the account that will let the service in is there, and the one that does now."""
    own = [account for account in held if account.user == need.user]
    if need.user in ADMINISTRATORS or not own:
        return
    now = next((one for one in own if f"{one.user}@{one.host}" == need.now), None)
    for address in need.then:
        then = account_facts.admitting(own, address)
        if then is None:
            hosts = ", ".join(sorted(account.host for account in own))
            yield error(
                f"{need.project} will log in as {need.user} from {address} on the target, and its "
                f"accounts are for {hosts} only",
                f"Make the same account for {address} (SHOW CREATE USER, SHOW GRANTS FOR "
                f"{own[0].name})",
            )
        elif now is not None and then.rights != now.rights:
            yield error(
                f"{need.project} logs in as {now.name} now, and from {address} on the target would "
                f"be {then.name}, which has another password or other rights",
                f"Give {then.name} what {now.name} has, or drop it",
            )


def _leaks(grants: Iterable[str]) -> str:
    """What of *grants* lets write to a read-only server."""
    words = [
        word
        for grant in grants
        if (match := ON_ALL.match(grant))
        for word in match["held"].split(", ")
        if word in LEAKING
    ]
    return ", ".join(dict.fromkeys(words))
