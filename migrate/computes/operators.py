"""A command of the operator's own, as the stack file names it; what it says is kept."""

import subprocess
from collections.abc import Callable, Sequence

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine import state_directory
from migrate.errors import RefusedError, UnreachableError, one_line


def run(context: Context, asked: Sequence[str], name: str, seconds: float) -> str:
    """What went wrong with the command *asked*, "" where nothing did; its log is *name*.log."""
    log = context.home / f"{name}.log"
    state_directory.keep(log, "")
    try:
        with log.open("a") as written:
            done = subprocess.run(
                asked,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            )
        wrong = f"exited {done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired:
        wrong = f"did not end within {seconds} s"
    except OSError as error:
        wrong = f"cannot be run: {error.strerror}"
    if not wrong:
        return ""
    said = one_line(log.read_text(errors="replace")[-300:])
    return f"{asked[0]} {wrong} ({said or 'silent'}; {log})"


def answers(reach: Callable[[], Host]) -> bool:
    """Whether the host does after it; RefusedError where it lets nobody in: no waiting helps."""
    try:
        reach().run("true", timeout=10)
    except RefusedError:
        raise
    except UnreachableError:
        return False
    return True
