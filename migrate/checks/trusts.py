"""A service acts for users by trusts, as heat for a stack's: whether keystone would still let it.

It keeps the trust's id encrypted, so its own code on the source opens it. It is looked up and not
redeemed: redeeming counts its uses down, which would write to the source.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from migrate.checks import agents
from migrate.checks.sql import session
from migrate.cloud import Context
from migrate.cloud.api import Api
from migrate.configuration import service_options
from migrate.database.connection import quoted
from migrate.database.holders import holding
from migrate.database.service_databases import ServiceDatabase, service_databases
from migrate.engine.finding import Finding, warning
from migrate.errors import some
from migrate.onhost import call
from migrate.services import keystone
from migrate.services.base import Recipe
from migrate.services.records import Trusts

SHOWN = 10  # of a kind that are named
ASKED = 500  # trusts in one question


@dataclass(frozen=True, slots=True)
class Trust:
    """What keystone knows of one; `wrong` is empty where nothing is."""

    trustor: str
    project: str
    wrong: str
    roles: frozenset[str] = frozenset()


def run(context: Context) -> Iterator[Finding]:
    """What acts by a trust that is no good any more, by what is wrong with it."""
    found = {one.usual: one for one in service_databases(context.source, context.recipes)}
    identity = found.get(keystone.RECIPE.databases[0].name)
    for recipe in context.recipes:
        if (one := recipe.trusts) and one.database in found and identity:
            yield from _of(context, recipe, one, found[one.database], identity)


def _of(
    context: Context,
    recipe: Recipe,
    one: Trusts,
    database: ServiceDatabase,
    identity: ServiceDatabase,
) -> list[Finding]:
    host = context.source.tools
    given = service_options.read(host, recipe, one.program)
    trustee = next((user for option in one.trustee if (user := given.get(*option))), "")
    acting = _acting(context, one, database, given.get(*one.key))
    known = _known(context, identity, trustee, {trust for _, trust in acting} - {""})
    grants = _grants(agents.administrator(context), known.values()) if known else {}
    told: dict[str, list[str]] = {}
    for shown, trust in acting:
        if wrong := judge(trust, known, grants):
            told.setdefault(wrong, []).append(shown)
    return [_finding(host.name, one, *found) for found in told.items()]


def judge(
    trust: str, known: dict[str, Trust], grants: dict[tuple[str, str], frozenset[str]]
) -> str:
    """Why keystone would not give a token for *trust*; "" where it would.

    *grants* are the roles that a user holds in a project, as far as they could be asked.
    """
    if not trust:
        return "its service cannot open with the key in its files"
    one = known.get(trust)
    if one is None:
        return "is not there any more"
    held = grants.get((one.trustor, one.project))
    if not one.wrong and held is not None and not one.roles <= held:
        return "passes on roles that its user does not hold any more"
    return one.wrong


def _finding(where: str, one: Trusts, wrong: str, acting: list[str]) -> Finding:
    # it fails on the source too: nothing is lost by the move
    return warning(
        f"{len(acting)} {one.things} act by a trust that {wrong}: {some(acting, SHOWN)}; "
        f"{one.useless}",
        one.remedy,
        where,
    )


def _acting(
    context: Context, one: Trusts, database: ServiceDatabase, key: str
) -> list[tuple[str, str]]:
    """Each thing as it is shown, and its trust's id: "" where it could not be opened by *key*."""
    with session(holding(context.source, database.name)) as link:
        rows = link.rows(one.query.format(d=quoted(database.name)))
    if not rows:
        return []
    kept = [[row["method"], row["kept"]] for row in rows]
    ids = call(context.source.tools, "trusts.opened", one.crypt, key, kept, timeout=300)
    return [(f"{row['name']} ({row['id']})", id_) for row, id_ in zip(rows, ids, strict=True)]


def _known(
    context: Context, database: ServiceDatabase, trustee: str, ids: set[str]
) -> dict[str, Trust]:
    """Keystone's records of trusts *ids*, which are given to user *trustee*, "" for anybody."""
    known: dict[str, Trust] = {}
    with session(holding(context.source, database.name)) as link:
        every = sorted(ids)
        for some in (every[at : at + ASKED] for at in range(0, len(every), ASKED)):
            named = {"d": quoted(database.name), "marks": ", ".join(["%s"] * len(some))}
            roles: dict[str, set[str]] = {}
            for row in link.rows(keystone.TRUST_ROLES.format(**named), some):
                roles.setdefault(row["trust_id"], set()).add(row["role_id"])
            for row in link.rows(keystone.TRUSTS.format(**named), [trustee, trustee, *some]):
                held = frozenset(roles.get(row["id"], ()))
                known[row["id"]] = Trust(row["trustor"], row["project"] or "", row["wrong"], held)
    return known


def _grants(api: Api | None, known: Iterable[Trust]) -> dict[tuple[str, str], frozenset[str]]:
    """The roles that each trustor holds in the project, through groups and implied ones too."""
    pairs = {(one.trustor, one.project) for one in known if one.project and not one.wrong}
    return {pair: frozenset(_roles(api, *pair)) for pair in sorted(pairs)} if api else {}


def _roles(api: Api, user: str, project: str) -> Iterator[str]:
    asked: Any = {"user.id": user, "scope.project.id": project, "effective": "true"}
    for one in api.pages("identity", "/role_assignments", "role_assignments", **asked):
        yield one["role"]["id"]
