"""A manager of the new release stands by, then becomes the active one; and the same way back.

Two steps, of three functions each: is it done, do it, undo it. `old` is the host of an old manager,
`new` the machine on which a monitor of the new release has joined. What the cluster tells of itself
is old for a while after each change, so each waits until it is the active manager's own word.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from migrate.cloud import wait
from migrate.cloud.host import Host
from migrate.errors import CommandError, PreconditionError, StepError
from migrate.onhost import call
from migrate.storage.ceph import no_return, releases, statistics

STANDBY_SECONDS, ACTIVE_SECONDS = 300, 300
PAUSE_SECONDS = 2.0  # until the next has heard that the one before it has failed
# enabled in each cluster of the old releases, and whoever uses one has given it a key
LEFT_OUT = {"restful": "mgr/restful/keys/"}
# a manager from 17 on takes this pool of older ones for its own, by another name
POOL, RENAMED, ITS = "device_health_metrics", ".mgr", "mgr_devicehealth"
CAPS = ("mon", "allow profile mgr", "osd", "allow *", "mds", "allow *")


def stands_by(old: Host, new: Host) -> bool:
    """Whether it is known, standing by or active, and comes back after a boot."""
    return new.name in _known(_map(old)) and bool(call(new, "manager.made", new.name))


def stand_by(old: Host, new: Host) -> None:
    """Make a manager on *new*, and wait until it stands by with every module that is in use."""
    now = _map(old)
    _refuse(now, old, new)
    losing = sorted(LEFT_OUT.keys() & set(now["modules"]))
    ours = call(new, "manager.begin", new.name, losing, RENAMED not in _pools(old))
    for module in ours["modules"]:
        # before the new one starts: the old one starts anew by it, and nobody may take its place
        call(old, "ceph.run", "mgr", "module", "disable", module)
    statistics.wait_until_fresh(old)
    key = call(old, "ceph.run", "auth", "get-or-create", f"mgr.{new.name}", *CAPS)
    call(new, "manager.make", new.name, key, timeout=120)
    wait.until(
        lambda: stands_by(old, new),
        STANDBY_SECONDS,
        f"{new.name}: its manager does not stand by after {STANDBY_SECONDS} s; see "
        f"`journalctl -u ceph-mgr@{new.name}` there",
    )
    if wrong := failing(_map(old), new.name):
        call(new, "manager.quiet", timeout=60)  # never active so, whoever dies
        raise StepError(
            f"{new.name}: modules that this cluster uses fail in its manager: "
            f"{'; '.join(f'{name} ({why})' for name, why in wrong.items())}. Mend that there, or "
            "`ceph mgr module disable` those, then the same again"
        )


def leave(old: Host, new: Host) -> None:
    """Remove it, with its key; an old manager is active before, and all modules are after."""
    hand_back(old, new)
    ours = call(new, "manager.noted")
    call(new, "manager.quiet", timeout=60)
    if ours:
        call(old, "ceph.run", "auth", "rm", f"mgr.{new.name}")
        for module in ours["modules"]:
            call(old, "ceph.run", "mgr", "module", "enable", module)
    wait.until(
        lambda: new.name not in _known(_map(old)),
        STANDBY_SECONDS,
        f"{new.name}: its manager was ended and is still known; see `ceph mgr dump`",
    )
    statistics.wait_until_fresh(old)
    call(new, "manager.withdraw", timeout=60)


def is_active(old: Host, new: Host) -> bool:
    """Whether it is the active one, and the monitors have its word."""
    said = call(old, "ceph.statistics", timeout=180)
    return said["manager"] == new.name and not statistics.why_stale(said)


def activate(old: Host, new: Host) -> None:
    """Let the manager of *new* take over; the old one stands by."""
    if not stands_by(old, new):
        raise PreconditionError(f"{new.name}: its manager does not stand by")
    _change(old, {new.name})
    wait.until(
        lambda: len(_known(_map(old))) > 1,
        STANDBY_SECONDS,
        f"{new.name}: its manager is active, and no other stands by; see `ceph mgr dump`",
    )


def hand_back(old: Host, new: Host, but: Collection[str] = ()) -> None:
    """Let another manager than that of *new* take over, if it is active, and none of *but*."""
    no_return.refuse(old, new)
    now = _map(old)
    if now["active_name"] == new.name:
        others = _known(now) - {new.name, *but}
        if not others:
            raise StepError(
                f"{new.name}: it has the only manager: start an old one (`systemctl start "
                f"ceph-mgr@{old.name}`), then the same again"
            )
        _return_pool(old, new)
        _change(old, others)
    _mend_pool(old, new)


def failing(said: Mapping[str, Any], name: str) -> dict[str, str]:
    """Modules in use that cannot run in the standing-by manager *name*, with its own reasons."""
    (its,) = (one["available_modules"] for one in said["standbys"] if one["name"] == name)
    runs = {one["name"] for one in its if one["can_run"]}
    why = {one["name"]: one["error_string"].strip()[-200:] for one in its}
    always = said["always_on_modules"]
    newest = max(always, key=releases.number, default="")
    wanted = {*said["modules"], *always.get(newest, [])}
    return {one: why.get(one, "") or "it is not there" for one in sorted(wanted - runs)}


def _change(old: Host, wanted: set[str]) -> None:
    """Fail the active manager until it is one of *wanted*, and wait for its word."""

    def other() -> bool:
        now = _map(old)
        active = now["active_name"]
        if active in wanted:
            return not now["available"]
        if active:
            _fail(old, active)
        return True

    wait.until(
        lambda: not other(),
        ACTIVE_SECONDS,
        f"{' or '.join(sorted(wanted))} does not become the active manager; see `ceph mgr dump`",
        pause=PAUSE_SECONDS,
    )
    statistics.wait_until_fresh(old)


def _fail(old: Host, active: str) -> None:
    try:
        call(old, "ceph.run", "mgr", "fail", active)
    except CommandError:
        if _map(old)["active_name"] == active:
            raise


def _return_pool(old: Host, new: Host) -> None:
    """The pool has its old name before an old manager looks for it, and would make another."""
    pools = _pools(old)
    if call(new, "manager.noted").get("pool") and RENAMED in pools and POOL not in pools:
        call(old, "ceph.run", "osd", "pool", "rename", RENAMED, POOL)


def _mend_pool(old: Host, new: Host) -> None:
    """It is the old managers' alone again, also where one took over before it had its name.

    Then there are two, of which nothing is deleted here: `.mgr` has what the new one had written.
    """
    if not call(new, "manager.noted").get("pool") or POOL not in _pools(old):
        return
    sure = "--yes-i-really-mean-it"
    uses = call(old, "ceph.ask", "osd", "pool", "application", "get", POOL)
    if ITS not in uses:
        call(old, "ceph.run", "osd", "pool", "application", "enable", POOL, ITS, sure)
    if "mgr" in uses:
        call(old, "ceph.run", "osd", "pool", "application", "disable", POOL, "mgr", sure)


def _pools(host: Host) -> set[str]:
    return {one["poolname"] for one in call(host, "ceph.ask", "osd", "lspools")}


def _map(host: Host) -> dict[str, Any]:
    said: dict[str, Any] = call(host, "ceph.ask", "mgr", "dump", timeout=120)
    return said


def _known(said: Mapping[str, Any]) -> set[str]:
    return {said["active_name"], *(one["name"] for one in said["standbys"])} - {""}


def _refuse(now: Mapping[str, Any], old: Host, new: Host) -> None:
    """PreconditionError unless a manager of *new* may come; nothing was touched."""
    if lacking := call(new, "manager.lacks"):
        raise PreconditionError(f"{new.name}: {lacking}")
    if call(new, "manager.noted"):
        return
    if new.name in _known(now):
        raise PreconditionError(
            f"{new.name}: the cluster has a manager of that name: give the machine another name"
        )
    keys = call(old, "ceph.ask", "config-key", "ls")
    for module in LEFT_OUT.keys() & set(now["modules"]):
        if any(one.startswith(LEFT_OUT[module]) for one in keys):
            raise PreconditionError(
                f"manager module {module} has keys, so somebody uses it, and it cannot run in the "
                f"new release's manager: let them use another API, then `ceph mgr module disable "
                f"{module}`"
            )
