"""An update with a boot: as `update.py`, on a host that its servers have left.

The operator's command boots it when it has the newer environment. The way back is the version
before; what the command has done beside stays.
"""

from __future__ import annotations

from migrate.cloud import Context, wait
from migrate.cloud.host import Host
from migrate.computes import booting
from migrate.computes.estimates import Way
from migrate.computes.installers import update
from migrate.computes.installers.contract import Act, nothing

AHEAD, between, findings = update.AHEAD, update.between, update.findings


def renewed(context: Context, host: Host) -> bool:
    """Whether all that runs there runs from the controllers' lock, since a boot."""
    return update.renewed(context, host) and booted(context, host)


def booted(context: Context, host: Host) -> bool:
    """Whether it was booted for it."""
    return booting.booted(host, update.wanted(context))


def boot(context: Context, host: Host) -> None:
    """Have it booted, and wait until its units run again, of themselves."""
    booting.boot(context, host, update.wanted(context))
    wait.until(
        lambda: update.renewed(context, host),
        update.SECONDS,
        f"{host.name}: it has booted, and not all of its units run from the newer environment",
    )


def restore(context: Context, host: Host) -> None:
    """Let the version before run again; it need not boot for that."""
    update.restore(context, host)
    booting.forget(host)


WAY = Way.REBOOT
ACTS: tuple[Act, ...] = (
    *update.ACTS,
    Act(
        name="boot",
        title="Have {host} booted by sidestep:settle.update, and ask whether it was",
        done=booted,
        apply=boot,
        revert=nothing,
        seconds=60,
    ),
)
