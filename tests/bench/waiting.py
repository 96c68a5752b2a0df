"""What a window is spared by services and schema tools that were started before it and wait.

    python -m tests.bench.waiting FOLDER [only the first so many of each]

FOLDER is a release's environment as `infra/controller/venv.py` makes it (`/opt/openstack/2026.1`);
a copy will do, no service, database or configuration is asked. Every service is started up to its
barrier and every project's schema tools until they are ready, as `follow` does it: what that takes
is what would fall into the window. Beside it stand the lines that each of the two costs here.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from migrate.onhost import source, warm
from migrate.services import RECIPES, units
from migrate.services.base import Recipe
from migrate.services.unit import Unit
from migrate.takeover.preload import MODULES, PROGRAM

ROOT = Path(__file__).parents[2] / "migrate"
PRELOAD = ("takeover/preload.py", "onhost/preload.py", "onhost/start_barrier.py")
WARM = ("database/warm.py", "onhost/warm.py")
SECONDS = 300.0


@contextmanager
def running(commands: list[list[str]], environments: list[dict[str, str]]) -> Iterator[list[Any]]:
    """*commands*, ended with the block."""
    children = [
        subprocess.Popen(
            argv,
            env={**os.environ, "PYTHONWARNINGS": "ignore", **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for argv, environment in zip(commands, environments, strict=True)
    ]
    try:
        yield children
    finally:
        for child in children:
            child.kill()
            child.wait()


def until(ready: list[Path], children: list[Any]) -> float:
    """Seconds until each of *ready* holds something or listens; SystemExit where one cannot."""
    began = time.monotonic()
    for path, child in zip(ready, children, strict=True):
        while not (path.is_socket() or (path.exists() and path.stat().st_size)):
            if child.poll() is not None or time.monotonic() > began + SECONDS:
                raise SystemExit(f"{path.name} does not come: `{shlex.join(child.args)}`")
            time.sleep(0.005)
    return time.monotonic() - began


def spent() -> float:
    """CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def command(folder: Path, unit: Unit) -> list[str]:
    """What *unit* runs, an API without uwsgi: that one only calls the same module."""
    if unit.module:
        name = unit.module.partition(":")[0]
        return [str(folder / "bin/python"), "-c", f"import {name}"]
    program, *arguments = shlex.split(unit.command.format(log=""))
    return [str(folder / "bin/python"), str(folder / "bin" / program), *arguments]


def services(folder: Path, some: list[Unit]) -> tuple[float, float]:
    """Wall and CPU seconds until *some*, started at once, wait at their barriers."""
    before = spent()
    with tempfile.TemporaryDirectory() as home:
        Path(home, "sitecustomize.py").write_text(PROGRAM)
        Path(home, "modules.json").write_text(json.dumps(MODULES))
        environments = [{"PYTHONPATH": home, "MIGRATE_EARLY": one.name} for one in some]
        with running([command(folder, one) for one in some], environments) as children:
            wall = until([Path(home, f"{one.name}.ready") for one in some], children)
    return wall, spent() - before


def tools(folder: Path, some: list[Recipe]) -> tuple[float, float, list[float]]:
    """The same for the schema tools of *some*, and what each takes for its help when it waits."""
    before = spent()
    with tempfile.TemporaryDirectory() as home:
        program = Path(home, "warm.py")  # alone in its folder, as on a host
        program.write_text(source("warm"))
        sockets = [Path(home, one.project) for one in some]
        commands = [
            [
                *(str(folder / "bin/python"), str(program), str(socket)),
                ",".join(recipe.sync_preload),
                *sorted({tool.argv[0] for tool in recipe.sync}),
            ]
            for recipe, socket in zip(some, sockets, strict=True)
        ]
        with running(commands, [{}] * len(some)) as children:
            wall = until(sockets, children)
            answers = [asked(socket, recipe) for recipe, socket in zip(some, sockets, strict=True)]
    return wall, spent() - before, answers


def asked(socket: Path, recipe: Recipe) -> float:
    """Seconds of the waiting tool for its help."""
    line = {"argv": [recipe.sync[0].argv[0], "--help"], "environment": {}}
    (answer,) = warm.ask(str(socket), [line]) or [{"status": "nobody", "output": ""}]
    if answer["status"]:
        raise SystemExit(f"{recipe.project}: {answer['status']}: {answer['output'][-500:]}")
    return float(answer["seconds"])


def lines(*paths: str) -> int:
    return sum(len((ROOT / path).read_text().splitlines()) for path in paths)


def main(folder: Path, first: int) -> None:
    some = [one for one in units() if one.preload is not None][:first]
    projects = [recipe for recipe in RECIPES if recipe.sync][:first]
    services(folder, some), tools(folder, projects)  # the disk's cache and Python's compiled files
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")

    wall, cpu = services(folder, some)
    print(f"{len(some)} services to their barriers, all at once: {wall:.1f} s, {cpu:.1f} s of CPU")
    slowest = 0.0
    for one in some:
        wall, cpu = services(folder, [one])
        slowest = max(slowest, wall)
        print(f"  {one.name:24} alone {wall:.1f} s, {cpu:.1f} s of CPU")
    print(
        f"  however many cores there are, the window would take {slowest:.1f} s longer without the "
        f"{lines(*PRELOAD)} lines of {', '.join(PRELOAD)}"
    )

    wall, cpu, answers = tools(folder, projects)
    print(f"{len(projects)} projects' schema tools, all at once: {wall:.1f} s, {cpu:.1f} s of CPU")
    slowest = 0.0
    for recipe, answer in zip(projects, answers, strict=True):
        wall, cpu, _ = tools(folder, [recipe])
        slowest = max(slowest, wall * len(recipe.sync))
        print(
            f"  {recipe.project:24} alone {wall:.1f} s, {cpu:.1f} s of CPU, for each of its "
            f"{len(recipe.sync)} commands; its help from the one that waits: {answer:.2f} s"
        )
    print(
        f"  however many cores there are, the window would take {slowest:.1f} s longer without the "
        f"{lines(*WARM)} lines of {', '.join(WARM)}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
