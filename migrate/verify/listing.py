"""Every resource of a cloud as its APIs tell it: plain JSON by type and id.

What is listed, and how, the recipes say (`Kind` in services/rest.py).

Taken before the cutover and after it, and compared. All projects by the administrator, or what one
project's own user sees.
"""

import json
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import islice
from typing import Any, Self
from urllib.parse import parse_qsl

from migrate.cloud.api import Api, ApiError
from migrate.services import RECIPES, kinds
from migrate.services.rest import Kind

WORKERS = 12  # the far side is a few API workers a service; more only wait in its queue
SAMPLE, PARENTS = 300, 25  # of a kind, and of those that it is asked for each
# fields of any resource that are secrets, however deep inside; `Kind.digest` names others
SECRETS = frozenset(
    (
        *("password", "auth_password", "discovery_auth_password", "passphrase", "adminPass"),
        *("admin_pass", "secret", "secret_key", "private_key", "keyring"),
    )
)

Resource = dict[str, Any]
Found = dict[str, Resource]


@dataclass(frozen=True, slots=True)
class Listing:
    """What was found. `absent` says of a type why the cloud gave no answer for it.

    Of those types that are `partial` there are more, which a sample has left out.

    `resources` is e.g. `{"server": {"6f1c…": {"name": "web", "status": "ACTIVE", …}}}`.
    """

    resources: dict[str, Found]
    absent: dict[str, str]
    microversions: dict[str, str]
    began: float
    seconds: float
    partial: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(len(found) for found in self.resources.values())

    def text(self) -> str:
        """As JSON, for the stack's folder; secrets are only in it as digests."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The listing that `text()` wrote."""
        return cls(**json.loads(text))


def take(
    api: Api,
    *,
    everywhere: bool = True,
    microversions: Mapping[str, str] | None = None,
    types: Iterable[str] = (),
    sample: bool = False,
) -> Listing:
    """List what *api*'s user sees: of *everywhere* as administrator, else of the user's project.

    Give *microversions* of an earlier listing to compare with it: both sides then answer in the
    same form. *types* limits the listing to those and the types that they are asked for each. Of a
    *sample* there are no more than `SAMPLE` of a kind, and what is refused is told as absent; also
    a user is asked for what only the administrator may know.
    """
    began, clock = time.time(), time.monotonic()
    api.microversions = dict(microversions) if microversions else _spoken(api)
    everything = everywhere or sample
    wanted = [k for k in _selected(tuple(types)) if everything or not (k.admin or k.common)]
    parents = {"", *(kind.type for kind in wanted)}
    wanted = [kind for kind in wanted if everywhere or kind.each in parents]
    resources: dict[str, Found] = {}
    cut: set[str] | None = set() if sample else None
    absent = {k.type: "no such service" for k in wanted if k.service not in api.bases}
    wanted = [kind for kind in wanted if kind.type not in absent]
    with ThreadPoolExecutor(WORKERS) as pool:
        for wave in (
            [kind for kind in wanted if not kind.each],
            [kind for kind in wanted if kind.each],
        ):
            asked = [
                (kind, pool.submit(_ask, api, kind, everywhere, parent_id, parent, cut))
                for kind in wave
                for parent_id, parent in _parents(kind, resources, cut)
            ]
            for kind in wave:
                resources[kind.type] = {}
            for kind, answer in asked:
                found = answer.result()
                if isinstance(found, str):
                    absent[kind.type] = found
                else:
                    resources[kind.type].update(found)
    for type_ in absent:
        if not resources.get(type_):
            resources.pop(type_, None)
    took = round(time.monotonic() - clock, 3)
    return Listing(resources, absent, api.microversions, began, took, sorted(cut or ()))


def _selected(types: tuple[str, ...]) -> list[Kind]:
    if not types:
        return list(kinds())
    named = [kind for kind in kinds() if kind.type in types]
    parents = {kind.each for kind in named}
    return [kind for kind in kinds() if kind in named or kind.type in parents]


def _spoken(api: Api) -> dict[str, str]:
    """For each service with microversions the newest that both it and its recipe know."""

    def number(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split("."))

    return {
        rest.service: min(rest.microversion, api.newest(rest.service), key=number)
        for rest in (recipe.rest for recipe in RECIPES)
        if rest and rest.microversion and rest.service in api.bases
    }


def _parents(
    kind: Kind, resources: dict[str, Found], cut: set[str] | None
) -> list[tuple[str, Resource]]:
    if not kind.each:
        return [("", {})]
    found = [
        (id_, parent)
        for id_, parent in resources.get(kind.each, {}).items()
        if all(parent.get(name) == value for name, value in kind.when.items())
    ]
    if cut is None or len(found) <= PARENTS:
        return found
    cut.add(kind.type)
    return sorted(found, key=lambda one: one[0])[:PARENTS]  # the same ones on either side


def _ask(
    api: Api,
    kind: Kind,
    everywhere: bool,
    parent_id: str,
    parent: Resource,
    cut: set[str] | None,
) -> Found | str:
    """The resources of *kind* (below *parent*), or the reason why the cloud has none to tell.

    Of a sample *cut* is told of what is left out.
    """
    path, _, wanted = kind.path.format(**parent).partition("?")
    query = {**kind.query, **dict(parse_qsl(wanted)), **(kind.everywhere if everywhere else {})}
    try:
        if kind.one:
            answer = api.get(kind.service, path, **query)
            return {parent_id: _plain(kind, {kind.one: answer[kind.one]})}
        entries = _entries(api, kind, path, query, cut)
    except ApiError as error:
        if error.status == 404 and parent_id:
            return {}  # deleted while we listed
        if (kind.optional or not everywhere) and error.status in (403, 404):
            return f"answered {error.status}"
        if cut is not None:
            return str(error)
        raise
    found: Found = {}
    for entry in entries:
        inside = entry[kind.inner] if kind.inner else entry
        found[_identity(kind, inside, parent_id)] = _plain(kind, inside)
    return found


def _entries(
    api: Api, kind: Kind, path: str, query: dict[str, str], cut: set[str] | None
) -> list[Resource]:
    if kind.offset:
        return api.slices(kind.service, path, kind.entries, **query)
    rows = api.rows(kind.service, path, kind.entries, **query)
    if cut is None:
        return list(rows)
    if len(found := list(islice(rows, SAMPLE + 1))) > SAMPLE:
        cut.add(kind.type)
    return found[:SAMPLE]


def _identity(kind: Kind, entry: Resource, parent_id: str) -> str:
    if kind.id == ":assignment":
        scope = json.dumps(entry["scope"], sort_keys=True)
        who = (entry.get("user") or entry.get("group") or {}).get("id", "")
        return f"{who} {entry['role']['id']} {scope}"
    return kind.id.format(**{**entry, "parent": parent_id})


def _plain(kind: Kind, entry: Resource) -> Resource:
    cleaned: Resource = _cleaned(entry)
    cleaned = {name: value for name, value in cleaned.items() if name not in kind.omitted}
    for name in kind.digest:
        if cleaned.get(name) is not None:
            cleaned[name] = _digest(cleaned[name])
    return cleaned


def _digest(value: Any) -> str:
    return "sha256:" + sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _cleaned(value: Any) -> Any:
    """*value* with a digest in place of each secret, as the login to a storage in an attachment,
    and without links, which name the endpoint that was asked."""
    if isinstance(value, dict):
        return {
            k: _digest(v) if k in SECRETS and isinstance(v, str) and v else _cleaned(v)
            for k, v in value.items()
            if not _is_links(k, v)
        }
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    return value


def _is_links(name: str, value: Any) -> bool:
    if name != "links":
        return False
    if isinstance(value, dict):
        return all(v is None or (isinstance(v, str) and "://" in v) for v in value.values())
    return isinstance(value, list) and all(isinstance(v, dict) and "href" in v for v in value)
