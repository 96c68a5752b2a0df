"""What `*-status upgrade check` of the source's own release says of the source."""

import re
from collections.abc import Iterator

from migrate.cloud import Context, installation, side_by_side
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error, filled, warning
from migrate.services.base import Recipe

ENTRY = re.compile(
    r"Check: (?P<name>.*?)\nResult: (?P<result>\w+)\nDetails: (?P<details>.*?)(?=\nCheck: |\Z)",
    re.S,
)
# 0: all Success, 1: a Warning, 2: a Failure, 255: the check itself crashed
RUN = """
tool=$(command -v "$1" || command -v "$3") || { echo missing; exit 0; }
shift; user=$1; shift 2
status=0
output=$(cd / && runuser -u "$user" -- timeout 120 "$tool" "$@" 2>&1) || status=$?
printf '%s\\n%s\\n' "$status" "$output"
"""


def run(context: Context) -> list[Finding]:
    """Warnings and failures of every project's tool, on the first controller of the source."""
    host = context.source.tools
    recipes = [recipe for recipe in context.recipes if recipe.status_check]
    found = side_by_side.each(lambda r: _ask(host, context.source.release, r), recipes, workers=2)
    return [finding for part in found for finding in part]


def _ask(host: Host, release: str, recipe: Recipe) -> list[Finding]:
    assert recipe.status_check
    argv = recipe.status_check.argv
    own = installation.environment(release).tool(argv[0])
    answer = host.shell(RUN, own, recipe.user, *argv, timeout=180)
    status, _, output = answer.partition("\n")
    if status == "missing":
        return []  # a project that the source does not run
    return list(filled(judge(" ".join(argv), int(status), output), where=host.name))


def judge(command: str, status: int, output: str) -> Iterator[Finding]:
    """What a tool's exit *status* and its table mean.

    The table is wrapped: `| Details: Failed to connect to OVN. Error: Could not |`.
    """
    told = [one for one in entries(output) if one[1] != "Success"]
    for name, result, details in told:
        message = f"{command}: {name}: {details or result}"
        if result == "Failure":
            yield error(message, "Mend what it names on the source before the move")
        else:
            yield warning(message, "Read it; it may matter to this cloud")
    failed = any(result == "Failure" for _, result, _ in told)
    if status == 0 or (status == 1 and told) or (status == 2 and failed):
        return
    tail = " ".join(output.split())[-300:]
    why = "crashed" if status == 255 else "did not end in time" if status == 124 else "failed"
    yield error(
        f"{command} {why} (exit {status}): {tail}",
        "Run it by hand there; it reads the service's configuration and its database",
    )


def entries(output: str) -> list[tuple[str, str, str]]:
    """Name, result and details of each row of an upgrade check's table."""
    lines = [line.strip("| ") for line in output.splitlines() if line.startswith("|")]
    joined = "\n".join(lines)
    return [
        (
            " ".join(match["name"].split()),
            match["result"],
            "" if match["details"].strip() == "None" else " ".join(match["details"].split()),
        )
        for match in ENTRY.finditer(joined)
    ]
