"""What of a clone's answers is a difference, beside a source that went on meanwhile. Pure."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from migrate.services import kind
from migrate.verify.comparison import MISSING, Comparison, Difference, compare, differences
from migrate.verify.listing import Listing

REFUSED = "answered 403"
PASSED = "on the clone alone: made and gone meanwhile, or first told by the new release"


def judge(
    earlier: Sequence[Listing], source: Listing, shadow: Listing, whole: Sequence[Listing]
) -> Comparison:
    """*shadow* against *source*, without what has changed on the source since the first *earlier*.

    *whole* is what the administrator saw there: what a user sees of that on the clone alone is a
    difference, and so is what the source refuses to tell and the clone tells.
    """
    looks = (*earlier, source)
    moved = {
        place(one)
        for former, later in pairwise(looks)
        for one in differences(former, later)
        if isinstance(one, Difference)
    }
    found = compare(source, shadow, since=earlier[0].began)
    cut = {type_ for one in (*looks, shadow) for type_ in one.partial}
    kept, passed = [], Counter(found.allowed)
    for one in found.differences:
        if place(one) in moved or (one.type in cut and _of_one(one)):
            continue
        if _of_one(one) and one.change == "added" and not _known(one, whole):
            passed[PASSED] += 1
        else:
            kept.append(one)
    kept += [_strangers(type_, source) for type_ in cut if _nothing_common(type_, source, shadow)]
    kept += [
        Difference(type_, "*", "", why, "told")
        for type_, why in source.absent.items()
        if why == REFUSED and type_ in shadow.resources
    ]
    return Comparison(found.resources, found.fields, tuple(kept), dict(passed))


def place(one: Difference) -> tuple[str, str, str]:
    """Where it is, whatever stands there."""
    return one.type, one.id, one.field


def _of_one(one: Difference) -> bool:
    """Whether one side lacks that very resource."""
    return not one.field and one.id != "*"


def _known(one: Difference, whole: Sequence[Listing]) -> bool:
    """Whether the administrator saw it on the source, or may have: a sample does not say."""
    known = kind(one.type)
    type_ = known.whole if known and known.whole else one.type
    return any(
        type_ in looked.partial
        or any(one.id in (id_, id_.partition("/")[2]) for id_ in looked.resources.get(type_, ()))
        for looked in whole
    )


def _nothing_common(type_: str, source: Listing, shadow: Listing) -> bool:
    here, there = (one.resources.get(type_, {}) for one in (source, shadow))
    return bool(here) and type_ in shadow.resources and not here.keys() & there.keys()


def _strangers(type_: str, source: Listing) -> Difference:
    return Difference(type_, "*", "", f"{len(source.resources[type_])} of a sample", MISSING)
