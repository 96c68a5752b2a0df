"""What going back would lose: two listings as one document by project and type.

What of a kind is only bookkeeping, and what its data stands on, its recipe says.

The document, kept as `losses.json`:

    {"stack": "lab", "taken": "2026-11-24T08:15:00+00:00", "released": "...", "accepted": "",
     "counts": {"created": 2, "changed": 1, "deleted": 0, "data": 1},
     "projects": [{"id": "3f…", "name": "demo", "types": {"server": {
         "created": [{"id": "6f…", "name": "web", "now": {the whole resource}}],
         "changed": [{"id": "9a…", "name": "db", "fields": ["metadata.role"],
                      "before": {the whole resource}, "now": {the whole resource}}],
         "deleted": [{"id": "77…", "name": "old", "before": {the whole resource}}]}}}],
     "data": [{"type": "volume", "id": "…", "name": "…", "project": "demo", "what": "deleted: …"}],
     "servers": [{"id": "6f…", "name": "web", "host": "cmp2", "why": "moved", "what": "moved, …"}],
     "unknown": ["trunk: 3 of them, not told: answered 404"],
     "remarks": ["since … nothing tells which volumes were reverted, …"]}

"created", "changed" and "deleted" can be made again on the source by hand, from what is written
here, but for "data": what storage of both sides, a server's own disk or an image held is lost. A
project "" is the cloud's own. "servers" run as the source may not have it: they are stopped, or rid
of what was attached, before anything else is undone; see `computes/homecoming/`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from migrate.services import kind, kinds
from migrate.verify import boot, lost_data
from migrate.verify.comparison import MISSING, Difference, compare
from migrate.verify.listing import Listing

CHANGES = {"added": "created", "changed": "changed", "removed": "deleted"}
# fields that are written with every other, or by the cloud itself
BOOKKEEPING = (
    *("updated_at", "updated", "updated_time", "revision_number", "last_heartbeat", "progress"),
    *("OS-EXT-STS:task_state", "latest_microversion"),
)
OWN_TYPES = ("server", "volume", "port", "security-group")  # what `verify` makes, by its name


@dataclass(frozen=True, slots=True)
class Losses:
    """`document` as above. False where nothing would be lost."""

    document: dict[str, Any]

    def __bool__(self) -> bool:
        return self.total > 0 or bool(self.servers or self.unknown)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.document["counts"])

    def summary(self) -> str:
        """The counts in words: "2 created, 1 deleted; data of 1 lost for good"."""
        words = [f"{n} {change}" for change, n in self.counts.items() if n and change != "data"]
        told = ", ".join(words) or ("" if self.counts["data"] or self else "nothing")
        parts = [told] if told else []
        if self.counts["data"]:
            parts.append(f"data of {self.counts['data']} lost for good")
        if self.servers:
            parts.append(f"servers stopped or rid of what was attached: {len(self.servers)}")
        parts += [f"unknown: {'; '.join(self.document['unknown'])}"] if self.unknown else []
        return "; ".join(parts)

    @property
    def servers(self) -> list[dict[str, str]]:
        return list(self.document["servers"])

    @property
    def unknown(self) -> list[str]:
        return list(self.document["unknown"])

    def rows(self) -> Iterator[tuple[str, str, str, list[str]]]:
        """Project, type, change and the resources' names, as a table shows them."""
        for project in self.document["projects"]:
            for type_, changes in project["types"].items():
                for change, found in changes.items():
                    yield project["name"], type_, change, [one["name"] for one in found]


def nothing(stack: str) -> Losses:
    """The target has not served: nothing can be lost."""
    return Losses(_document(stack, 0.0, 0.0))


def unknown(stack: str, released: float, why: str) -> Losses:
    """The target cannot be asked."""
    document = _document(stack, released, 0.0)
    document["unknown"] = [why]
    return Losses(document)


def find(
    stack: str,
    before: Listing,
    now: Listing,
    *,
    released: float,
    accepted: float = 0.0,
    traces: Iterable[dict[str, str]] = (),
    unlisted: Mapping[str, Iterable[dict[str, Any]]] | None = None,
) -> Losses:
    """What differs and is no consequence of the move itself, of another change, or of `verify`.

    *traces* are what was made and deleted again since, which no listing shows:
    `[{"type": "snapshot", "id": ..., "name": ..., "of": a volume's id}]`. *unlisted* are, by type,
    what changed since of all projects where the API lists only one's own, as heat's stacks; see
    `phases/traces.py`.
    """
    document = _document(stack, released, accepted)
    where = lost_data.Projects(before, now)
    grouped: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    ours = _ours(before, now)
    differences = compare(before, now, ours=ours).differences
    for one in (*differences, *_properties(before, now)):
        if one.id == "*":
            document["unknown"].append(f"{one.type}: {one.before}, {one.after}")
            continue
        if _follows(one):
            continue
        project = where.project(one.type, one.id)
        changes = grouped.setdefault(project, {}).setdefault(one.type, {})
        change = "changed" if one.field else one.change
        kept = changes.setdefault(f"{CHANGES[change]} {one.id}", {})
        if not kept:
            kept.update(_resource(one, before, now))
        if one.field:
            kept["fields"].append(one.field)
    for type_, rows in (unlisted or {}).items():
        for one_ in _unlisted(type_, rows, before, now, released):
            changes = grouped.setdefault(one_.pop("tenant"), {}).setdefault(type_, {})
            changes[f"{one_.pop('change')} {one_['id']}"] = one_
    for project in sorted(grouped, key=lambda id_: (id_ == "", where.name(id_), id_)):
        types: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for kind_, found in sorted(grouped[project].items()):
            for key, one_ in sorted(found.items()):
                change = key.partition(" ")[0]
                types.setdefault(kind_, {}).setdefault(change, []).append(one_)
                document["counts"][change] += 1
        document["projects"].append({"id": project, "name": where.name(project), "types": types})
    document["data"] = [
        *lost_data.shared(before, now, where),
        *lost_data.passing(before, now, where, traces),
        *lost_data.local(before, now, where, ours),
    ]
    document["counts"]["data"] = len(document["data"])
    if accepted:
        document["remarks"].append(
            f"since {_clock(accepted)}, when the target was accepted, volumes may have been "
            "reverted, restored, rebuilt or replaced by another side of the storage, and data of "
            "images on Ceph's RBD deleted: nothing tells which, and it stays as it is now"
        )
    if document["data"] or any(one["types"].get("volume") for one in document["projects"]):
        document["remarks"].append(
            "volumes that were created stay on the shared storage under their names "
            "(volume-<id>): the source can take them over by `cinder manage`"
        )
    return Losses(document)


def _document(stack: str, released: float, accepted: float) -> dict[str, Any]:
    return {
        "stack": stack,
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "released": _clock(released),
        "accepted": _clock(accepted),
        "counts": dict.fromkeys((*CHANGES.values(), "data"), 0),
        "projects": [],
        "data": [],
        "servers": [],
        "unknown": [],
        "remarks": [],
    }


def _ours(before: Listing, now: Listing) -> set[str]:
    """What a verification has left when it was killed: the next one deletes it."""
    found = {
        id_
        for type_ in OWN_TYPES
        for id_, one in now.resources.get(type_, {}).items()
        if boot.is_ours(one.get("name")) and id_ not in before.resources.get(type_, {})
    }
    rules = now.resources.get("security-group-rule", {})
    return found | {id_ for id_, one in rules.items() if one.get("security_group_id") in found}


def _unlisted(
    type_: str, rows: Iterable[dict[str, Any]], before: Listing, now: Listing, released: float
) -> Iterator[dict[str, Any]]:
    """Those that no listing of the administrator shows, each with its project and change."""
    listed = {*before.resources.get(type_, {}), *now.resources.get(type_, {})}
    for one in rows:
        made = (one["created_at"] or 0.0) >= released
        gone = one["deleted_at"] is not None
        if one["id"] in listed or (made and gone):
            continue
        found = {"id": one["id"], "name": one["name"], "tenant": one["tenant"]}
        if gone:
            yield {**found, "change": "deleted", "before": one}
        elif made:
            yield {**found, "change": "created", "now": one}
        else:
            yield {**found, "change": "changed", "fields": [], "now": one}


def _properties(before: Listing, now: Listing) -> Iterator[Difference]:
    """Properties that users gave to images since: fields like those that a newer release adds.

    What the release adds, every image has.
    """
    for type_ in (one.type for one in kinds() if one.open):
        old, new = before.resources.get(type_, {}), now.resources.get(type_, {})
        everywhere = set.intersection(*map(set, new.values())) if new else set()
        for id_ in old.keys() & new.keys():
            for name in new[id_].keys() - old[id_].keys() - everywhere:
                yield Difference(type_, id_, str(name), MISSING, new[id_][name])


def _follows(one: Difference) -> bool:
    """Whether it is told by another difference already, or is bookkeeping."""
    known = kind(one.type)
    if known and known.follows:
        return True
    return bool(one.field) and one.field in (*BOOKKEEPING, *(known.states if known else ()))


def _resource(one: Difference, before: Listing, now: Listing) -> dict[str, Any]:
    old = before.resources.get(one.type, {}).get(one.id)
    new = now.resources.get(one.type, {}).get(one.id)
    told: dict[str, Any] = {"fields": [] if one.field else None, "before": old, "now": new}
    return {
        "id": one.id,
        "name": lost_data.name_of(one.type, new or old or {}, one.id),
        **{key: value for key, value in told.items() if value is not None},
    }


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds") if at else ""
