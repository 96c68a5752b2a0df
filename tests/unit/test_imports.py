"""The folders stand in one order and import upwards only; no two modules wait for each other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("migrate", "infra")
    for path in (ROOT / package).rglob("*.py")
}

# what each folder may import stands before it
ORDER = (
    "errors",
    "services",
    "onhost",
    "cloud",
    "engine",
    "database",
    "configuration",
    "storage",
    "takeover",
    "computes",
    "finish",
    "checks",
    "verify",
    "shadow",
    "phases",
    "cli",
)


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text())


def of_imports(nodes: Iterable[ast.AST]) -> set[str]:
    """Modules of ours that the imports among *nodes* name."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & FILES.keys()


def imported(module: str) -> set[str]:
    """What *module* imports of ours as it is loaded; its own packages are there already."""
    found = of_imports(parsed(module).body)
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


def named(module: str) -> set[str]:
    """Modules of ours that *module* names anywhere, also where it is not loaded with it."""
    return of_imports(ast.walk(parsed(module)))


def folder(module: str) -> str:
    """ "takeover" of "migrate.takeover.gate.close"."""
    return module.split(".")[1]


def test_folders_are_those_of_the_order() -> None:
    inside = {folder(module) for module in FILES if module.startswith("migrate.")}
    assert inside == set(ORDER)


@pytest.mark.parametrize("where", ORDER)
def test_a_folder_imports_only_what_stands_before_it(where: str) -> None:
    above = set(ORDER[: ORDER.index(where) + 1])
    wrong = [
        f"{module} imports {other}"
        for module in FILES
        if not module.startswith("migrate.onhost.")  # each is a process of its own
        if module.startswith(f"migrate.{where}.") or module == f"migrate.{where}"
        for other in named(module)
        if other.startswith("migrate.") and folder(other) not in above
    ]
    assert wrong == []


def test_only_the_command_line_and_pulumi_know_the_phases() -> None:
    wrong = [
        f"{module} imports {other}"
        for module in FILES
        if not module.startswith("migrate.onhost.")  # each is a process of its own
        if module.startswith("migrate.") and folder(module) not in ("phases", "cli")
        for other in named(module)
        if other.startswith(("migrate.phases", "migrate.cli", "infra"))
    ]
    assert wrong == []


def test_what_is_imported_keeps_its_name() -> None:
    wrong = [
        f"{module} imports {alias.name} as {alias.asname}"
        for module in FILES
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if alias.asname
    ]
    assert wrong == []


def test_only_the_installation_says_where_a_release_is_and_on_what() -> None:
    saying = [
        module
        for module in FILES
        if not module.startswith("infra.nspawn")  # the lab's machines, made of one system
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if "/opt/openstack" in node.value or "Debian 13" in node.value
    ]
    assert set(saying) == {"migrate.cloud.installation"}


def test_programs_in_strings_import_what_is_there() -> None:
    wanted = re.compile(r"^ *from (migrate[.\w]*) import (\w+)", re.MULTILINE)
    wrong = [
        f"{path.relative_to(ROOT)}: {found[0].strip()}"
        for folder_ in ("migrate", "infra", "tests")
        for path in (ROOT / folder_).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for found in wanted.finditer(node.value)
        if found[1] not in FILES or (found[1] == "migrate" and f"migrate.{found[2]}" not in FILES)
    ]
    assert wrong == []


def test_python_is_parsed_by_one_thread_at_a_time() -> None:
    asking = [
        module
        for module in FILES
        if not module.startswith("migrate.onhost.")  # each is a process of its own
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Attribute)
        and node.attr == "parse"
        and isinstance(node.value, ast.Name)
        and node.value.id == "ast"
    ]
    assert asking == ["migrate.cloud.python_source"]
