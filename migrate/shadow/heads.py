"""HEAD, by which clients ask whether a thing is there, and of keystone whether a token is good."""

from collections.abc import Iterable, Sequence

from migrate.cloud.api import Api
from migrate.services.rest import Rest
from migrate.verify.comparison import Difference

TOKENS = "/auth/tokens"  # of keystone; the token that is asked about is in a header
Statuses = dict[str, int]  # "HEAD image /images?limit=1" to the status


def compare(rests: Sequence[Rest], own: Api, shadow: Api) -> tuple[Statuses, list[Difference]]:
    """What the clone gives, and what of it the source does not; asked twice where it differs."""
    found, differ = _differing(rests, own, shadow)
    if differ:
        _, again = _differing(rests, own, shadow)
        differ = [one for one in differ if one in again]
    return found, differ


def service_of(type_: str) -> str:
    """Which service a difference of the *type_* is of; "" of one that is none of HEAD's."""
    method, _, rest = type_.partition(" ")
    return rest.partition(" ")[0] if method == "HEAD" else ""


def _differing(rests: Sequence[Rest], own: Api, shadow: Api) -> tuple[Statuses, list[Difference]]:
    ours, theirs = _statuses(rests, own), _statuses(rests, shadow)
    return theirs, [
        Difference(name, "*", "", f"answered {ours[name]}", f"answered {status}")
        for name, status in theirs.items()
        if status != ours[name]
    ]


def _statuses(rests: Iterable[Rest], api: Api) -> Statuses:
    session = api.connection.session
    token = str(session.auth.get_access(session).auth_token)
    found = {}
    for rest in rests:
        if rest.service not in api.bases:
            continue
        for path in (rest.short, *([TOKENS] if rest.service == "identity" else [])):
            headers = {"X-Subject-Token": token} if path == TOKENS else {}
            found[f"HEAD {rest.service} {path}"] = api.head(rest.service, path, headers)
    return found
