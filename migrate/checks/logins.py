"""The services can log in to their databases as their configuration tells them to."""

from __future__ import annotations

from migrate.checks.check import Check
from migrate.cloud import Context, urls
from migrate.cloud.host import Host
from migrate.database.places import Place, logins
from migrate.engine.finding import Finding, Severity

NAME = "logins"
# logs in as a service does, from where it runs; the password goes through an inherited pipe
LOG_IN = """
import os, subprocess
def ask(one):
    reader, writer = os.pipe()
    os.write(writer, one["options"].encode())
    os.close(writer)
    try:
        ran = subprocess.run(
            ["mariadb", f"--defaults-file=/dev/fd/{reader}", "--connect-timeout=10",
             "--batch", "--skip-column-names", "-e", one["statement"], one["name"]],
            pass_fds=(reader,), capture_output=True, text=True, timeout=30)
        return [ran.stderr.strip() if ran.returncode else "", ran.stdout.strip()]
    except subprocess.TimeoutExpired:
        return ["no answer in 30 s", ""]
    finally:
        os.close(reader)
result = [ask(one) for one in payload]
"""


def run(context: Context) -> list[Finding]:
    """Services that cannot log in to their database as their configuration tells them to."""
    host = context.source.tools
    found = logins(host, context.recipes)
    return [
        Finding(
            NAME,
            Severity.ERROR,
            f"{place.project} cannot log in to database {place.name} as {place.user}: {answer}",
            "Correct the URL in the service's configuration, or the account",
            host.name,
        )
        for place, (answer, _) in zip(found, ask(host, found, "SELECT 1"), strict=True)
        if answer
    ]


def ask(host: Host, found: list[Place], statement: str) -> list[tuple[str, str]]:
    """What the server of each place says to its service: the error, and the answer."""
    asked = [
        {"name": one.name, "options": options(urls.parse(one.url)), "statement": statement}
        for one in found
    ]
    answers = host.python(LOG_IN, asked, timeout=60 + 30 * len(asked))
    return [(error, answer) for error, answer in answers]


def options(url: urls.Url) -> str:
    """An option file of MariaDB's client that logs in as *url* says."""

    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    lines = ["[client]", f"user={quoted(url.user)}", f"password={quoted(url.password)}"]
    lines += [f"host={quoted(url.host)}", f"port={url.port}"]
    return "\n".join(lines) + "\n"


CHECK = Check(NAME, "logins of the services to their databases", run)
