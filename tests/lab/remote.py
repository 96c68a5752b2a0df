"""Commands in the lab's machines, by ssh with checked host keys."""

from __future__ import annotations

import subprocess

from infra.nspawn import ssh_command
from migrate.errors import CommandError
from tests.lab.settings import Lab


def ssh(lab: Lab, name: str, *argv: str, stdin: str = "", seconds: float = 600) -> str:
    """Run a command as root on machine *name* and return what it prints."""
    done = subprocess.run(
        [*ssh_command(lab.home, lab.addresses[name]), *argv],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        words = " ".join(argv)[:200]
        raise CommandError(name, words, done.returncode, done.stdout + done.stderr)
    return done.stdout


def script(lab: Lab, name: str, text: str, seconds: float = 600) -> str:
    """Run a bash script as root on machine *name*; it never appears in an argv."""
    save_and_run = "f=$(mktemp) && cat >$f && bash $f </dev/null; s=$?; rm -f $f; exit $s"
    return ssh(lab, name, save_and_run, stdin=text, seconds=seconds)
