"""Each file of `cases` is one file's way over: what came, what is known, what shall come out."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from migrate.cloud.addresses import Mapping
from migrate.cloud.installation import environment
from migrate.configuration.options import Options
from migrate.configuration.translate import Aids, translate
from migrate.engine.finding import filled
from migrate.services import chosen

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
VENV = environment("2026.1")
ADDRESSES = {"10.1.0.1": "10.2.0.1", "10.1.0.2": "10.2.0.2"}
NAMES = {"ctl-a": "new-a", "ctl-b": "new-b"}


def options(known: dict[str, Any], case: dict[str, Any]) -> Options:
    return Options.of(
        {
            "options": {
                group: names if isinstance(names, dict) else dict.fromkeys(names, "string value")
                for group, names in known.items()
            },
            "renamed": case.get("renamed", []),
            "plugins": case.get("plugins", {}),
        }
    )


def aids(case: dict[str, Any]) -> Aids:
    values = {"tools": VENV.tools, "compute_alias": "epoxy", "source_name": "ctl-a"}
    return Aids(
        source="ctl-a",
        hostname="ctl-a",
        releases=("2025.1", "2026.1"),
        installation=VENV,
        options=options(case["options"], case),
        before=options(case.get("before", case["options"]), case),
        mapping=Mapping(ADDRESSES, NAMES, frozenset(case.get("lost", []))),
        rules=chosen((case["project"],))[0].rules.on_target(values, "2026.1"),
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    done = translate({case["path"]: case["input"]}, aids(case))
    assert done.files == {case["path"]: case["output"]}
    told = filled(done.findings, check="configuration")
    assert [str(one) for one in told] == case["findings"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_was_translated_stays_as_it_is(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    first = translate({case["path"]: case["input"]}, aids(case)).files
    assert translate(first, aids({**case, "lost": []})).files == first


def test_no_value_is_told() -> None:
    case = {"project": "placement", "options": {"DEFAULT": ["debug"]}, "before": {}}
    text = "[DEFAULT]\npasswrod = hunter2\n[old]\ntoken = hunter2\nhunter2\n"
    done = translate({"/etc/placement/placement.conf": text}, aids(case))
    assert len(done.findings) == 3
    assert not any("hunter2" in str(finding) for finding in done.findings)
