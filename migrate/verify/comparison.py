"""Two listings field by field: what differs, and what of it is no loss, as its kind says."""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from migrate.services import kind, kinds
from migrate.services.rest import Allowed
from migrate.verify.heartbeats import moment
from migrate.verify.listing import Listing

MISSING = "(not there)"
NEWER = Allowed(
    field="?*", nested=False, change="added", reason="the newer release tells more of a resource"
)
USERS = "made or changed by users after the release"
EARLIER = "done on the source after this user's listing, before the administrator's"
MADE = ("created_at", "created", "creation_time")
CHANGED = ("updated_at", "updated", "updated_time", *MADE)
# a cloud changes these by itself; they are told whenever they differ
STATES = ("status", "OS-EXT-STS:vm_state", "stack_status", "resource_status", "state")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one resource; the field "" is the resource itself, one side being missing."""

    type: str
    id: str
    field: str
    before: Any
    after: Any

    @property
    def change(self) -> str:
        if self.before == MISSING:
            return "added"
        return "removed" if self.after == MISSING else "changed"

    def __str__(self) -> str:
        if not self.field:
            return f"{self.type} {self.id} was {self.change}"
        return f"{self.type} {self.id}: {self.field} was {self.before!r}, is {self.after!r}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared, what differs, and how many differences each reason covers."""

    resources: int
    fields: int
    differences: tuple[Difference, ...]
    allowed: dict[str, int]


@cache
def ordered() -> frozenset[str]:
    """The fields whose order means something."""
    return frozenset(name for one in kinds() for name in one.ordered)


def _reason(difference: Difference, *, same_release: bool) -> str:
    """Why *difference* is no loss whoever made it; "" where it may be one."""
    known = kind(difference.type)
    given = (difference.field, difference.change, difference.id)
    for rule in (NEWER, *(known.allowed if known else ())):
        if rule.covers(*given) and not (same_release and rule.change == "added"):
            return rule.reason
    return ""


def compare(
    before: Listing,
    after: Listing,
    *,
    since: float | None = None,
    reference: Listing | None = None,
    ours: Collection[str] = (),
    same_release: bool = False,
) -> Comparison:
    """Compare *after* with *before*; resources whose id is in *ours* were made, or purged, by us.

    What users made or changed after *since* (seconds since 1970) is their own doing. *before* may
    be older than *reference*, the administrator's listing of when all stood still: what differs
    from *before* but not from that happened on the source. With *same_release*, as after a
    rollback, no field may have been added either.
    """
    fields, kept = 0, []
    reasons: Counter[str] = Counter()
    for difference in differences(before, after):
        if isinstance(difference, int):
            fields += difference
            continue
        if difference.id in ours:
            continue
        if reason := _reason(difference, same_release=same_release):
            reasons[reason] += 1
        elif reference is not None and _happened_before(difference, reference):
            reasons[EARLIER] += 1
        elif since is not None and _by_users(difference, after, since):
            reasons[USERS] += 1
        else:
            kept.append(difference)
    return Comparison(before.count, fields, tuple(kept), dict(reasons))


def differences(before: Listing, after: Listing) -> Iterator[Difference | int]:
    """Every difference, and for each resource on both sides the number of its fields."""
    for type_, old in before.resources.items():
        new = after.resources.get(type_)
        if new is None:
            why = after.absent.get(type_, "was not listed")
            yield Difference(type_, "*", "", f"{len(old)} of them", f"not told: {why}")
            continue
        for id_ in old.keys() - new.keys():
            yield Difference(type_, id_, "", _summary(old[id_]), MISSING)
        for id_ in new.keys() - old.keys():
            yield Difference(type_, id_, "", MISSING, _summary(new[id_]))
        for id_ in old.keys() & new.keys():
            one, other = _flat(old[id_]), _flat(new[id_])
            yield len(one)
            for name in {**one, **other}:
                left, right = one.get(name, MISSING), other.get(name, MISSING)
                if not _same(name, left, right):
                    yield Difference(type_, id_, name, left, right)


def _happened_before(difference: Difference, reference: Listing) -> bool:
    """Whether the source itself had come to what is *after*."""
    known = kind(difference.type)
    if known and known.whole:  # the administrator sees them by user
        names = {id_.partition("/")[2] for id_ in reference.resources.get(known.whole, ())}
        return (difference.id in names) is (difference.change != "removed")
    if difference.type not in reference.resources:
        return False
    resource = reference.resources[difference.type].get(difference.id)
    if difference.change == "removed" and not difference.field:
        return resource is None
    if resource is None:
        return False
    if not difference.field:
        return True
    return _same(difference.field, _flat(resource).get(difference.field), difference.after)


def _by_users(difference: Difference, after: Listing, since: float) -> bool:
    """Whether the resource itself says that it was made, or changed, after *since*."""
    resource = after.resources.get(difference.type, {}).get(difference.id, {})
    if difference.field in STATES:
        return False
    names = CHANGED if difference.field else MADE
    return any(_moment(resource.get(name)) > since for name in names)


def _moment(text: object) -> float:
    try:
        return moment(text) if isinstance(text, str) else 0.0
    except ValueError:
        return 0.0


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves by dotted path; a list is a leaf, an empty mapping too."""
    if isinstance(value, dict) and value:
        leaves: dict[str, Any] = {}
        for name, inside in value.items():
            leaves.update(_flat(inside, f"{path}.{name}" if path else str(name)))
        return leaves
    return {path: value}


def _same(name: str, left: Any, right: Any) -> bool:
    if left == right:
        return True
    if isinstance(left, list) and isinstance(right, list) and name not in ordered():
        return _sorted(left) == _sorted(right)
    return False


def _sorted(values: list[Any]) -> list[str]:
    return sorted(json.dumps(value, sort_keys=True) for value in values)


def _summary(resource: dict[str, Any]) -> str:
    named = resource.get("name") or resource.get("stack_name") or resource.get("display_name")
    return str(named or "there")
