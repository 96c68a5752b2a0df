"""A command of a release's tools, run as the service's own user."""

import os
import pwd
import subprocess
from typing import Any

OUTPUT_LIMIT = 3000  # bytes of output that are kept, its end


def run(user: str, path: str, argv: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run *argv* as *user* with *path* as PATH: {"status": 0, "output": "..."}, its end."""
    person = pwd.getpwnam(user)

    def become() -> None:
        os.initgroups(person.pw_name, person.pw_gid)
        os.setgid(person.pw_gid)
        os.setuid(person.pw_uid)

    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        preexec_fn=become,  # its argument `user` came with Python 3.9; there is no other thread
        env={"PATH": path, "HOME": person.pw_dir, "LANG": "C.UTF-8", **environment},
        check=False,
    )
    return {
        "status": done.returncode,
        "output": done.stdout[-OUTPUT_LIMIT:].decode(errors="replace"),
    }
