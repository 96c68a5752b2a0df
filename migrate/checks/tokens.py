"""Services vouch for themselves: the role `service`, and service tokens beside users' own."""

from collections.abc import Iterator
from dataclasses import dataclass

from migrate.checks import agents
from migrate.cloud import Context
from migrate.cloud.api import Api
from migrate.configuration import service_options
from migrate.configuration.service_options import Options
from migrate.engine.finding import Finding, error, filled, warning

LOGIN = "keystone_authtoken"
CALLS = "service_user"
ROLE = "service"  # the role that vouches; each receiver has a list of its own


@dataclass(frozen=True, slots=True)
class Login:
    """As whom a service logs in, as its files say; "" for what they do not say."""

    user: str
    user_id: str
    domain: str
    domain_id: str
    project: str
    project_id: str


def run(context: Context) -> Iterator[Finding]:
    """Users of services without the role, and services that send no token of their own."""
    host = context.source.tools
    recipes = {recipe.project: recipe for recipe in context.recipes}
    senders = {name: one.vouches.sends for name, one in recipes.items() if one.vouches.sends}
    if not senders:
        return
    receivers = {name: one.vouches.receives for name, one in recipes.items()}
    receivers = {name: program for name, program in receivers.items() if program}
    said = {
        one: service_options.read(host, recipes[one[0]], one[1])
        for one in {*senders.items(), *receivers.items()}
    }
    wanted = {
        project: said[project, program].listed(LOGIN, "service_token_roles", ROLE)
        for project, program in receivers.items()
    }
    api = agents.administrator(context)
    for project, program in senders.items():
        given = said[project, program]
        told = list(judge(project, given, must=recipes[project].vouches.must))
        if api:
            told += _roles(api, project, given, wanted)
        yield from filled(dict.fromkeys(told), where=host.name)


def judge(project: str, given: Options, *, must: bool) -> Iterator[Finding]:
    """Whether *project* is told to send service tokens, which it *must*."""
    if given.get(CALLS, "send_service_user_token").lower() not in ("true", "1", "yes", "on"):
        yield (error if must else warning)(
            f"{project} sends no service tokens, without which volumes cannot be detached and "
            "servers not moved",
            f"Set send_service_user_token = true and the login of {project} in [{CALLS}]",
        )


def login(given: Options, section: str) -> Login | None:
    """The login in *section*, or in the one that it points to; None where there is none."""
    section = given.get(section, "auth_section", section)

    def value(*names: str) -> str:
        return next((one for name in names if (one := given.get(section, name))), "")

    found = Login(
        user=value("username", "user_name", "user-name"),
        user_id=value("user_id", "user-id"),
        domain=value("user_domain_name", "user-domain-name", "default_domain_name"),
        domain_id=value("user_domain_id", "user-domain-id", "default_domain_id"),
        project=value("project_name", "tenant_name", "project-name", "tenant-name"),
        project_id=value("project_id", "tenant_id", "project-id", "tenant-id"),
    )
    return found if found.user or found.user_id else None


def _roles(
    api: Api, project: str, given: Options, wanted: dict[str, list[str]]
) -> Iterator[Finding]:
    """Whether the users that the service logs in as hold a role that each receiver asks for."""
    for section in (LOGIN, CALLS):
        one = login(given, section)
        if one is None:
            if section == LOGIN or given.get(CALLS, "send_service_user_token"):
                yield error(
                    f"[{section}] of {project} names no user to log in as",
                    f"Set username, user_domain_name and project_name of {project} there",
                )
            continue
        shown = one.user or one.user_id
        users = _users(api, one)
        if len(users) != 1:
            yield error(
                f"user {shown} of {project}, as [{section}] names it, is "
                f"{'not known to' if not users else 'several times in'} keystone",
                f"Correct username and user_domain_name in [{section}], or make the user",
            )
            continue
        held = _held(api, users[0], one)
        asking = wanted if section == CALLS else {project: wanted[project]}
        yield from missing(project, shown, one.project or one.project_id, held, asking)


def missing(
    project: str, user: str, scope: str, held: frozenset[str], wanted: dict[str, list[str]]
) -> Iterator[Finding]:
    """Receivers whose list has no role that *user*, who logs in to project *scope*, holds there."""
    for receiver, roles in wanted.items():
        if not held.intersection(roles):
            yield error(
                f"user {user} of {project} does not hold the role {' or '.join(roles)} in project "
                f"{scope}, which {receiver} asks for in service_token_roles",
                f"openstack role add --user {user} --project {scope} {roles[0] if roles else ROLE}",
            )


def _users(api: Api, one: Login) -> list[str]:
    """Ids of the users that *one* may be."""
    if one.user_id:
        return [one.user_id]
    domain = one.domain_id
    if one.domain and not domain:
        found = api.pages("identity", "/domains", "domains", name=one.domain)
        domain = found[0]["id"] if found else one.domain
    narrowed = {"domain_id": domain} if domain else {}
    told = api.pages("identity", "/users", "users", name=one.user, **narrowed)
    return [user["id"] for user in told]


def _held(api: Api, user: str, one: Login) -> frozenset[str]:
    """Names of the roles that *user* has in the project of his login, through groups too."""
    assigned = api.pages(
        "identity",
        "/role_assignments",
        "role_assignments",
        include_names="true",
        effective="true",
        **{"user.id": user},
    )
    scopes = ((row["role"]["name"], row["scope"].get("project", {})) for row in assigned)
    return frozenset(
        name
        for name, scope in scopes
        if scope and one.project_id in ("", scope["id"]) and one.project in ("", scope["name"])
    )
