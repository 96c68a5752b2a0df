"""Two listings: every loss is named, what is no loss carries its reason."""

from __future__ import annotations

from typing import Any

import pytest

from migrate.services import kinds
from migrate.verify.comparison import compare
from migrate.verify.listing import Listing

SERVER = {
    "id": "s1",
    "name": "web",
    "status": "ACTIVE",
    "metadata": {"role": "web"},
    "host_status": "UP",
    "security_groups": [{"name": "default"}, {"name": "ssh"}],
}


def listing(absent: dict[str, str] | None = None, **resources: Any) -> Listing:
    named = {name.replace("_", "-"): found for name, found in resources.items()}
    return Listing(named, absent or {}, {}, 0.0, 0.0)


def changed(**fields: Any) -> dict[str, Any]:
    return {**SERVER, **fields}


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (changed(status="ERROR"), "server s1: status was 'ACTIVE', is 'ERROR'"),
        (changed(metadata={}), "server s1: metadata.role was 'web', is '(not there)'"),
        (
            changed(metadata={"role": "web", "x": "y"}),
            "server s1: metadata.x was '(not there)', is 'y'",
        ),
        (
            {k: v for k, v in SERVER.items() if k != "name"},
            "server s1: name was 'web', is '(not there)'",
        ),
        (
            changed(security_groups=[{"name": "default"}]),
            "server s1: security_groups was [{'name': 'default'}, {'name': 'ssh'}], "
            "is [{'name': 'default'}]",
        ),
    ],
)
def test_a_changed_field_is_named(after: dict[str, Any], told: str) -> None:
    found = compare(listing(server={"s1": SERVER}), listing(server={"s1": after}))
    assert told in [str(one) for one in found.differences]


def test_a_lost_and_a_strange_resource_are_named() -> None:
    found = compare(
        listing(server={"s1": SERVER, "s2": SERVER}), listing(server={"s1": SERVER, "s3": SERVER})
    )
    assert {str(one) for one in found.differences} == {
        "server s2 was removed",
        "server s3 was added",
    }


def test_what_the_program_made_itself_is_not_strange() -> None:
    after = listing(server={"s1": SERVER, "s3": SERVER})
    assert not compare(listing(server={"s1": SERVER}), after, ours={"s3"}).differences


def test_order_means_something_only_where_it_does() -> None:
    turned = changed(security_groups=list(reversed(SERVER["security_groups"])))  # type: ignore[call-overload]
    assert not compare(listing(server={"s1": SERVER}), listing(server={"s1": turned})).differences
    one = listing(subnet={"n": {"dns_nameservers": ["10.0.0.1", "10.0.0.2"]}})
    other = listing(subnet={"n": {"dns_nameservers": ["10.0.0.2", "10.0.0.1"]}})
    assert [str(d.field) for d in compare(one, other).differences] == ["dns_nameservers"]


def test_a_type_that_is_not_told_any_more_is_a_loss() -> None:
    found = compare(listing(trunk={"t": {"id": "t"}}), listing({"trunk": "answered 404"}))
    assert "1 of them" in str(found.differences[0].before)
    assert "answered 404" in str(found.differences[0].after)


def test_a_heartbeat_is_no_loss_and_has_a_reason() -> None:
    before = listing(agent={"a": {"alive": True, "heartbeat_timestamp": "1", "binary": "x"}})
    after = listing(agent={"a": {"alive": False, "heartbeat_timestamp": "2", "binary": "x"}})
    found = compare(before, after)
    assert not found.differences
    assert sum(found.allowed.values()) == 2
    assert found.fields == 3


def test_after_a_rollback_nothing_may_be_added() -> None:
    before, after = listing(server={"s1": SERVER}), listing(server={"s1": changed(new="x")})
    assert not compare(before, after).differences
    assert compare(before, after, same_release=True).differences


NOON = 1795262400.0  # 2026-11-21T12:00:00Z


def test_what_users_did_after_the_release_is_their_own_doing() -> None:
    before = listing(network={"n": {"name": "old", "updated_at": "2026-11-20T08:00:00Z"}})
    new = {"name": "new", "created_at": "2026-11-21T12:00:01Z"}
    renamed = {"name": "blue", "updated_at": "2026-11-21T12:00:05Z"}
    assert not compare(before, listing(network={"n": renamed, "m": new}), since=NOON).differences
    assert compare(before, listing(network={"n": renamed, "m": new})).differences
    late = listing(network={"n": renamed, "m": new})
    assert len(compare(before, late, since=NOON + 60).differences) == 3


def test_a_state_that_fell_is_told_also_after_the_release() -> None:
    before = listing(server={"s1": {"status": "ACTIVE", "updated": "2026-11-20T08:00:00Z"}})
    after = listing(server={"s1": {"status": "ERROR", "updated": "2026-11-21T12:00:05Z"}})
    found = compare(before, after, since=NOON)
    assert [one.field for one in found.differences] == ["status"]


def test_what_ended_on_the_source_after_a_user_was_listed_is_no_loss() -> None:
    seen = listing(server={"s1": changed(status="BUILD"), "s2": SERVER})
    still = listing(server={"s1": SERVER, "s3": SERVER})
    after = listing(server={"s1": SERVER, "s3": SERVER})
    assert not compare(seen, after, reference=still).differences
    lost = listing(server={"s3": SERVER})
    assert [d.id for d in compare(seen, lost, reference=still).differences] == ["s1"]
    broken = listing(server={"s1": changed(status="ERROR"), "s3": SERVER})
    assert [d.field for d in compare(seen, broken, reference=still).differences] == ["status"]


def test_keypairs_come_and_go_while_a_user_is_listed() -> None:
    seen = listing(own_keypair={"gone": {"name": "gone"}, "kept": {"name": "kept"}})
    still = listing(keypair={"u/kept": {"name": "kept"}, "u/new": {"name": "new"}})
    after = listing(own_keypair={"kept": {"name": "kept"}, "new": {"name": "new"}})
    assert not compare(seen, after, reference=still).differences
    lost = listing(own_keypair={"new": {"name": "new"}})
    assert [d.id for d in compare(seen, lost, reference=still).differences] == ["kept"]


def test_every_rule_has_a_reason() -> None:
    assert all(rule.reason for kind in kinds() for rule in kind.allowed)


def test_kinds_are_unique_and_their_parents_are_listed() -> None:
    types = [kind.type for kind in kinds()]
    assert len(types) == len(set(types))
    assert {kind.each for kind in kinds() if kind.each} <= {
        kind.type for kind in kinds() if not kind.each
    }
    assert {kind.whole for kind in kinds() if kind.whole} <= set(types)


def test_a_listing_survives_its_text() -> None:
    one = listing(server={"s1": SERVER})
    assert Listing.parse(one.text()) == one
