"""Resources inside a machine: one class a part of `infra.controller`, all with this provider.

The facts of a part are the resource's inputs. A refresh puts what the machine shows in their
place, so that a preview names each difference (`~ running: false => true`) and `up` mends it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from hashlib import sha256

from pulumi import dynamic

from infra import connection
from infra.controller import EVERY, Facts, Place, differing
from infra.controller.daemons import Daemon
from infra.resources.guarded import Guarded, Props
from migrate.errors import PreconditionError, UnreachableError


class PartProvider(Guarded):
    """The lifecycle of one part, by its name in `infra.controller.EVERY`."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part

    def what(self, props: Props) -> str:
        return f"{self.part} of {props['machine']['name']}"

    def decided(self, _news: Props) -> Collection[str]:
        return ("version",)

    def diff(self, _id: str, olds: Props, news: Props) -> dynamic.DiffResult:
        names = [name for name in news if name not in ("stack", "place", "__provider")]
        changed = differing({name: news[name] for name in names}, olds)
        # another release is another environment; another name is another machine
        moved = olds["place"]["release"] != news["place"]["release"]
        replaces = ["place"] if moved and self.part == "release" else []
        return dynamic.DiffResult(changes=bool(changed), replaces=replaces)

    def make(self, props: Props) -> dynamic.CreateResult:
        return dynamic.CreateResult(self.what(props), self.change(props))

    def read(self, id_: str, props: Props) -> dynamic.ReadResult:
        try:
            found = EVERY[self.part].read(connection.host(props), place_of(props))
            known = props["machine"]
        except UnreachableError:
            found, known = {}, {**props["machine"], "identity": ""}
        outs = {**props, **found, "machine": known}
        return dynamic.ReadResult(id_, outs, outs)

    def change(self, news: Props) -> Props:
        part, host, place = EVERY[self.part], connection.host(news), place_of(news)
        part.apply(host, place)
        if wrong := differing(part.wanted(place), part.read(host, place)):
            raise PreconditionError(
                f"{self.what(news)} is not as wanted after the work on it: {', '.join(wrong)}"
            )
        return news

    def revive(self, olds: Props, news: Props) -> bool:
        part = EVERY[self.part]
        wrong = differing(part.wanted(place_of(news)), olds)
        if not isinstance(part, Daemon) or set(wrong) != {"running"}:
            return False
        part.start(connection.host(news))
        return True

    def remove(self, props: Props) -> None:
        EVERY[self.part].remove(connection.host(props), place_of(props))


def place_of(props: Props) -> Place:
    """The place that the properties describe."""
    given = props["place"]
    return Place(
        release=given["release"],
        address=props["machine"]["address"],
        virtual_ips=tuple(given["virtualIps"]),
        webroot=given["webroot"],
    )


def version(place: Place, facts: Facts) -> str:
    """A digest of what is asked for: it changes with the input, never with the machine."""
    asked = json.dumps([place.release, place.address, facts], sort_keys=True)
    return sha256(asked.encode()).hexdigest()[:12]
