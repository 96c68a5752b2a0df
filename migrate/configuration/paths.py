"""Files that options name, which are on the source and would be missing on the target."""

import re
from collections.abc import Iterable, Iterator

from migrate.cloud.host import Host
from migrate.cloud.ini import Ini, Line
from migrate.cloud.named_servers import strings
from migrate.configuration.files import File
from migrate.engine.finding import Finding, warning
from migrate.onhost import call

# services make what they need in these by themselves
STATE = ("/var/", "/run/", "/tmp/", "/dev/", "/proc/", "/sys/")  # noqa: S108
ELSEWHERE = {
    *("policy_dirs", "policy_file"),  # migrate.configuration.policy looks after those
    *("rbd_store_ceph_conf", "rbd_ceph_conf"),  # and migrate.storage.rbd after these
}
IN_URL = re.compile(r"[?&]ssl_\w+=(/[^&\s,]+)")


def findings(
    source: Host, target: Host, texts: dict[str, str], coming: Iterable[str]
) -> list[Finding]:
    """*texts* are the source's files; *coming* are paths that the target gets."""
    here = set(coming)
    named = [
        (f"{source.name}:{path}:{line.number}", f"[{line.section}] {line.name}", one)
        for path, text in texts.items()
        for line, one in _paths(text)
        if not any(at == one or at.startswith(f"{one}/") for at in here)
    ]
    return _missing(source, target, named)


def of_settings(source: Host, target: Host, made: Iterable[File]) -> list[Finding]:
    """The same of horizon's settings, which come from Django: *made* are the target's files."""
    named = [
        (f"{source.name}:horizon", option, one)
        for file in made
        for _, option, value in strings(file.text)
        for one in _of_value(value)
    ]
    return _missing(source, target, list(dict.fromkeys(named)))


def _missing(source: Host, target: Host, named: list[tuple[str, str, str]]) -> list[Finding]:
    """Which of *named* (where, what, path) the source has alone."""
    asked = sorted({one for _, _, one in named})
    if not asked:
        return []
    there = set(call(source, "files.existing", asked)) - set(call(target, "files.existing", asked))
    remedy = "Put it there, with the owner and mode that it has here"
    return [
        warning(f"{what} names {one}, which the target does not have", remedy, where)
        for where, what, one in named
        if one in there
    ]


def _paths(text: str) -> Iterator[tuple[Line, str]]:
    for line in Ini.parse(text).options():
        if line.name in ELSEWHERE:
            continue
        parts = [*line.value.replace("\n", ",").split(","), *IN_URL.findall(line.value)]
        yield from ((line, one) for part in parts for one in _of_value(part))


def _of_value(text: str) -> Iterator[str]:
    one = text.strip()
    if one.startswith("/") and " " not in one and not one.startswith(STATE):
        yield one.rstrip("/")
