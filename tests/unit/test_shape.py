"""What is told of clouds of another shape: back ends, keepalived, endpoints, clusters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from migrate.checks import backends, endpoints, keepalived, shape
from migrate.checks.scope_facts import Endpoint
from migrate.configuration import service_options
from migrate.engine.finding import Finding
from migrate.services import chosen
from migrate.storage import backends as storage_backends


def cases(name: str) -> list[Any]:
    found: list[Any] = yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text())
    return found


def assert_told(found: Sequence[Finding], wanted: list[list[str]]) -> None:
    """As many as *wanted*, each with its words, and each with a remedy."""
    told = [str(one) for one in found]
    assert len(told) == len(wanted), told
    for words, line in zip(wanted, told, strict=True):
        assert all(word in line for word in words), line
    assert all(one.remedy for one in found)


@pytest.mark.parametrize("case", cases("backends"), ids=lambda case: str(case["name"]))
def test_back_ends(case: dict[str, Any]) -> None:
    (recipe,) = chosen([case["project"]])
    given = service_options.parsed({f"file {at}": text for at, text in enumerate(case["files"])})
    if recipe.storage:
        found = [*storage_backends.judged(recipe.storage, given)]
    else:
        assert recipe.backends
        found = [*backends.judged(recipe.backends, given)]
    assert_told(found, case["told"])


@pytest.mark.parametrize("case", cases("keepalived"), ids=lambda case: str(case["name"]))
def test_keepalived(case: dict[str, Any]) -> None:
    found = [*keepalived.judge(case["text"], {"10.0.0.10"}, {"10.0.0.11"})]
    assert_told(found, case["told"])


@pytest.mark.parametrize("case", cases("endpoints"), ids=lambda case: f"{case[0]} {case[1]}")
def test_endpoints(case: list[Any]) -> None:
    kind, url, told = case
    resolved = {
        "cloud.example.org": ["10.0.0.10"],
        "both.example.org": ["10.0.0.10", "2001:db8::10"],
        "compute.example.org": ["10.0.9.9"],
        "controller": ["10.0.0.11"],
        "10.0.0.10": ["10.0.0.10"],
        "10.0.0.11": ["10.0.0.11"],
    }
    found = endpoints.judge([Endpoint(kind, "", "public", url)], resolved, {"10.0.0.10"})
    assert_told([*found], told)


@pytest.mark.parametrize(
    ("has", "asked", "told"),
    [
        (["volumev3"], "volumev3::publicURL", ""),
        (["block-storage"], "volumev3::public", ""),  # devstack since 2024: an alias
        # todaygood/openstack-solution issue 11, elasticluster issue 701: the old types alone
        (["volumev2"], "volumev3::public", "no public endpoint of type volumev3, which nova"),
        (["volume", "compute"], "volumev3::public", "of type volumev3"),
        # a site's own `catalog_info = volumev3:cinder:internalURL`
        (["volumev3"], "volumev3:cinderv3:publicURL", "of type volumev3 named cinderv3"),
        (["volumev3"], "volumev3::internalURL", "no internal endpoint"),
        (["image"], "image", ""),
        ([], "volumev3::public", ""),  # nobody could log in, which others tell
    ],
)
def test_what_the_catalogue_is_asked_for(has: list[str], asked: str, told: str) -> None:
    found = [Endpoint(one, "cinder", "public", f"http://10.0.0.10/{one}") for one in has]
    assert_told([*endpoints.missing(found, [("nova", asked)])], [[told]] if told else [])


@pytest.mark.parametrize(
    ("units", "told"),
    [
        (["keepalived.service", "openvswitch-switch.service", "nova-api.service"], []),
        (["pacemaker.service", "corosync.service"], [["corosync, pacemaker manages"]]),
        (["ovn-northd.service", "ovn-controller.service"], [["ovn-controller, ovn-northd runs"]]),
        (["nova-compute.service"], [["all-in-one"]]),
    ],
)
def test_running_units(units: list[str], told: list[list[str]]) -> None:
    assert_told([*shape.running(units)], told)


def test_members_of_clusters() -> None:
    own = frozenset({"10.0.0.11"})
    rows: list[dict[str, Any]] = [
        {"local": ["10.0.0.11", 25672], "remote": ["10.0.0.11", 40000]},
        {"local": ["127.0.0.1", 40001], "remote": ["127.0.0.1", 25672]},
    ]
    assert not [*shape.members(rows, own)]
    rows += [
        {"local": ["10.0.0.11", 40002], "remote": ["10.0.0.12", 4567]},
        {"local": ["10.0.0.11", 25672], "remote": ["10.0.0.13", 40003]},
    ]
    assert_told([*shape.members(rows, own)], [["Galera", "10.0.0.12"], ["RabbitMQ", "10.0.0.13"]])


def test_daemons_on_other_hosts() -> None:
    rows: list[dict[str, Any]] = [
        {"local": ["10.0.0.11", 1], "remote": ["10.0.0.10", 3306], "unit": "nova-api.service"},
        {"local": ["127.0.0.1", 2], "remote": ["127.0.0.1", 11211], "unit": "nova-api.service"},
        {"local": ["10.0.0.11", 3], "remote": ["10.9.9.9", 3306], "unit": "billing.service"},
    ]
    own = frozenset({"10.0.0.10", "10.0.0.11"})
    assert not [*shape.elsewhere(rows, own)]
    rows += [
        {"local": ["10.0.0.11", 4], "remote": ["10.9.9.9", 3306], "unit": "nova-api.service"},
        {"local": ["10.0.0.11", 5], "remote": ["10.9.9.9", 3306], "unit": "keystone.service"},
        {"local": ["10.0.0.11", 6], "remote": ["10.9.9.8", 5672], "unit": "nova-api.service"},
    ]
    wanted = [["nova-api use a broker at 10.9.9.8"], ["keystone, nova-api use a database"]]
    assert_told([*shape.elsewhere(rows, own)], wanted)


@pytest.mark.parametrize(("source", "target", "told"), [(1, 1, 0), (3, 1, 1), (2, 2, 2)])
def test_more_than_one_controller(source: int, target: int, told: int) -> None:
    sides = (
        SimpleNamespace(controllers=(None,) * source),
        SimpleNamespace(controllers=(None,) * target),
    )
    context: Any = SimpleNamespace(source=sides[0], target=sides[1])
    assert len([*shape.sides(context)]) == told
