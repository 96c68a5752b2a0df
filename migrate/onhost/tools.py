"""A command of a release's tools, run as the service's own user."""

import os
import pwd
import re
import subprocess
import time
from typing import Any

from migrate.onhost import secluded

OUTPUT_LIMIT = 3000  # bytes of output that are kept, its end
WHOLE_LIMIT = 20000  # of what is judged: a statement may be long
UPGRADE = re.compile(rb"Running upgrade \S* ?-> ([0-9A-Za-z_]+)")


def run(
    user: str,
    path: str,
    argv: list[str],
    environment: dict[str, str],
    hidden: list[str] | None = None,
) -> dict[str, Any]:
    """Run *argv* as *user* with *path* as PATH: {"status": 0, "output": "..."}, its end.

    With "seconds" that it took, and "upgrades", [revision, seconds], of those that alembic told.
    Where *hidden* is given it has no network, and these folders are empty for it: call nothing
    else after it.
    """
    person = pwd.getpwnam(user)

    def become() -> None:
        os.initgroups(person.pw_name, person.pw_gid)
        os.setgid(person.pw_gid)
        os.setuid(person.pw_uid)

    if hidden is not None:
        secluded.leave(hidden)
    began = time.monotonic()
    stamps = []
    said = b""
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        # its argument `user` came with Python 3.9; there is no other thread
        preexec_fn=become,  # noqa: PLW1509
        env={"PATH": path, "HOME": person.pw_dir, "LANG": "C.UTF-8", **environment},
    ) as started:
        assert started.stdout is not None
        for line in started.stdout:
            said = (said + line)[-WHOLE_LIMIT:]
            if found := UPGRADE.search(line):
                stamps.append((found[1].decode(), time.monotonic()))
    ended = time.monotonic()
    limit = OUTPUT_LIMIT if hidden is None else WHOLE_LIMIT
    return {
        "status": started.returncode,
        "output": said[-limit:].decode(errors="replace"),
        "seconds": round(ended - began, 2),
        "upgrades": _lasted(stamps, ended),
    }


def _lasted(stamps: list[tuple[str, float]], ended: float) -> list[list[Any]]:
    """Each revision from when it was told to the next one, or the end."""
    following = [at for _, at in stamps[1:]] + [ended]
    return [[one, round(end - at, 2)] for (one, at), end in zip(stamps, following)]
