"""Files that options name, which are on the source and would be missing on the target."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from migrate.checks.finding import Finding, Severity
from migrate.cloud.ini import Ini, Line
from migrate.configuration.translate import CHECK
from migrate.host import Host

# services make what they need in these by themselves
STATE = ("/var/", "/run/", "/tmp/", "/dev/", "/proc/", "/sys/")  # noqa: S108
ELSEWHERE = {"policy_dirs", "policy_file"}  # migrate.configuration.policy looks after those
IN_URL = re.compile(r"[?&]ssl_\w+=(/[^&\s,]+)")
EXIST = "import os\nresult = [path for path in payload if os.path.exists(path)]"


def findings(
    source: Host, target: Host, texts: dict[str, str], coming: Iterable[str]
) -> list[Finding]:
    """*texts* are the source's files; *coming* are paths that the target gets."""
    named = [(path, line, one) for path, text in texts.items() for line, one in _paths(text)]
    here = set(coming)
    asked = sorted({one for _, _, one in named if not _comes(one, here)})
    if not asked:
        return []
    there = set(source.python(EXIST, asked)) - set(target.python(EXIST, asked))
    return [
        Finding(
            CHECK,
            Severity.WARNING,
            f"[{line.section}] {line.name} names {one}, which the target does not have",
            "Put it there, with the owner and mode that it has here",
            f"{source.name}:{path}:{line.number}",
        )
        for path, line, one in named
        if one in there
    ]


def _paths(text: str) -> Iterator[tuple[Line, str]]:
    for line in Ini.parse(text).options():
        if line.name in ELSEWHERE:
            continue
        parts = [*line.value.replace("\n", ",").split(","), *IN_URL.findall(line.value)]
        for part in parts:
            one = part.strip()
            if one.startswith("/") and " " not in one and not one.startswith(STATE):
                yield line, one.rstrip("/")


def _comes(path: str, coming: set[str]) -> bool:
    return any(one == path or one.startswith(f"{path}/") for one in coming)
