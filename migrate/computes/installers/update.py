"""An update: a host that has the target's release comes to the newer pins of its controllers.

The environment of the newer lock is brought beside the one that runs and changes places with it;
units, files and servers stay, units are started again. The way back is the same, in seconds: both
stay until the next update. What was never proven is no version before: where the next update
comes after one that failed, what ran before that runs again first. Where the stack file names a
command, servers leave first and the host is booted by it: `update_and_boot.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from migrate.cloud import Context, login, transfer, wait
from migrate.cloud.host import Host
from migrate.computes import closing, environment, proof, units
from migrate.computes.estimates import Way
from migrate.computes.installers.contract import Act, nothing
from migrate.engine.finding import Finding, error, filled, info, on_each
from migrate.errors import MigrateError, PreconditionError, StepError, some
from migrate.onhost import call

NAME = "update"
SECONDS = 240.0  # as in place
LOCK = "settle.lock"
NOTE = "settle-update"  # of onhost/update.py
SHOWN = 5  # distributions that the plan names

Versions = dict[str, str]


def wanted(context: Context) -> str:
    """The lock of the target's controllers; PreconditionError where they have not one and same.

    One command asks once: hosts of one run come to one lock.
    """
    if known := context.extras.get(LOCK):
        return str(known)
    folder = context.installation.folder
    found = {
        one.name: call(one, "environment.stamp", folder, ".sidestep-lock")
        for one in context.target.controllers
    }
    if len(locks := set(found.values())) != 1 or not all(locks):
        told = ", ".join(f"{name} {lock or 'has none'}" for name, lock in found.items())
        raise PreconditionError(f"the target's controllers are not of one lock ({told})")
    context.extras[LOCK] = lock = str(*locks)
    return lock


def outdated(context: Context) -> list[Finding]:
    """Units of the target's controllers that run since before its environment was updated."""
    names = [one.unit for recipe in context.recipes for one in recipe.units]
    path = f"{context.installation.folder}/.sidestep-lock"

    def look(host: Host) -> list[Finding]:
        if not (found := call(host, "update.outdated", names, path)):
            return []
        told = f"{', '.join(found)} runs since before the environment there was updated"
        return [error(told, f"`systemctl restart {' '.join(found)}` there, and see that it serves")]

    return list(filled(on_each(context.target.controllers, look), check=NAME))


def renewed(context: Context, host: Host) -> bool:
    """Whether all that runs there runs from the controllers' lock."""
    running = units.running(context, host)
    return (
        _stamps(context, host)["runs"] == wanted(context)
        and bool(running)
        and not call(host, "update.behind", list(running), context.installation.folder)
    )


def between(_: Context, __: Host) -> bool:
    """Never: its system stays."""
    return False


def brought(context: Context, host: Host) -> bool:
    """Whether the newer environment stands there, beside what runs or in its place."""
    stamps = _stamps(context, host)
    return wanted(context) in stamps.values() and not unproven(context, host, stamps["runs"])


def unproven(context: Context, host: Host, runs: str) -> str:
    """The lock before *runs*, where *runs* was never proven there and another is wanted; or ""."""
    noted = call(host, "record.load", NOTE)
    if not noted or noted["to"] != runs or wanted(context) == runs:
        return ""
    return str(noted["from"]) if closing.midway(context, host) else ""


def bring(context: Context, host: Host) -> None:
    """Bring it beside what runs; what cannot be is refused before anything is copied.

    It takes the place of what stands beside, which must not be the last that was proven.
    """
    if unproven(context, host, _stamps(context, host)["runs"]):
        restore(context, host)
        if brought(context, host):
            return
    serves, folder = context.target.tools, context.installation.folder
    bytes_ = call(serves, "environment.size", folder)
    wrong = environment.unlike(serves, host)
    if wrong := wrong or call(host, "update.claim", folder, bytes_, timeout=300):
        raise PreconditionError(f"{host.name}: {'; '.join(wrong)}")
    beside = call(host, "environment.beside", folder)
    transfer.pull_tree(context, folder, pulls=host, serves=serves, to=beside)
    programs = environment.programs(context, host)
    if failed := call(host, "environment.finish", beside, programs, timeout=300):
        raise StepError(f"{host.name}: the environment does not work there: {'; '.join(failed)}")


def renew(context: Context, host: Host) -> None:
    """Let it run; StepError where a unit does not come up from it."""
    given = (context.installation.folder, wanted(context), list(units.running(context, host)))
    if wrong := call(host, "update.forward", *given, SECONDS, timeout=1200):
        raise StepError(f"{host.name}: {'; '.join(wrong)}; see its journal there")
    wait.until(
        lambda: renewed(context, host),
        SECONDS,
        f"{host.name}: its units were started and do not run from lock {wanted(context)}",
    )


def restore(context: Context, host: Host) -> None:
    """Let the version before run again, proven; nothing where none was updated."""
    noted = call(host, "record.load", NOTE)
    if not noted:
        return
    folder = context.installation.folder
    if wrong := call(host, "update.back", folder, SECONDS, timeout=1200):
        raise StepError(f"{host.name}: {'; '.join(wrong)}; see its journal there")
    wait.until(
        lambda: not call(host, "update.behind", noted["units"], folder),
        SECONDS,
        f"{host.name}: its units do not run from lock {noted['from']} again",
    )
    proof.wait_until_steady(context, login.api(context), host)
    call(host, "record.forget", NOTE)  # the last: the same again has to know where back is


def findings(context: Context, those: Collection[Host]) -> list[Finding]:
    """From which lock to which hosts come, and what each of *those* has against it."""
    try:
        lock, bytes_ = wanted(context), environment.size(context)
        newer = _distributions(context.target.tools, context.installation.folder)
    except MigrateError as failure:
        return list(filled([error(str(failure), "`pulumi up`, then the same again")], check=NAME))

    def look(host: Host) -> list[Finding]:
        found = list(_strange(context, host, lock, bytes_))
        if not found:
            here = _distributions(host, context.installation.folder)
            found = list(_compared(context, here, newer, _locks(context, host, lock)))
        return list(filled(found, check=NAME, where=host.name))

    return [*outdated(context), *environment.each(those, look)]


def _strange(context: Context, host: Host, lock: str, bytes_: int) -> Iterator[Finding]:
    release = context.target.release
    if not units.renewed(context, host):
        if (down := units.down(context, host)) and _over(context, host):
            names = ", ".join(down)
            start = f"`systemctl start {' '.join(down)}` there; its journal says why it is down"
            yield error(f"{names} is down, and an update is of what runs", start)
            return
        yield error(
            f"not all of it runs {release}, and an update is within a release",
            f"`migrate settle --execute --host {host.name}` brings it over first",
        )
        return
    if lock in _stamps(context, host).values():
        return
    wrong = environment.unlike(context.target.tools, host)
    for one in wrong + call(host, "update.unfit", context.installation.folder, bytes_):
        yield error(one, environment.LEAVE)


def _over(context: Context, host: Host) -> bool:
    """Whether it has come over as a whole, though a unit of it may have gone down since."""
    return bool(call(host, "record.load", NOTE)) or not closing.midway(context, host)


def _locks(context: Context, host: Host, lock: str) -> str:
    """From which to *lock*, and where `--update --back` leads after it."""
    runs = _stamps(context, host)["runs"]
    before = unproven(context, host, runs)
    told = f"from lock {runs} to {lock}, back to {before or runs}"
    return f"{told} ({runs} was never proven there: {before} runs again first)" if before else told


def _compared(context: Context, here: Versions, newer: Versions, locks: str) -> Iterator[Finding]:
    """What changes; a service that would become older is an error."""
    changed = [one for one in {**here, **newer} if here.get(one) != newer.get(one)]
    services = {recipe.project for recipe in context.recipes}
    changed.sort(key=lambda one: (one not in services, one))
    told = [f"{one} {here.get(one, 'none')} to {newer.get(one, 'none')}" for one in changed]
    yield info(f"{locks}: {some(told, SHOWN) or 'the same versions'}", "Nothing")
    if older := [one for one in services if _older(newer.get(one), here.get(one))]:
        yield error(
            f"{', '.join(sorted(older))} of the controllers is older than there",
            "`migrate settle --update --back` puts the version before back, where there is one",
        )


def _older(one: str | None, than: str | None) -> bool:
    return bool(one and than) and _numbers(one or "") < _numbers(than or "")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _distributions(host: Host, folder: str) -> Versions:
    """Every one of them that stands in *folder*, with its version."""
    found = call(host, "release.locked", folder, {})["strange"]
    return dict(one.split("==", 1) for one in found)


def _stamps(context: Context, host: Host) -> Versions:
    found: Versions = call(host, "update.stamps", context.installation.folder)
    return found


WAY = Way.UPDATE
# what was brought stays beside what runs: the next time it need not be copied
AHEAD: tuple[Act, ...] = (
    Act(
        name="bring",
        title="Bring the newer environment to {host}, beside the one that runs",
        done=brought,
        apply=bring,
        revert=nothing,
        seconds=46,
    ),
)
ACTS: tuple[Act, ...] = (
    Act(
        name="exchange",
        title="Let {host} run from the newer environment; its servers run on",
        done=renewed,
        apply=renew,
        revert=restore,
        seconds=20,
    ),
)
