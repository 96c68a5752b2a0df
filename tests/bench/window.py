"""The window of the manual procedure beside ours, in one run over the same data: how much shorter.

    python -m tests.bench.window [--json] [megabytes]

The rig (tests/lab/rig.py), whose services' databases hold so many megabytes more, 20 by default;
1000 for the record. By hand is as the published guides have it: stop all, dump every database, copy
the dump, import it, sync one schema after the other, start, move the address. Its target was
prepared before, images and configuration too, which no guide does, so that only the window is
measured. Ours is `migrate follow`, then `migrate cutover`. Somebody reads and writes each API all
the time: the window is from the first write that failed or waited to the first that the new release
answered, and a call that fails is counted, reads too. Ours must be 30 times shorter, else this ends
with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from infra.nspawn import ssh_command
from migrate.cloud import Context
from migrate.database import connection, tools
from migrate.database.service_databases import known
from migrate.engine.journal import Journal
from migrate.engine.plan import Phase
from migrate.engine.runner import Runner
from migrate.onhost import call
from migrate.phases.plan import compose
from migrate.services.base import Recipe
from migrate.takeover import start, virtual_ip
from migrate.takeover.proxy import STAGED_KEEPALIVED
from migrate.verify import noticed
from migrate.verify.availability import outside
from migrate.verify.availability.calls import FAILED, WAITED, Call, stretches
from tests.bench import rows
from tests.faults.bench import Bench
from tests.lab.rig import Rig, rig, using

HAND, OURS = "by hand", "ours"
OURS_ALONE = ("database.", "front.", "services.preload")  # no guide has them
USERS = ("bench-writer",)
GOAL = 30.0
QUIET = 3.0  # seconds of calls before and after
DUMP = "/var/tmp/bench.sql"
Figures = dict[str, Any]


@contextmanager
def called(context: Context) -> Iterator[list[Call]]:
    """Calls for as long as the block; the list is filled at its end."""
    made: list[Call] = []
    outside.path(context.home).unlink(missing_ok=True)
    over = threading.Event()
    things = list(outside.streams(context))
    threads = [
        threading.Thread(target=stream, args=(lambda *_: None, over)) for _, _, stream in things
    ]
    for one in threads:
        one.start()
    try:
        time.sleep(QUIET)
        yield made
        time.sleep(QUIET)
    finally:
        over.set()
        for one in threads:
            one.join()
        made += outside.heard(context.home)


def figures(made: list[Call]) -> Figures:
    """The longest that a writer heard no good answer, and what failed."""
    calls = [one for one in made if one.api != noticed.ADDRESS]
    until = max(one.ended for one in calls)
    found = [s for s in stretches(calls, until) if s.how in (FAILED, WAITED)]
    each = {
        kind: max((s.seconds for s in found if s.kind == kind), default=0.0)
        for kind in ("read", "write")
    }
    wrong: dict[str, int] = {}
    for one in calls:
        if one.good is False:
            wrong[one.wrong] = wrong.get(one.wrong, 0) + 1
    return {
        "window": each["write"],
        "reads": each["read"],
        "calls": len(calls),
        "failed": sum(wrong.values()),
        "wrong": wrong,
        "longest": max(one.took for one in calls),
    }


def by_hand(context: Context, journal: Path) -> Figures:
    """The procedure, and what each part of it took; afterwards the source serves as before."""
    plan = compose(context)
    runner = Runner(plan, Journal(journal), context, lambda *_: None)
    ready = [one for one in plan.phase(Phase.FOLLOW) if not one.id.startswith(OURS_ALONE)]
    runner.apply(ready)
    took: Figures = {}
    with called(context) as made:
        for name, act in procedure(context):
            took[name] = timed(act)
    undo(context)
    runner.retreat(ready)
    return {**figures(made), "parts": took}


def procedure(context: Context) -> Iterator[tuple[str, Callable[[], object]]]:
    """Every part in its order."""
    source, target = context.source.holder, context.target.holder
    words = " ".join(map(shlex.quote, rows.names(context)))
    sides = [shlex.join(ssh_command(rig().home, one.address)) for one in (source, target)]
    copy = f"{sides[0]} cat {DUMP} | {sides[1]} 'cat > {DUMP}'"
    dump = (
        f"mariadb-dump --insert-ignore --system=users > {DUMP}; "
        f"mariadb-dump --opt --add-drop-database --routines --events --databases {words} >> {DUMP}"
    )
    units = [unit for one in context.recipes for unit in one.source_control_units]
    yield "stop", lambda: source.run("systemctl", "stop", *units, *USERS, timeout=300)
    yield "dump", lambda: source.shell(dump, timeout=3600)
    yield "copy", lambda: subprocess.run(["bash", "-o", "pipefail", "-c", copy], check=True)
    yield "import", lambda: target.shell(f"mariadb < {DUMP}", timeout=3600)
    for recipe in context.recipes:
        yield f"sync {recipe.project}", partial(sync, context, recipe)
    yield "daemons", lambda: target.run("systemctl", "start", "memcached", "haproxy", timeout=120)
    for recipe in context.recipes:
        yield f"start {recipe.project}", partial(start.start, context, recipe)
    yield "address", lambda: move(context)


def sync(context: Context, recipe: Recipe) -> None:
    """One command after the other, each as an operator types it."""
    for one in tools.calls(recipe, recipe.sync, known(context)):
        answer = tools.cold(context, context.target.tools, recipe, one)
        assert answer["status"] in one.tool.accepted, answer


def move(context: Context) -> None:
    """From the source's holder to the target's."""
    wanted = [str(one.address) for one in context.source.virtual_ips]
    virtual_ip.release(context, wanted)
    call(context.target.holder, "virtual_ip.acquire", STAGED_KEEPALIVED, wanted)


def undo(context: Context) -> None:
    """The source serves, and the target has nothing of it."""
    source, target = context.source.holder, context.target.holder
    wanted = [str(one.address) for one in context.source.virtual_ips]
    call(target, "virtual_ip.leave", STAGED_KEEPALIVED, wanted)
    call(source, "virtual_ip.take_back")
    for recipe in context.recipes:
        start.stop(context, recipe)
    names = [connection.quoted(name) for name in rows.names(context)]
    drop = "".join(f"DROP DATABASE IF EXISTS {name}; " for name in names)
    drop += "".join(f"DROP USER IF EXISTS {name}; " for name in accounts(context))
    target.run("mariadb", stdin=drop, timeout=600)
    target.run("systemctl", "stop", "haproxy", "memcached", timeout=120)
    units = [unit for one in context.recipes for unit in one.source_control_units]
    source.run("systemctl", "start", *units, timeout=300)
    for host in (source, target):
        host.run("rm", "-f", DUMP)


def accounts(context: Context) -> list[str]:
    """Those that the import made, as SQL names them."""
    asked = "SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.global_priv"
    both = []
    for host in (context.source.database, context.target.database):
        with connection.session(host) as link:
            found = connection.rows(
                link, f"{asked} WHERE user NOT IN ('root', 'mysql', 'mariadb.sys')"
            )
            both.append({str(name) for (name,) in found})
    return sorted(both[0] & both[1])


def ours(made: Rig, folder: Path) -> Figures:
    """The product's own commands, by the command line."""
    bench = Bench(made, folder)
    bench.prepare(folder)
    took = {"follow": timed(lambda: bench.well("follow"))}
    with called(made.context) as calls:
        took["cutover"] = timed(lambda: bench.well("cutover"))
    report = json.loads((bench.papers / "report.json").read_text())
    return {
        **figures(calls),
        "parts": {**report["window"]["parts"], **took},
        "by its own report": report["window"]["seconds"],
    }


def timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def told(found: Figures) -> str:
    """Both, and by how much ours is shorter."""
    lines = [
        f"{found['megabytes']:.0f} MB, {found['rows']} rows; {os.cpu_count()} cores, load "
        f"{found['load'][0]:.1f} before and {found['load after'][0]:.1f} after"
    ]
    for name in (HAND, OURS):
        one = found[name]
        parts = ", ".join(f"{part} {took:.1f}" for part, took in one["parts"].items())
        lines += [
            f"  {name}: window {one['window']:.1f} s, reads {one['reads']:.1f} s; {one['failed']} "
            f"of {one['calls']} calls failed, the longest took {one['longest']:.1f} s",
            f"    {one['wrong']}",
            f"    {parts}",
        ]
    ratio = found["ratio"]
    lines.append(f"  ours is {ratio:.1f} times shorter; the goal is {GOAL:.0f}")
    return "\n".join(lines)


def main(megabytes: int, *, as_json: bool) -> None:
    """Both on the same data, in one run."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home, using(Path(home)) as made:
        count, number, size = rows.fill(made.context, megabytes)
        found: Figures = {"megabytes": size / 1e6, "tables": count, "rows": number}
        found["load"] = os.getloadavg()
        found[HAND] = by_hand(made.context, Path(home, "hand"))
        rows.begin_writing(made.context, megabytes)
        found[OURS] = ours(made, Path(home, "ours"))
        found["load after"] = os.getloadavg()
    found["ratio"] = found[HAND]["window"] / max(found[OURS]["window"], 0.001)
    print(json.dumps(found, indent=2) if as_json else told(found))
    if found["ratio"] < GOAL:
        sys.exit(f"the window is not {GOAL:.0f} times shorter")


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("megabytes", nargs="?", type=int, default=20)
    given.add_argument("--json", action="store_true", dest="as_json")
    asked = given.parse_args()
    main(asked.megabytes, as_json=asked.as_json)
