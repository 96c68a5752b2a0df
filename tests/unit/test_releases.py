"""Every pair of releases: legal, or refused with the legal way."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from migrate.cloud import releases
from migrate.errors import PreconditionError
from migrate.services import base

IDS = [one.id for one in releases.known()]
LEGAL = {
    ("2022.2", "2023.1"),
    ("2023.1", "2023.2"),
    ("2023.1", "2024.1"),
    ("2023.2", "2024.1"),
    ("2024.1", "2024.2"),
    ("2024.1", "2025.1"),
    ("2024.2", "2025.1"),
    ("2025.1", "2025.2"),
    ("2025.1", "2026.1"),
    ("2025.2", "2026.1"),
    ("2026.1", "2026.2"),
}


@pytest.mark.parametrize(("source", "target"), list(product(IDS, IDS)))
def test_every_pair(source: str, target: str) -> None:
    if (source, target) in LEGAL:
        releases.require_legal(source, target)
        return
    with pytest.raises(PreconditionError) as refused:
        releases.require_legal(source, target)
    text = str(refused.value)
    if source < target:
        for a, b in pairwise(releases.path(source, target)):
            assert (a, b) in LEGAL
            assert f"{a} to {b}" in text
    else:
        assert "nothing to upgrade" in text or "goes back" in text


@pytest.mark.parametrize(
    ("source", "target", "way"),
    [
        ("2024.1", "2026.1", ("2024.1", "2025.1", "2026.1")),
        ("2024.2", "2026.1", ("2024.2", "2025.1", "2026.1")),
        ("2022.2", "2026.1", ("2022.2", "2023.1", "2024.1", "2025.1", "2026.1")),
        ("2025.1", "2026.2", ("2025.1", "2026.1", "2026.2")),
        ("2026.1", "2025.1", ()),
    ],
)
def test_the_fewest_hops(source: str, target: str, way: tuple[str, ...]) -> None:
    assert releases.path(source, target) == way


def test_an_unknown_release_names_the_known() -> None:
    with pytest.raises(PreconditionError, match=r"2019\.1.*2025\.1"):
        releases.require_legal("2019.1", "2025.1")


@pytest.mark.parametrize(
    ("project", "version", "id_"),
    [
        ("nova", "2:31.0.0-6+deb13u2", "2025.1"),
        ("keystone", "27.0.0", "2025.1"),
        ("placement", "13.0.0-1", "2025.1"),
        ("horizon", "3:25.3.0-3+deb13u1", "2025.1"),
        ("horizon", "25.7.3", "2026.1"),
        ("horizon", "25.4.0", "2025.2"),
        ("horizon", "23.4.1", "2024.1"),
        ("neutron", "28.0.1", "2026.1"),
        ("neutron", "29.0.0.0b1", "2026.2"),
        ("nova", "19.0.0", None),
        ("nova", "unknown", None),
        ("swift", "31.0.0", None),
    ],
)
def test_the_release_of_a_version(project: str, version: str, id_: str | None) -> None:
    assert releases.of_version(project, version) == id_


def test_the_pin_of_computes() -> None:
    assert releases.compute_alias("2025.1") == "epoxy"
    with pytest.raises(PreconditionError, match=r"2026\.2"):
        releases.compute_alias("2026.2")


def test_recipes_count_by_the_same_releases() -> None:
    assert list(base.RELEASES) == IDS
