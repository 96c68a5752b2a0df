"""Golden plans: for each stack file in `plans/`, what `migrate plan` prints and answers.

    python -m tests.unit.test_plans        writes them anew; then read the difference

The last column is measured in the lab: a better measurement changes it in all files, and that is
how it shows in a review.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from migrate.cli.commands import migrate

PLANS = Path(__file__).with_name("plans")
CASES = sorted(PLANS.glob("*.yaml"))
EXPECTED = "# --- expected from here on: `python -m tests.unit.test_plans` writes it\n"
ANSWERED = ("phase", "needs", "impact", "way_back")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_plan(case: Path) -> None:
    expected = yaml.safe_load(case.read_text())
    plan, steps = planned(case.stem, expected["config"])
    assert plan == expected["plan"]
    assert steps == expected["steps"]


def planned(stack: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What `migrate plan` prints for *config*, and its --json, by step."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "stacks").mkdir()
        (Path(folder) / "Pulumi.yaml").touch()
        file = Path(folder) / "stacks" / f"Pulumi.{stack}.yaml"
        file.write_text(yaml.safe_dump({"config": config}))
        here = Path.cwd()
        os.chdir(folder)
        try:
            asked = ["plan", "--stack", stack]
            runner = CliRunner(catch_exceptions=False)
            printed = runner.invoke(migrate, asked).stdout
            answered = json.loads(runner.invoke(migrate, [*asked, "--json"]).stdout)
        finally:
            os.chdir(here)
    text = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return text, {one["id"]: {key: one[key] for key in ANSWERED} for one in answered}


def write(case: Path) -> None:
    """Keep the facts of *case* as they are written, and put what is expected after them."""
    facts = case.read_text().partition(EXPECTED)[0]
    plan, steps = planned(case.stem, yaml.safe_load(facts)["config"])
    lines = ["plan: |\n", *(f"  {line}\n" if line else "\n" for line in plan.splitlines())]
    lines += ["steps:\n"]
    lines += [f"  {name}: {json.dumps(step)}\n" for name, step in steps.items()]
    case.write_text("".join([facts, EXPECTED, *lines]))


if __name__ == "__main__":
    for one in CASES:
        write(one)
