"""Commands on this very host: argv lists, never a shell string; a failure is one clear line."""

from __future__ import annotations

import subprocess

from migrate.errors import CommandError, MigrateError


def run(*argv: str, stdin: str | None = None, timeout: float = 600) -> str:
    """Run *argv* on this host and return its standard output; raise CommandError when it fails."""
    done = attempt(*argv, stdin=stdin, timeout=timeout)
    if done.returncode:
        raise CommandError("this host", argv[0], done.returncode, done.stderr or done.stdout)
    return done.stdout


def succeeds(*argv: str) -> bool:
    """Whether *argv* exits 0."""
    return attempt(*argv).returncode == 0


def attempt(
    *argv: str, stdin: str | None = None, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run *argv* and return what came of it, also when it failed.

    A program that is not on this host is a MigrateError: nothing was tried.
    """
    try:
        return subprocess.run(
            argv,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise MigrateError(
            f"{argv[0]} is not on this host: `make packages` installs what the lab needs"
        ) from error
