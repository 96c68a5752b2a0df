"""A schema tool that is started, imported and waiting: run on the target by the release's Python.

Nearly all of what such a tool costs is starting Python and importing. This process has done that;
for each command that it is sent it forks, and the child runs the tool's own entry point as if it
had been started afresh: it reads the configuration files then, not before.

    warm.py SOCKET MODULES PROGRAM...      MODULES: imported early, comma-separated
    -> {"folders": {...}} on a connection gives the heads, {"argv": [], "environment": {}} a result
"""

import importlib
import json
import os
import select
import socket
import sys
import sysconfig
import tempfile
import time
import traceback
import warnings
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

COMMON = (
    *("alembic", "alembic.command", "alembic.config", "alembic.script", "pymysql"),
    *("sqlalchemy.dialects.mysql.pymysql", "sqlalchemy.dialects.mysql.reflection"),
)


def main(path: str, modules: str, *programs: str) -> None:
    """Import everything, then serve commands on *path* until killed, or packages change."""
    started, packages = time.monotonic(), installed()
    mains = {name: entry(name) for name in programs}
    absent = [name for name in (*COMMON, *modules.split(",")) if name and not imported(name)]
    hello = {"ready": True, "seconds": time.monotonic() - started, "absent": absent}
    listener = socket.socket(socket.AF_UNIX)
    if os.path.exists(path):
        os.unlink(path)
    listener.bind(path + ".new")
    listener.listen()
    os.rename(path + ".new", path)  # who finds it may connect
    while installed() == packages:  # else what was imported is of before
        if not select.select([listener], [], [], 0.5)[0]:
            continue
        connection, _ = listener.accept()
        try:
            with connection, connection.makefile("rw") as stream:
                for line in stream:
                    asked = json.loads(line)
                    answer = serve(mains, asked) if asked else hello
                    stream.write(json.dumps(answer) + "\n")
                    stream.flush()
        except OSError:
            continue  # who asked is dead; the next one is served


def installed() -> float:
    """When a package was last installed or removed."""
    return Path(sysconfig.get_paths()["purelib"]).stat().st_mtime


def entry(program: str) -> Any:
    """What the console script *program* calls."""
    (found,) = entry_points(group="console_scripts", name=program)
    return found.load()


def imported(name: str) -> bool:
    """Whether *name* could be imported: names change between releases, and only cost time."""
    try:
        importlib.import_module(name)
    except Exception:
        return False
    return True


def serve(mains: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """Fork, do what was asked, give `{"status": 0, "output": "...", "seconds": 0.3}`."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os._exit(act(mains, asked, output.fileno()))
        _, waited = os.waitpid(child, 0)
        output.seek(0)
        said = output.read().decode(errors="replace")
    limit = 200_000 if "folders" in asked else 3000
    return {
        "status": os.waitstatus_to_exitcode(waited),
        "output": said[-limit:],
        "seconds": round(time.monotonic() - started, 3),
    }


def act(mains: dict[str, Any], asked: dict[str, Any], output: int) -> int:
    """In the child: the exit status that the tool would have had."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        if "folders" in asked:
            for folder in asked["folders"]:
                sys.stdout.write(f"@@{json.dumps(heads(folder))}\n")
            sys.stdout.flush()
            return 0
        os.environ.update(asked["environment"])
        sys.argv = asked["argv"]
        try:
            returned = mains[Path(sys.argv[0]).name]()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    except SystemExit as ended:
        returned = ended.code
        if returned is not None and not isinstance(returned, int):
            os.write(2, f"{returned}\n".encode())
            returned = 1
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        returned = 1
    return returned & 0xFF if isinstance(returned, int) else 0


def heads(folder: str) -> dict[str, Any]:
    """Where the installed scripts of *folder* (below site-packages) end; `implied` heads are those
    that another head depends on, which a database need not show.
    """
    alembic = importlib.import_module("alembic.script")  # the release's own
    warnings.simplefilter("ignore")
    versions = Path(sysconfig.get_paths()["purelib"], folder)
    scripts = alembic.ScriptDirectory(
        str(versions.parent), version_locations=[str(versions)], recursive_version_locations=True
    )
    ends = set(scripts.get_heads())
    implied = {name for one in scripts.walk_revisions() for name in one._resolved_dependencies}
    return {"folder": folder, "heads": sorted(ends), "implied": sorted(ends & implied)}


def ask(path: str, lines: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """What who waits at *path* answers to *lines*, line by line; None where nobody waits.

    It ends after an answer whose status is not in the line's `go_on`, or when who waits is dead.
    """
    link = socket.socket(socket.AF_UNIX)
    try:
        link.connect(path)
    except OSError:
        return None
    answers: list[dict[str, Any]] = []
    with link, link.makefile("rw") as stream:
        for asked in lines:
            stream.write(json.dumps(asked) + "\n")
            stream.flush()
            answer = stream.readline()
            if not answer:
                break
            answers.append(json.loads(answer))
            if answers[-1].get("status", 0) not in asked.get("go_on", [0]):
                break
    return answers


if __name__ == "__main__":
    main(*sys.argv[1:])
