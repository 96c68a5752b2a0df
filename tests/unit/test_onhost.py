"""Programs for hosts: Python 3.8, nothing but its standard library, called in one way."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from migrate import onhost
from tests.unit import test_imports

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "migrate" / "onhost"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
LATER = {"graphlib", "tomllib", "zoneinfo"}  # modules that came after 3.8
GENERIC = {"list", "dict", "set", "tuple", "frozenset", "type"}  # no `list[int]` when it runs
# came later too; the target's Python has them, where schema tools wait
NEWER = {"removeprefix", "removesuffix", "waitstatus_to_exitcode", "usedforsecurity"}
ALLOWED = {("warm", "waitstatus_to_exitcode")}
CALLS = {"call", "onhost.call", "call_each", "hosts.call_each", "_named"}
CALLED = re.compile(r"[a-z_]+\.[a-z_]+")


class Here:
    """This machine, with the python that runs the tests."""

    def __init__(self, *before: str) -> None:
        self.before = "\n".join(before)

    def python(
        self,
        source: str,
        payload: object = None,
        timeout: float = 60,
        interpreter: Sequence[str] = (),
    ) -> Any:
        script = f"import json\npayload = json.loads({json.dumps(payload)!r})\n{self.before}\n"
        script += f"{source}\nprint(json.dumps(result))\n"
        done = subprocess.run(
            [sys.executable, "-I", "-"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


def parsed(name: str) -> ast.Module:
    return ast.parse(onhost.source(name), feature_version=(3, 8))


def running(node: ast.AST) -> Iterator[ast.AST]:
    """*node* and all below it but annotations, which nobody evaluates."""
    yield node
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns"):
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, ast.AST):
                    yield from running(one)


@pytest.mark.parametrize("name", MODULES)
def test_a_program_is_python_3_8_and_imports_its_library_only(name: str) -> None:
    tree = parsed(name)
    wrong = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wrong += [alias.name for alias in node.names if not known(alias.name)]
        elif isinstance(node, ast.ImportFrom) and not known(node.module or ""):
            wrong.append(node.module or "")
    assert wrong == []
    first = tree.body[0]
    assert isinstance(first, ast.ImportFrom)
    assert first.module == "__future__", "annotations would be evaluated"
    compile(onhost.source(name), name, "exec")


def known(module: str) -> bool:
    first = module.partition(".")[0]
    return module.startswith("migrate.onhost") or first in sys.stdlib_module_names - LATER


@pytest.mark.parametrize("name", MODULES)
def test_a_program_uses_nothing_that_came_after_3_8(name: str) -> None:
    wrong = []
    for node in running(parsed(name)):
        if isinstance(node, ast.Subscript) and getattr(node.value, "id", "") in GENERIC:
            wrong.append(ast.unparse(node))
        if isinstance(node, ast.Attribute) and node.attr in NEWER:
            wrong += [] if (name, node.attr) in ALLOWED else [node.attr]
        if isinstance(node, ast.keyword) and node.arg in NEWER | {"strict"}:
            wrong.append(str(node.arg))
    assert wrong == []


@pytest.mark.parametrize("name", MODULES)
def test_a_program_brings_what_it_needs(name: str) -> None:
    found = list(onhost.sources(name))
    assert found[-1] == name
    for place, one in enumerate(found):
        assert set(onhost._imported(onhost.source(one))) <= set(found[:place])


def test_a_call_gives_what_the_function_returns() -> None:
    assert onhost.call(Here(), "files.existing", ["/etc", "/nowhere"]) == ["/etc"]


def test_the_name_of_our_package_is_free_for_a_service(tmp_path: Path) -> None:
    """sqlalchemy-migrate, which old services bring, is imported as `migrate` too."""
    (tmp_path / "migrate").mkdir()
    (tmp_path / "migrate" / "__init__.py").write_text("")
    (tmp_path / "migrate" / "versioning.py").write_text("")
    path = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})"
    found = onhost.call(Here(path), "packages.folders", ["migrate.versioning"])
    assert found == {"migrate.versioning": str(tmp_path)}


def called() -> Iterator[tuple[str, str]]:
    """Where a function of a host is called, and its name."""
    for path in (
        one for top in ("migrate", "infra", "tests") for one in (ROOT / top).rglob("*.py")
    ):
        text = path.read_text()
        if "call" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and CALLS & {ast.unparse(node.func), *_names(node)}:
                words = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
                named = (one for one in words if isinstance(one, str) and CALLED.fullmatch(one))
                yield f"{path.relative_to(ROOT)}:{node.lineno}", next(named, "")


def _names(node: ast.Call) -> Iterator[str]:
    """What a call is given by name, as a pool is given the function to call."""
    return (ast.unparse(one) for one in node.args if isinstance(one, ast.Name | ast.Attribute))


def test_what_is_called_is_there() -> None:
    there = {
        f"{name}.{node.name}"
        for name in MODULES
        for node in parsed(name).body
        if isinstance(node, ast.FunctionDef)
    }
    found = list(called())
    assert len(found) > 100
    assert [one for one in found if one[1] and one[1] not in there] == []


def test_only_call_runs_a_program_and_none_stands_in_a_string() -> None:
    wrong = []
    for module in test_imports.FILES:
        if module == "migrate.onhost":
            continue
        for node in ast.walk(test_imports.parsed(module)):
            where = f"{module}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "python":
                wrong.append(where)
            if isinstance(node, ast.Constant) and program(node.value):
                wrong.append(where)
    assert wrong == []


def program(value: object) -> bool:
    """Whether *value* is a text that Python could run and that imports something."""
    if not isinstance(value, str) or "import " not in value:
        return False
    try:
        tree = ast.parse(value)
    except SyntaxError:
        return False
    return any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree))


@pytest.mark.parametrize("name", MODULES)
def test_what_is_sent_along_is_all_that_a_program_imports(name: str) -> None:
    found = set()
    for node in ast.walk(test_imports.parsed(f"migrate.onhost.{name}")):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("migrate.onhost"):
            inside = (node.module or "").removeprefix("migrate.onhost").strip(".")
            found |= {inside} if inside else {one.name for one in node.names}
    assert set(onhost._imported(onhost.source(name))) == found
