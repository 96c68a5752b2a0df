"""Whichever module is imported first, all of it is there: no two wait for each other."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("migrate", "infra")
    for path in (ROOT / package).rglob("*.py")
}


def imported(module: str) -> set[str]:
    """What *module* imports of ours as it is loaded; its own packages are there already."""
    found: set[str] = set()
    for node in ast.parse(FILES[module].read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {node.module} | names & FILES.keys()
    parents = {name.rpartition(".")[0] for name in found}
    return {
        one
        for one in (found | parents) & FILES.keys()
        if one != module and not module.startswith(f"{one}.")
    }


def test_no_two_modules_need_each_other() -> None:
    try:
        TopologicalSorter({module: imported(module) for module in FILES}).prepare()
    except CycleError as error:
        pytest.fail(f"each needs the one before it: {' → '.join(error.args[1])}")
