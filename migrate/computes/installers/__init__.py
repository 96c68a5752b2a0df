"""The installers there are, and by which one each compute host comes over.

The stack file says it, or the command line for one run; it is kept for each host before the first
of its steps, since the way back is the same installer's.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from migrate.cloud import Context
from migrate.computes.installers.contract import Act, Installer
from migrate.engine import state_directory
from migrate.errors import JournalError, PreconditionError, SettingsError
from migrate.services import packages

__all__ = [
    "Act",
    "Installer",
    "bringing",
    "chosen",
    "forget",
    "keep",
    "learn",
    "named",
    "names",
    "of",
    "updating",
]

GROUP = "sidestep.installers"
IN_PLACE, REINSTALL = "in-place", "reinstall"
SHIPPED = {
    IN_PLACE: "migrate.computes.installers.in_place",
    REINSTALL: "migrate.computes.installers.reinstall",
}
# not to be chosen: it is `reinstall` for a host with OSDs
WITH_OSDS = "migrate.computes.installers.reinstall_with_osds"
# not to be chosen: a host that has come over stays what it is by the one that brought it
UPDATES = {
    False: "migrate.computes.installers.update",
    True: "migrate.computes.installers.update_and_boot",
}
UPDATING = "settle.updating"  # whether this command updates hosts that have come over
LEARNED = "settle.learned"  # what this command knows from machines, and no disk has taken


@cache
def _entries() -> dict[str, EntryPoint]:
    """By name; those that are shipped are nobody else's to replace."""
    others = {entry.name: entry for entry in entry_points(group=GROUP)}
    return others | {name: EntryPoint(name, where, GROUP) for name, where in SHIPPED.items()}


def names() -> list[str]:
    """What `--by` may say."""
    return sorted(_entries())


@cache
def named(name: str) -> Installer:
    """The installer *name*; SettingsError where there is none, or it is no installer."""
    entry = _entries().get(name)
    if entry is None:
        raise SettingsError(f"no installer is called {name!r}; there are: {', '.join(names())}")
    return _loaded(entry)


def _loaded(entry: EntryPoint) -> Installer:
    loaded = packages.load(entry, "installer")
    if not isinstance(loaded, Installer):
        raise SettingsError(f"{entry.value} is no installer; mend or uninstall its package")
    return loaded


def chosen(context: Context, host: str) -> str:
    """The name of that by which *host* comes over: kept, or what the stack file says."""
    return kept(context, host) or context.settings.settle.by


def kept(context: Context, host: str) -> str:
    """The name that this desk keeps for *host*, "" where it has begun nothing there."""
    if known := context.extras.get(LEARNED, {}).get(host):
        return str(known)
    return str(state_directory.recorded(_path(context, host)).get("by", ""))


def of(context: Context, host: str) -> Installer:
    """That installer itself; of a command that updates, the one that does."""
    if context.extras.get(UPDATING):
        return updating(context)
    return bringing(context, host, chosen(context, host))


def bringing(context: Context, host: str, name: str) -> Installer:
    """That by which *host* comes over where *name* was chosen: with its OSDs, if it has any."""
    if name == REINSTALL and host in context.settings.ceph.osd_hosts:
        return _loaded(EntryPoint(name, WITH_OSDS, GROUP))
    return named(name)


def updating(context: Context) -> Installer:
    """By what hosts that have come over are updated: with a boot where the stack file names one."""
    where = UPDATES[bool(context.settings.settle.update.command)]
    return _loaded(EntryPoint("update", where, GROUP))


def keep(context: Context, hosts: Iterable[str], name: str, begun: Iterable[str]) -> None:
    """Let *hosts* come over by the installer *name*; those *begun* by another are refused."""
    known, begun = {host: chosen(context, host) for host in hosts}, set(begun)
    if others := [f"{host} ({by})" for host, by in known.items() if host in begun and by != name]:
        raise PreconditionError(
            f"{', '.join(others)} is in the middle by another installer than {name}: go on by "
            "that, or put it back first (`migrate settle --back --host NAME --execute`)"
        )
    for host in known:
        _keep(context, host, name)


def _keep(context: Context, host: str, name: str) -> None:
    state_directory.record(_path(context, host), {"by": name})
    _unlearn(context, host)


def learn(context: Context, host: str, name: str, *, keep: bool) -> None:
    """Machines say that *host* came over by *name*; only with *keep* later commands know it too.

    Nothing is begun by it, and the way back has to know, also where a disk is full.
    """
    context.extras.setdefault(LEARNED, {})[host] = name
    with suppress(JournalError):
        if keep:
            _keep(context, host, name)


def forget(context: Context, host: str) -> None:
    """*host* is of the old release: it may come over by any."""
    _unlearn(context, host)
    state_directory.forget(_path(context, host))


def strangers(context: Context) -> list[str]:
    """Names of hosts that were begun from here and that the stack file does not name any more."""
    named = (*context.source.computes, *context.source.network_hosts)
    known = {_path(context, host.name) for host in named}
    found = set(context.home.glob("installer-*.json")) - known
    return sorted(path.stem.removeprefix("installer-") for path in found)


def _unlearn(context: Context, host: str) -> None:
    context.extras.get(LEARNED, {}).pop(host, None)


def _path(context: Context, host: str) -> Path:
    return context.home / f"installer-{host}.json"
