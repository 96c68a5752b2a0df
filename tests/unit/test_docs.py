"""What pages for operators name is there: commands with their options, targets, files, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from migrate.cli.commands import migrate
from migrate.cloud import settings

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/runbook.md",
        "docs/architecture.md",
        "stacks/README.md",
    )
]
BLOCKS = re.compile(r"^ *```\w* ?\w*\n(.*?)^ *```", re.M | re.S)
CODE = re.compile(r"`([^`]+)`")
FOLDERS = {"docs", "infra", "migrate", "stacks", "tests", "tools"}
GLOB = re.compile(r"[<>*…$]")


def code(page: Path) -> Iterator[str]:
    """Every piece of code in *page*, on one line."""
    text = page.read_text()
    for block in BLOCKS.findall(text):
        yield from block.splitlines()
    for one in CODE.findall(BLOCKS.sub("", text)):
        yield " ".join(one.split())


def words(said: str) -> list[str]:
    try:
        return [one for one in shlex.split(said, comments=True) if "=" not in one]
    except ValueError:  # a sentence, not a command
        return []


def named(tool: str) -> list[tuple[str, list[str]]]:
    return [
        (page.name, argv[1:])
        for page in PAGES
        for said in code(page)
        if len(argv := words(said.partition("|")[0])) > 1 and argv[0] == tool
    ]


def test_there_is_something_to_look_at() -> None:
    assert len(named("migrate")) > 60
    assert len(named("make")) > 8


@pytest.mark.parametrize(("page", "argv"), named("migrate"), ids=str)
def test_a_command_has_the_options_that_a_page_gives_it(page: str, argv: list[str]) -> None:
    if argv[0].startswith("-"):
        return
    command = migrate.commands.get(argv[0].rstrip(","))
    assert command, f"{page}: there is no `migrate {argv[0]}`"
    options = {name: one for one in command.params for name in one.opts}
    for word in argv[1:]:
        if word.startswith("-"):
            assert word in options, f"{page}: `migrate {argv[0]}` has no {word}"
            assert isinstance(options[word], click.Option)


def test_make_has_the_targets() -> None:
    there = set(re.findall(r"^([a-z -]+):", (ROOT / "Makefile").read_text(), re.M))
    targets = {target for line in there for target in line.split()}
    assert {one for _, argv in named("make") for one in argv} <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_links_lead_somewhere(page: Path) -> None:
    missing = []
    for said in code(page):
        for word in said.split():
            path = word.strip("(),;:")
            if "/" not in path or GLOB.search(path) or path.partition("/")[0] not in FOLDERS:
                continue
            if not any((folder / path).exists() for folder in (ROOT, page.parent)):
                missing.append(path)
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)
    assert not missing


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_keys_of_the_stack_file_are_there(page: Path) -> None:
    there = {one.alias or name for name, one in settings.Settings.model_fields.items()}
    assert set(re.findall(r"sidestep:(\w+)", page.read_text())) <= there
