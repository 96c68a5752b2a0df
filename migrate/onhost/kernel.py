"""Settings of the kernel that are changed for a while, and what they were."""

from __future__ import annotations

from migrate.onhost import record

RECORD = "kernel"
FOLDER = "/proc/sys"


def note(names: list[str]) -> None:
    """Record the values of *names*, e.g. "net.ipv4.ip_nonlocal_bind"; once, before they change."""
    if record.load(RECORD) is None:
        record.save(RECORD, {name: _read(name) for name in names})


def put_back() -> None:
    """Give what was noted its values again."""
    for name, value in (record.load(RECORD) or {}).items():
        with open(_path(name), "w") as stream:
            stream.write(value)
    record.forget(RECORD)


def _read(name: str) -> str:
    with open(_path(name)) as stream:
        return stream.read().strip()


def _path(name: str) -> str:
    return f"{FOLDER}/{name.replace('.', '/')}"
