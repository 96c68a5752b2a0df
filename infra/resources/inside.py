"""Resources inside a machine: one class a part of `infra.controller`, all with this provider.

The facts of a part are the resource's inputs. A refresh puts what the machine shows in their
place, so that a preview names each difference (`~ running: false => true`) and `up` mends it.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from pulumi import dynamic

from infra import connection, guard
from infra.controller import PARTS, Facts, Place, differing
from infra.controller.daemons import Daemon
from migrate.errors import PreconditionError, UnreachableError


class PartProvider(dynamic.ResourceProvider):
    """The lifecycle of one part, by its name in `infra.controller.PARTS`."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        changed = olds.get("version") != news.get("version")
        words = guard.refusal(news["stack"]) if changed else None
        failures = [dynamic.CheckFailure("version", words)] if words else []
        return dynamic.CheckResult(news, failures)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        names = [name for name in news if name not in ("stack", "place", "__provider")]
        changed = differing({name: news[name] for name in names}, olds)
        # another release is another environment; another name is another machine
        moved = olds["place"]["release"] != news["place"]["release"]
        replaces = ["place"] if moved and self.part == "release" else []
        return dynamic.DiffResult(changes=bool(changed), replaces=replaces)

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        guard.insist(props["stack"], f"cannot make {self._where(props)}")
        return dynamic.CreateResult(self._where(props), self._apply(props))

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        try:
            found = PARTS[self.part].read(connection.host(props), place_of(props))
            known = props["machine"]
        except UnreachableError:
            found, known = {}, {**props["machine"], "identity": ""}
        outs = {**props, **found, "machine": known}
        return dynamic.ReadResult(id_, outs, outs)

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        guard.insist_idle(news["stack"], f"cannot change {self._where(news)}")
        if words := guard.refusal(news["stack"]):
            return dynamic.UpdateResult(self._revive(olds, news, words))
        return dynamic.UpdateResult(self._apply(news))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        guard.insist(props["stack"], f"cannot remove {self._where(props)}")
        PARTS[self.part].remove(connection.host(props), place_of(props))

    def _where(self, props: dict[str, Any]) -> str:
        return f"{self.part} of {props['machine']['name']}"

    def _apply(self, props: dict[str, Any]) -> dict[str, Any]:
        part, host, place = PARTS[self.part], connection.host(props), place_of(props)
        part.apply(host, place)
        if wrong := differing(part.wanted(place), part.read(host, place)):
            raise PreconditionError(
                f"{self._where(props)} is not as wanted after the work on it: {', '.join(wrong)}"
            )
        return props

    def _revive(self, olds: dict[str, Any], news: dict[str, Any], words: str) -> dict[str, Any]:
        """On a cloud that serves only start what has stopped: nothing is changed or restarted."""
        part = PARTS[self.part]
        wrong = differing(part.wanted(place_of(news)), olds)
        if not isinstance(part, Daemon) or set(wrong) != {"running"}:
            raise PreconditionError(f"cannot change {self._where(news)}: {words}")
        part.start(connection.host(news))
        return news


def place_of(props: dict[str, Any]) -> Place:
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
