"""Data that going back loses for good: on storage of both sides, or on the target's side only.

What of a kind is lost, and when, its recipe says.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from migrate.services import kind, kinds
from migrate.services.rest import Lost, Splits
from migrate.verify.listing import Listing, Resource


class Projects:
    """Whose a resource is, by both listings."""

    def __init__(self, before: Listing, now: Listing) -> None:
        self._listings = (now, before)

    def name(self, id_: str) -> str:
        """The project's name; its id where it has none any more."""
        if not id_:
            return "(the cloud's own)"
        found = self._found("project", id_)
        return str(found["name"]) if found else id_

    def project(self, type_: str, id_: str) -> str:
        """The project's id; "" for what belongs to the cloud itself."""
        if type_ == "project":
            return id_
        resource = self._found(type_, id_) or {}
        known = kind(type_)
        if known and (owner := known.project(resource)):
            return owner
        for other in (one for one in kinds() if one.reference):
            named = resource.get(other.reference)
            if isinstance(named, str) and self._found(other.type, named):
                return self.project(other.type, named)
        # an id may begin with the parent's: "<stack>/<name>"
        parent = id_.partition("/")[0]
        if known and known.each and self._found(known.each, parent):
            return self.project(known.each, parent)
        return ""

    def _found(self, type_: str, id_: str) -> Resource | None:
        for listing in self._listings:
            if id_ in listing.resources.get(type_, {}):
                return listing.resources[type_][id_]
        return None


def name_of(type_: str, resource: Resource, id_: str) -> str:
    """What *resource* is called; its id where it has no name."""
    known = kind(type_)
    name = resource.get(known.name if known else "name")
    return name if isinstance(name, str) and name else id_


def local(
    before: Listing, now: Listing, where: Projects, ours: Collection[str]
) -> Iterator[dict[str, str]]:
    """What stands beside the storage of both sides; none of *ours*, which is no user's."""
    judges: dict[Lost, list[str]] = {}
    for one in kinds():
        if one.lost and one.type in before.resources and one.type in now.resources:
            judges.setdefault(one.lost, []).append(one.type)
    for lost, types in judges.items():
        old = {id_: (type_, one) for type_ in types for id_, one in before.resources[type_].items()}
        new = {id_: (type_, one) for type_ in types for id_, one in now.resources[type_].items()}
        for id_, (type_, resource) in {**old, **new}.items():
            was, became = (some.get(id_, ("", None))[1] for some in (old, new))
            if id_ not in ours and (told := lost(was, became)):
                yield _lost(type_, id_, resource, where, told)


def shared(before: Listing, now: Listing, where: Projects) -> Iterator[dict[str, str]]:
    """What has its data on shared storage, where the source would not find it as it knows it."""
    for one in kinds():
        old, new = before.resources.get(one.type), now.resources.get(one.type)
        if one.data is not None and old is not None and new is not None:
            for id_, resource in old.items():
                for told in _changes(one.data, resource, new.get(id_)):
                    yield _lost(one.type, id_, resource, where, told)
    for one in kinds():
        if one.splits:
            old, new = before.resources.get(one.type, {}), now.resources.get(one.type, {})
            for id_ in new.keys() - old.keys():
                told = f"{one.type} {name_of(one.type, new[id_], id_)} ({id_}) was made"
                other = str(new[id_].get(one.splits.by, ""))
                yield from _split(one.splits, other, before, where, told)


def _changes(data: Mapping[str, str], old: Resource, new: Resource | None) -> Iterator[str]:
    if new is None:
        yield "deleted: its data is gone"
        return
    for field, words in data.items():
        if old.get(field) != new.get(field):
            yield f"{words}: {field} was {old.get(field)}, is {new.get(field)}"


def passing(
    before: Listing, now: Listing, where: Projects, traces: Iterable[dict[str, str]]
) -> Iterator[dict[str, str]]:
    """What such *traces* split as were made and deleted again, see `phases/traces.py`."""
    for one in traces:
        known = kind(one["type"])
        listed = [some.resources.get(one["type"], {}) for some in (before, now)]
        if known and known.splits and not any(one["id"] in some for some in listed):
            told = f"{known.type} {one['name'] or one['id']} was made and deleted again"
            yield from _split(known.splits, one["of"], before, where, told)


def _split(
    splits: Splits, other: str, before: Listing, where: Projects, told: str
) -> Iterator[dict[str, str]]:
    """What became of the data of *other*, where the source knows it."""
    known = before.resources.get(splits.of, {}).get(other)
    if known is not None:
        yield _lost(splits.of, other, known, where, f"{told}: {splits.told}")


def _lost(type_: str, id_: str, one: Resource, where: Projects, what: str) -> dict[str, str]:
    project = where.name(where.project(type_, id_))
    name = name_of(type_, one, id_)
    return {"type": type_, "id": id_, "name": name, "project": project, "what": what}
