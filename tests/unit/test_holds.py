"""Calls that would destroy what both sides share: the policy file, and where it has to stand."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from migrate.engine.plan import Phase
from migrate.phases import plan
from migrate.services import RECIPES
from migrate.storage.volumes import policy
from migrate.verify import boot


def test_each_call_is_listed_once_and_says_what_it_does() -> None:
    names = [one.policy for one in policy.table()]
    assert len(names) == len(set(names))
    assert all(one.what for one in policy.table())


@pytest.mark.parametrize(
    ("mode", "refused", "let_through"),
    [
        ("refuse", {"volume:delete", "volume:extend", "volume:revert_to_snapshot"}, set()),
        ("record", {"volume:revert_to_snapshot", "backup:restore"}, {"volume:delete"}),
    ],
)
def test_the_file_refuses_everybody(mode: str, refused: set[str], let_through: set[str]) -> None:
    rules = yaml.safe_load(policy.rendered(mode))
    ours = {one for one, rule in rules.items() if rule != "!"}
    assert ours == {"volume:delete"} & refused
    assert refused <= rules.keys()
    assert not let_through & rules.keys()


def test_what_the_administrator_may_delete_is_what_a_probe_makes() -> None:
    rules = yaml.safe_load(policy.rendered("refuse"))
    assert rules["volume:delete"] == f"rule:admin_api and '{boot.VOLUME}':%(display_name)s"
    assert rules["volume:force_delete"] == "!"


@pytest.mark.parametrize("mode", ["refuse", "record"])
def test_images_are_held_by_names_of_their_own_in_either_mode(mode: str) -> None:
    """Where an image lay, glance tells nobody by default, so no loss of one could be named."""
    rules = yaml.safe_load(policy.rendered(mode, policy.IMAGES))
    assert set(rules) == {"delete_image", "delete_image_location", "set_image_location"}
    assert yaml.safe_load(policy.UNSHARED) == {}


def test_lifted_is_a_file_without_rules() -> None:
    assert yaml.safe_load(policy.LIFTED) == {}


@pytest.mark.parametrize(
    ("texts", "folder"),
    [
        ([], "policy.d"),
        (["[oslo_policy]\npolicy_file = x\n"], "policy.d"),
        (["[oslo_policy]\npolicy_dirs = a\npolicy_dirs = /b\n"], "/b"),
        (["[oslo_policy]\npolicy_dirs = a\n", "[oslo_policy]\npolicy_dirs = c\n"], "c"),
        (["[DEFAULT]\npolicy_dirs = a\n"], "policy.d"),
    ],
)
def test_the_last_folder_counts(texts: list[str], folder: str) -> None:
    assert policy.last_folder(texts) == folder


def test_only_the_operators_word_lifts_it() -> None:
    found: dict[str, Any] = {step.id: step for step in plan.steps(RECIPES)}
    assert found["cinder.hold"].phase is Phase.FOLLOW  # before cinder has ever started
    assert found["storage.accept"].phase is Phase.ACCEPT  # no other command runs that phase
    assert found["cinder.hold"].revert
    assert found["storage.accept"].revert
    assert "glance.hold" not in found  # images in files are copies
    on_rbd = {step.id: step for step in plan.steps(RECIPES, ceph=True)}
    assert {"cinder.hold", "glance.hold"} <= set(on_rbd["storage.accept"].needs)
    without = tuple(one for one in RECIPES if one.project != policy.VOLUMES.project)
    assert not {"cinder.hold", "storage.accept"} & {step.id for step in plan.steps(without)}
