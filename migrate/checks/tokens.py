"""Services vouch for themselves: the role `service`, and service tokens beside users' own."""

from __future__ import annotations

from collections.abc import Iterator

from migrate.api import Api, admin_at
from migrate.checks import options
from migrate.checks.check import Check
from migrate.checks.finding import Finding, Severity
from migrate.checks.options import Options
from migrate.cloud import Context

NAME = "tokens"
# a volume is attached and moved by their calls of each other; which program makes them
SENDERS = {"nova": "nova-api", "cinder": "cinder-volume"}
LOGIN = "keystone_authtoken"
CALLS = "service_user"

Told = tuple[Severity, str, str]


def run(context: Context) -> list[Finding]:
    """Users of services without the role, and services that send no token of their own."""
    found = []
    api: Api | None = None
    for recipe in context.recipes:
        if recipe.project not in SENDERS:
            continue
        given = options.read(context.source.first, recipe, SENDERS[recipe.project])
        api = api or _api(context)
        told = [*judge(recipe.project, given), *_roles(api, recipe.project, given)]
        found += [Finding(NAME, *one, context.source.first.name) for one in told]
    return found


def judge(project: str, given: Options) -> Iterator[Told]:
    """Whether *project* is told to send service tokens."""
    if given.get(CALLS, "send_service_user_token", "false").lower() not in (
        "true",
        "1",
        "yes",
        "on",
    ):
        yield (
            Severity.ERROR if project == "nova" else Severity.WARNING,
            f"{project} sends no service tokens, without which volumes cannot be detached and "
            "servers not moved",
            f"Set send_service_user_token = true and the login of {project} in [{CALLS}]",
        )


def _roles(api: Api | None, project: str, given: Options) -> Iterator[Told]:
    """Whether the users that the services log in as hold the role that vouches for them."""
    if api is None:
        return
    wanted = given.listed(LOGIN, "service_token_roles", "service")
    for name in {given.get(section, "username") for section in (LOGIN, CALLS)} - {""}:
        for user in api.pages("identity", "/users", "users", name=name):
            assigned = api.pages(
                "identity",
                "/role_assignments",
                "role_assignments",
                include_names="true",
                effective="true",
                **{"user.id": user["id"]},
            )
            if not {one["role"]["name"] for one in assigned}.intersection(wanted):
                yield (
                    Severity.ERROR,
                    f"user {name} of {project} does not hold the role {' or '.join(wanted)}",
                    f"openstack role add --user {name} --project service {wanted[0]}",
                )


def _api(context: Context) -> Api | None:
    """As the administrator; None where he cannot log in, which the check of the APIs tells."""
    try:
        api = admin_at(context)
        known = api.bases
    except Exception:  # keystoneauth raises many kinds
        return None
    return api if known else None


CHECK = Check(NAME, "service tokens", run)
