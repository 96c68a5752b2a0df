"""Log in to databases as the services do, from where they run."""

import os
import subprocess

CONNECT_SECONDS = 10
SECONDS = 30


def ask(logins: list[dict[str, str]], statement: str) -> list[list[str]]:
    """What each server says to *statement*: the error, "" for none, and the answer."""
    return [_asked(one, statement) for one in logins]


def _asked(login: dict[str, str], statement: str) -> list[str]:
    done = client(login, statement)
    if not done.returncode:
        return ["", done.stdout.strip()]
    return [done.stderr.strip() or f"the client exited {done.returncode}", done.stdout.strip()]


def client(login: dict[str, str], statement: str) -> subprocess.CompletedProcess[str]:
    """MariaDB's client with *statement*; one that hangs counts as one that failed.

    The password goes through a pipe: neither argv nor a file has it.
    """
    reader, writer = os.pipe()
    os.write(writer, options(login).encode())
    os.close(writer)
    argv = ["mariadb", f"--defaults-file=/dev/fd/{reader}", "--batch", "--skip-column-names"]
    try:
        return subprocess.run(
            [*argv, "-e", statement, login["database"]],
            pass_fds=(reader,),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 124, "", f"no answer in {SECONDS} s")
    finally:
        os.close(reader)


def options(login: dict[str, str]) -> str:
    """An option file of MariaDB's client; services do not ask for a name in a certificate."""

    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    names = ("user", "password", "host", *(["socket"] if login.get("socket") else []))
    lines = [f"{name}={quoted(login[name])}" for name in names]
    lines += [f"port={login['port']}", f"connect-timeout={CONNECT_SECONDS}"]
    return "\n".join(["[client]", *lines, "ssl-verify-server-cert=0", ""])
