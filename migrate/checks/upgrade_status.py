"""What `*-status upgrade check` of the source's own release says of the source."""

from __future__ import annotations

import re

from migrate.checks.check import Check
from migrate.cloud import Context, installation, side_by_side
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, Severity
from migrate.services.base import Recipe

NAME = "upgrade-status"
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
    if recipe.status_check is None:
        return []
    argv = recipe.status_check.argv
    own = installation.environment(release).tool(argv[0])
    answer = host.shell(RUN, own, recipe.user, *argv, timeout=180)
    status, _, output = answer.partition("\n")
    if status == "missing":
        return []  # a project that the source does not run
    return judge(host.name, " ".join(argv), int(status), output)


def judge(where: str, command: str, status: int, output: str) -> list[Finding]:
    """What a tool's exit *status* and its table mean.

    The table is wrapped: `| Details: Failed to connect to OVN. Error: Could not |`.
    """
    findings = []
    for name, result, details in entries(output):
        if result == "Success":
            continue
        severity = Severity.ERROR if result == "Failure" else Severity.WARNING
        findings.append(
            Finding(
                NAME,
                severity,
                f"{command}: {name}: {details or result}",
                "Mend what it names on the source before the move"
                if severity is Severity.ERROR
                else "Read it; it may matter to this cloud",
                where,
            )
        )
    told = {finding.severity for finding in findings}
    if status == 0 or (status == 1 and told) or (status == 2 and Severity.ERROR in told):
        return findings
    tail = " ".join(output.split())[-300:]
    why = "crashed" if status == 255 else "did not end in time" if status == 124 else "failed"
    return [
        *findings,
        Finding(
            NAME,
            Severity.ERROR,
            f"{command} {why} (exit {status}): {tail}",
            "Run it by hand there; it reads the service's configuration and its database",
            where,
        ),
    ]


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


CHECK = Check(NAME, "`*-status upgrade check` of the source's release", run)
