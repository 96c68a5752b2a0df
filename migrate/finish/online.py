"""Online data migrations: a tool is run until it says that it completed nothing any more.

What it calls needed is not believed: two rows of nova's stay so for ever. Nor is its exit status,
which is 0 after a run that did all of the work.
"""

import re

from migrate.cloud import Context
from migrate.database import tools
from migrate.database.service_databases import ServiceDatabase, service_databases
from migrate.errors import StepError
from migrate.services.base import Recipe

TABLE = re.compile(r"(?m)^\|\s*Migration\s*\|")
ROW = re.compile(r"(?m)^\|\s*([\w.]+)\s*\|\s*(\d+)\s*\|\s*(\d+)\s*\|\s*$")
ROUNDS = 100
COMPLETED = "finish.completed"  # {"nova": {"migration": rows}}, for people


def migrate(context: Context, recipe: Recipe) -> None:
    """Run the tools of *recipe* on the target, each cell by itself, until nothing is completed."""
    host = context.target.tools
    found: list[ServiceDatabase] = []
    if any(tool.each_cell for tool in recipe.online):
        found = service_databases(context.target, [recipe], context.installation.tools)
    kept = context.extras.setdefault(COMPLETED, {}).setdefault(recipe.project, {})
    for call in tools.calls(recipe, recipe.online, found):
        for _ in range(ROUNDS):
            answer = tools.cold(context, host, recipe, call)
            tools.wants_another(host.name, call, answer["status"], answer["output"])
            done = completed(answer["output"])
            for name, rows in done.items():
                kept[name] = kept.get(name, 0) + rows
            if answer["status"] == 0 and not any(done.values()):
                break
        else:
            raise StepError(
                f"{host.name}: {call} has still completed something in its last of {ROUNDS} runs: "
                "see who writes so much, then the same again"
            )


def completed(output: str) -> dict[str, int]:
    """Rows that each migration completed, by the table in *output*; StepError where it has none."""
    rows = {name: int(done) for name, _, done in ROW.findall(output)}
    if not rows and not TABLE.search(output):
        said = " ".join(output.split())[-300:]
        raise StepError(f"the tool did not say what it completed: {said}")
    return rows
