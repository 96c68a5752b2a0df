"""A compute host between two systems, as the way back of the whole takes it: dead, and named.

It shows another ssh key, or none, and knows nothing of what it was; no server runs there.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.computes import installers
from migrate.computes.estimates import Action
from migrate.computes.reinstalling import anew, keeping
from migrate.errors import HostKeyError, MigrateError, UnreachableError

TOLD = (
    "it stands between two systems, made anew and not yet itself again: passed over. `migrate "
    "settle --back --host {name} --execute` before a rollback puts it right; after one bring it up "
    "with the old release yourself, what was its own is kept in {folder} on {keeper}"
)
OFF = (
    "stopped by settle, and its host stands between two systems: `openstack server reboot --hard "
    "{}` once that is itself again, the source takes it for running"
)
WHY = {"why": "stopped"}


class Silent:
    """A `Host` that answers nothing, and says *why*."""

    def __init__(self, host: Host, why: str) -> None:
        self.name, self.address, self.why = host.name, host.address, why

    def _silent(self, *_: Any, **__: Any) -> Any:
        raise UnreachableError(f"{self.name}: {self.why}", self.name)

    run = succeeds = shell = python = read = write = exists = unix_stream = channel = _silent


def passing(context: Context, remark: Callable[[str, str], None] = lambda *_: None) -> Context:
    """*context* with such hosts silent, each told once; one whose old system stands is asked."""
    try:
        between = keeping.gone(context, keeping.BETWEEN)
        silent = {one for one in context.source.computes if one.name in between}
        silent = {one for one in silent if not _stands(context, one)}
    except MigrateError:  # who knows it is dead: another key is all that tells
        ours = [one for one in context.source.computes if _is_ours(context, one)]
        silent = {one for one in ours if _has_another_key(one)}
    return replace(
        context,
        source=replace(
            context.source,
            computes=tuple(
                _silenced(context, one, remark) if one in silent else one
                for one in context.source.computes
            ),
        ),
    )


def _silenced(context: Context, host: Host, remark: Callable[[str, str], None]) -> Host:
    if isinstance(host, Silent):
        return host
    keeps = keeping.keeper(context).name
    with suppress(MigrateError):
        keeps = ", ".join(one.name for one in keeping.holders(context, host))
    why = TOLD.format(name=host.name, folder=keeping.folder(host), keeper=keeps)
    remark("hosts", f"{host.name}: {why}")
    return Silent(host, why)


def left_off(context: Context) -> list[dict[str, str]]:
    """Servers that were stopped for the reinstall of hosts that are silent, as losses name them.

    Only who keeps what was the host's own knows them; nobody starts them before it is itself.
    """
    found = []
    for host in context.source.computes:
        if isinstance(host, Silent):
            with suppress(MigrateError):  # who knows it is dead, and was named
                away = keeping.read(context, host).get("away", {})
                off = [one for one, action in away.items() if action == Action.STOP]
                found += [{**WHY, "id": one, "name": one, "host": host.name} for one in off]
    return [{**one, "what": OFF.format(one["id"])} for one in found]


def _stands(context: Context, host: Host) -> bool:
    try:
        return anew.stands(context, host)
    except MigrateError:
        return False


def _is_ours(context: Context, host: Host) -> bool:
    return installers.chosen(context, host.name) == installers.REINSTALL


def _has_another_key(host: Host) -> bool:
    try:
        host.run("true", timeout=10)
    except HostKeyError:
        return True
    except MigrateError:
        return False
    return False
