"""What this host's `ceph` says of its cluster: side by side, and never waited for without end."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

CONNECT_SECONDS, ANSWER_SECONDS = 15, 40
QUESTIONS = {
    "status": ("status",),
    "health": ("health", "detail"),
    "quorum": ("quorum_status",),
    "versions": ("versions",),
    "osds": ("osd", "dump"),
    "tree": ("osd", "tree"),
    "rules": ("osd", "crush", "rule", "dump"),
    "metadata": ("osd", "metadata"),
    "filesystems": ("fs", "ls"),
    "managers": ("mgr", "dump"),
}


def read() -> dict[str, Any]:
    """The answer to each of QUESTIONS; none of them tells a key."""
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda question: ask(*question), QUESTIONS.values())
        return dict(zip(QUESTIONS, answers))


def ask(*question: str) -> Any:
    """What `ceph` answers to *question*, as JSON; RuntimeError where it does not."""
    return json.loads(run("-f", "json", *question))


def run(*argv: str, seconds: float = ANSWER_SECONDS) -> str:
    """The output of `ceph`; RuntimeError says why there is none, a lost quorum too."""
    told = f"ceph {' '.join(argv)}"
    bounded = ("ceph", "--connect-timeout", str(CONNECT_SECONDS), *argv)
    try:
        done = subprocess.run(
            bounded,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except FileNotFoundError:
        raise RuntimeError("there is no `ceph` here: install ceph-common, with its key") from None
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{told} gave no answer in {seconds:g} s") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-300:]
        raise RuntimeError(f"{told} exited {done.returncode}: {said}")
    return done.stdout
