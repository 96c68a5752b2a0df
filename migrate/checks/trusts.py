"""Heat acts for a stack's user by a trust: whether keystone would still let it.

Heat keeps the trust's id encrypted, so heat's own code on the source opens it. It is looked up and
not redeemed: redeeming counts its uses down, which would write to the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from migrate.checks import agents, options
from migrate.checks.check import Check
from migrate.checks.sql import Database, Row, session
from migrate.cloud import Context
from migrate.cloud.api import Api
from migrate.database.connection import quoted
from migrate.database.service_databases import ServiceDatabase, service_databases
from migrate.engine.finding import Finding, Severity
from migrate.onhost import call

NAME = "trusts"
SHOWN = 10  # stacks of a kind that are named
ASKED = 500  # trusts in one question

STACKS = """
SELECT s.id, s.name, c.decrypt_method AS method, c.trust_id AS kept
FROM {stack} s JOIN {user_creds} c ON c.id = s.user_creds_id
WHERE s.deleted_at IS NULL AND s.owner_id IS NULL AND c.trust_id IS NOT NULL
"""
TRUSTS = """
SELECT t.id, t.trustor_user_id AS trustor, t.project_id AS project, CASE
  WHEN t.deleted_at IS NOT NULL THEN 'was deleted'
  WHEN COALESCE(t.expires_at_int < UNIX_TIMESTAMP() * 1000000, t.expires_at < UTC_TIMESTAMP(), 0)
    THEN 'has expired'
  WHEN t.remaining_uses <= 0 THEN 'is used up'
  WHEN u.id IS NULL THEN 'is of a user who is not there any more'
  WHEN u.enabled = 0 THEN 'is of a user who is disabled'
  WHEN p.id IS NULL THEN 'is for a project that is not there any more'
  WHEN p.enabled = 0 THEN 'is for a project that is disabled'
  WHEN %s <> '' AND l.name <> %s THEN 'is given to another user than heat logs in as'
  ELSE '' END AS wrong
FROM {trust} t
LEFT JOIN {user} u ON u.id = t.trustor_user_id
LEFT JOIN {project} p ON p.id = t.project_id
LEFT JOIN {local_user} l ON l.user_id = t.trustee_user_id
WHERE t.id IN ({marks})
"""
TABLES = ("trust", "trust_role", "user", "project", "local_user")
ROLES = "SELECT trust_id, role_id FROM {trust_role} WHERE trust_id IN ({marks})"


@dataclass(frozen=True, slots=True)
class Trust:
    """What keystone knows of one; `wrong` is empty where nothing is."""

    trustor: str
    project: str
    wrong: str
    roles: frozenset[str] = frozenset()


def run(context: Context) -> list[Finding]:
    """Stacks whose trust does not let heat act any more, by what is wrong with it."""
    found = {one.usual: one for one in service_databases(context.source.tools, context.recipes)}
    if not {"heat", "keystone"} <= found.keys():
        return []
    recipe = next(one for one in context.recipes if one.project == "heat")
    given = options.read(context.source.tools, recipe, "heat-engine")
    key = given.get("DEFAULT", "auth_encryption_key")
    trustee = given.get("trustee", "username") or given.get("keystone_authtoken", "username")
    stacks = _stacks(context, found["heat"], key)
    trusts = {one for _, one in stacks} - {""}
    known = _known(context, found["keystone"], trustee, trusts)
    grants = _grants(agents.administrator(context), known.values()) if known else {}
    told: dict[str, list[str]] = {}
    for shown, trust in stacks:
        if wrong := judge(trust, known, grants):
            told.setdefault(wrong, []).append(shown)
    return [_finding(context.source.tools.name, *one) for one in told.items()]


def judge(
    trust: str, known: dict[str, Trust], grants: dict[tuple[str, str], frozenset[str]]
) -> str:
    """Why keystone would not give a token for *trust*; "" where it would.

    *grants* are the roles that a user holds in a project, as far as they could be asked.
    """
    if not trust:
        return "heat cannot open with the auth_encryption_key of its files"
    one = known.get(trust)
    if one is None:
        return "is not there any more"
    held = grants.get((one.trustor, one.project))
    if not one.wrong and held is not None and not one.roles <= held:
        return "passes on roles that its user does not hold any more"
    return one.wrong


def _finding(where: str, wrong: str, stacks: list[str]) -> Finding:
    more = f" and {len(stacks) - SHOWN} more" if len(stacks) > SHOWN else ""
    # it fails on the source too: nothing is lost by the move
    return Finding(
        NAME,
        Severity.WARNING,
        f"{len(stacks)} stack(s) act by a trust that {wrong}: {', '.join(stacks[:SHOWN])}{more}; "
        "heat can neither scale nor heal them, on either side",
        "Have their users update those stacks, so that they make another, or delete them",
        where,
    )


def _stacks(context: Context, database: ServiceDatabase, key: str) -> list[tuple[str, str]]:
    """Each stack as it is shown, and its trust's id: "" where heat could not open it by *key*."""
    host = context.source.tools
    with session(context.source.database) as link:
        tables = {one: quoted(database.name, one) for one in ("stack", "user_creds")}
        rows = link.rows(STACKS.format(**tables))
    if not rows:
        return []
    kept = [[row["method"], row["kept"]] for row in rows]
    ids = call(host, "trusts.opened", key, kept, timeout=300)
    return [(f"{row['name']} ({row['id']})", one) for row, one in zip(rows, ids, strict=True)]


def _known(
    context: Context, database: ServiceDatabase, trustee: str, ids: set[str]
) -> dict[str, Trust]:
    """Keystone's records of trusts *ids*, which are given to user *trustee*, "" for anybody."""
    if not ids:
        return {}
    known: dict[str, Trust] = {}
    with session(context.source.database) as link:
        every = sorted(ids)
        for some in (every[at : at + ASKED] for at in range(0, len(every), ASKED)):
            roles: dict[str, set[str]] = {}
            for row in _asked(link, ROLES, database.name, [], some):
                roles.setdefault(row["trust_id"], set()).add(row["role_id"])
            for row in _asked(link, TRUSTS, database.name, [trustee, trustee], some):
                held = frozenset(roles.get(row["id"], ()))
                known[row["id"]] = Trust(row["trustor"], row["project"] or "", row["wrong"], held)
    return known


def _asked(
    database: Database, statement: str, name: str, values: list[str], ids: Iterable[str]
) -> list[Row]:
    wanted = list(ids)
    tables = {one: quoted(name, one) for one in TABLES}
    text = statement.format(marks=", ".join(["%s"] * len(wanted)), **tables)
    return database.rows(text, [*values, *wanted])


def _grants(api: Api | None, known: Iterable[Trust]) -> dict[tuple[str, str], frozenset[str]]:
    """The roles that each trustor holds in the project, through groups and implied ones too."""
    pairs = {(one.trustor, one.project) for one in known if one.project and not one.wrong}
    return {pair: frozenset(_roles(api, *pair)) for pair in sorted(pairs)} if api else {}


def _roles(api: Api, user: str, project: str) -> Iterator[str]:
    asked: Any = {"user.id": user, "scope.project.id": project, "effective": "true"}
    for one in api.pages("identity", "/role_assignments", "role_assignments", **asked):
        yield one["role"]["id"]


CHECK = Check(NAME, "trusts that heat acts by", run)
