"""The target's schema tools, started, imported and waiting before the window; see onhost/warm.py.

They are transient units of systemd under the service's own account. Nothing depends on them: where
one does not answer, the tool is started cold and gives the same result. Then the window is 4.7 s
longer on an idle machine, however many cores it has (`tests/bench/waiting.py`).
"""

from typing import Any

from migrate import onhost
from migrate.cloud import Context, wait
from migrate.cloud.host import Host
from migrate.errors import StepError
from migrate.services.base import Recipe

FOLDER = "/run/migrate-warm"
READY_SECONDS = 300.0

START = """
unit=$1 user=$2 folder=$3; shift 3
systemctl reset-failed -q "$unit" 2>/dev/null || true
systemctl is-active -q "$unit" || systemd-run -q --unit="$unit" --collect \
  -p User="$user" -p RuntimeDirectory="$unit" -p RuntimeDirectoryMode=0700 -p UMask=0077 \
  -p StandardOutput=null -p StandardError=journal -p OOMScoreAdjust=500 -- "$@"
"""


def concerned(context: Context) -> list[Recipe]:
    """The projects that have schema tools."""
    return [recipe for recipe in context.recipes if recipe.sync]


def unit(recipe: Recipe) -> str:
    return f"migrate-warm-{recipe.project}"


def start(context: Context) -> None:
    """Start what does not run, two at a time, and wait until all are ready."""
    host = context.target.tools
    host.run("install", "-d", "-m", "0755", FOLDER)
    host.write(f"{FOLDER}/warm.py", onhost.source("warm"), mode=0o644)
    wanted = concerned(context)
    for recipe in wanted:
        programs = sorted({tool.argv[0] for tool in recipe.sync})
        modules = ",".join(recipe.sync_preload)
        command = (context.installation.python, f"{FOLDER}/warm.py", socket(recipe), modules)
        host.shell(START, unit(recipe), recipe.user, FOLDER, *command, *programs)

    def waiting() -> list[str]:
        return [recipe.project for recipe in wanted if not ready(host, recipe)]

    if late := wait.while_any(waiting, READY_SECONDS, pause=1):
        raise StepError(
            f"{host.name}: the schema tools of {', '.join(late)} do not get ready; see "
            f"`journalctl -u 'migrate-warm-*'`"
        )


def socket(recipe: Recipe) -> str:
    return f"/run/{unit(recipe)}/socket"


def started(context: Context) -> bool:
    """Whether every project's tools wait."""
    return all(ready(context.target.tools, recipe) for recipe in concerned(context))


def ready(host: Host, recipe: Recipe) -> bool:
    """Whether the tools of *recipe* answer."""
    told = ask(host, recipe, [{}])
    return told is not None and len(told) == 1


def stop(context: Context, *options: str) -> None:
    """Stop them all and leave nothing; *options* are systemctl's."""
    units = [f"{unit(recipe)}.service" for recipe in concerned(context)]
    script = 'rm -rf -- "$1"; shift; systemctl stop "$@" 2>/dev/null || true'
    context.target.tools.shell(script, FOLDER, *options, *units)


def ask(
    host: Host, recipe: Recipe, lines: list[dict[str, Any]], timeout: float = 60
) -> list[dict[str, Any]] | None:
    """The answers to *lines*, up to the first whose status is not in the line's `go_on`.

    None where nobody waits: nothing was done then, and the cold way is open. Raises StepError when
    the tools died over a command.
    """
    answers: list[dict[str, Any]] | None = onhost.call(
        host, "warm.ask", socket(recipe), lines, timeout=timeout
    )
    if answers is None:
        return None
    asked = lines[len(answers) - 1] if answers else {"go_on": [0]}
    ended_well = answers and answers[-1].get("status", 0) in asked.get("go_on", [0])
    if not answers or (len(answers) < len(lines) and ended_well):
        raise StepError(f"{host.name}: {unit(recipe)} died over a command; see its journal")
    return answers
