"""The files that the source's listeners name, at the same place on the target, for as long."""

from typing import Any

from migrate.cloud import Context
from migrate.cloud.hosts import call_each
from migrate.onhost import call
from migrate.takeover import listeners
from migrate.takeover.gate.haproxy import sections


def listed(context: Context, texts: list[str]) -> list[str]:
    """The paths of all files that the target's HAProxy would read, and that those name themselves.

    CommandError where one cannot be read.
    """
    return list(call(context.source.holder, "certificates.listed", *_asked(context, texts)))


def carry(context: Context, texts: list[str]) -> None:
    """Put the source's files in place of whatever is there; that is kept for `give_back`."""
    call_each(context.target.controllers, "certificates.put", _files(context, texts))


def carried(context: Context, texts: list[str]) -> bool:
    """Whether the target has the files as the source has them now."""
    return all(call_each(context.target.controllers, "certificates.same", _files(context, texts)))


def _files(context: Context, texts: list[str]) -> dict[str, Any]:
    return dict(call(context.source.holder, "certificates.read", *_asked(context, texts)))


def _asked(context: Context, texts: list[str]) -> tuple[list[str], dict[str, str]]:
    """The files that the configuration names, and the folders of relative paths in them."""
    found = sections(*texts)
    served = listeners.listeners(found, context.recipes, context.source.virtual_ips)
    paths = [path for _, _, path in listeners.files(found, served)]
    bases = {word: listeners.setting(found, base) for word, base in listeners.FILES.items() if base}
    return list(dict.fromkeys(path for path in paths if path.startswith("/"))), bases
