"""Print, as JSON, what each part of the program knows of barbican; run beside its distribution."""

from __future__ import annotations

import json
from typing import Any

from infra.controller import Place, accounts, packages, services, units, venv
from migrate.checks import agents, backends, endpoints, scope, trusts
from migrate.cloud import operations, releases
from migrate.cloud.api import SERVICES, Api
from migrate.configuration import service_options, volumes
from migrate.services import chosen, kind
from migrate.takeover import preload
from migrate.verify import heartbeats, losses
from migrate.verify.listing import Listing, take

PLACE = Place(release="2026.1", address="10.0.0.12")
(RECIPE,) = chosen(("barbican",))


class Answer:
    """What a session of keystoneauth gives."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document, self.status_code, self.text = document, 200, ""

    def json(self) -> dict[str, Any]:
        return self.document


class Session:
    """The API of barbican: one secret that is being made, and one worker that is not heard."""

    def get(self, _url: str, **_: Any) -> Answer:
        secret = {"secret_ref": "s1", "name": "key", "status": "PENDING", "creator_project": "p1"}
        worker = {"binary": "barbican-worker", "host": "ctl-old", "updated_at": "2026-01-01"}
        return Answer(
            {"secrets": [secret], "workers": [{**worker, "state": "down", "status": "enabled"}]}
        )


def api() -> Api:
    connection: Any = type("Connection", (), {"session": Session()})()
    one = Api(connection)
    one._bases = {"key-manager": "http://vip:9311/v1"}
    return one


def loss() -> dict[str, Any]:
    """What going back loses when one secret was deleted and one made."""
    secret = {"name": "key", "creator_project": "p1", "status": "ACTIVE", "generation": 1}
    projects = {"p1": {"id": "p1", "name": "demo"}}

    def listing(*ids: str) -> Listing:
        found: dict[str, Any] = {
            "project": projects,
            "secret": {id_: {**secret, "id": id_} for id_ in ids},
            "consumer": {},
        }
        return Listing(found, {}, {}, 0.0, 0.0)

    trace = {"type": "consumer", "id": "c1", "name": "web", "of": "old"}
    before, now = listing("old"), listing("new")
    document = losses.find("one", before, now, released=1.0, traces=[trace]).document
    return {
        "counts": document["counts"],
        "project": document["projects"][0]["name"],
        "data": [one["what"] for one in document["data"]],
    }


def listed() -> dict[str, Any]:
    return {"secret": take(api(), types=("secret",)).resources["secret"]}


def look() -> dict[str, Any]:
    """One entry a part."""
    files = {file.path: file.text for file in services.files(PLACE)}
    found = kind("secret")
    assert found
    assert RECIPE.backends
    assert RECIPE.oldest
    assert RECIPE.trusts
    stores = RECIPE.rules.backend_host
    assert stores
    assert RECIPE.rest
    assert RECIPE.rest.workers
    given = service_options.parsed(
        {"f": "[secretstore]\nenabled_secretstore_plugins = store_kmip\n"}
    )
    told = RECIPE.rules.on_target({"tools": "/v"}, "2026.1")
    return {
        "account": [row for row in accounts.rows() if row[0] == "barbican"],
        "package": "softhsm2" in packages.names(),
        "units": [path for path in files if "barbican" in path],
        "shipped": [name for name in units._shipped() if "barbican" in name],
        "locked": venv.locked("2026.1")["openstack-barbican"],
        "preload": preload.MODULES["barbican-api"],
        "base": SERVICES["key-manager"],
        "listing": listed(),
        "in flight": [str(one) for one in operations.changing(api(), found)],
        "agents": [one.message for one in agents.silent(RECIPE.rest, RECIPE.rest.workers, api())],
        "heard": heartbeats._of_api(api(), RECIPE.rest, RECIPE.rest.workers)[0].binary,
        "losses": loss(),
        "release": releases.of_version("barbican", "22.0.0"),
        "asked as": endpoints.ASKED["barbican"],
        "known": "key-manager" in scope.TYPES,
        "back ends": [one.message for one in backends.judged(RECIPE.backends, given)],
        "too old": [one[0] for one in RECIPE.oldest.judge([{"host": "a"}], "2026.1", 0)],
        "trusts": trusts._finding("ctl", RECIPE.trusts, "has expired", ["web"]).message,
        "unserved": [one.message for one in volumes.unserved(RECIPE, stores, {"a@b": 1}, [{}])],
        "setting": told.settings[0].value,
        "gone": told.remedy("DEFAULT", "bind_port"),
    }


if __name__ == "__main__":
    print(json.dumps(look(), indent=1))
