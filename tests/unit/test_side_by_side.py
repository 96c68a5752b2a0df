"""Which tests share a worker."""

from __future__ import annotations

from pathlib import Path

from tests import side_by_side

INTEGRATION = Path(__file__).parents[1] / "integration"


def test_whoever_needs_the_pair_of_machines_runs_in_its_group() -> None:
    """In another one he waits for the worker that has it, which waits for him: CI once did so."""
    apart = [
        file.name
        for file in INTEGRATION.glob("test_*.py")
        if "two_databases" in file.read_text()
        and side_by_side.group(f"tests/integration/{file.name}::test") != "pair"
    ]
    assert not apart


def test_every_group_that_is_not_a_file_has_its_place_in_the_order() -> None:
    named = {*side_by_side.FOLDERS.values(), *side_by_side.FILES.values()}
    assert named <= set(side_by_side.ORDER)
