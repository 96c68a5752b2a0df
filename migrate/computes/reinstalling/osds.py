"""OSDs of a host that is made anew: acts among those of the reinstall, by the stack's hosts.

What they do is `storage/ceph/osd_host.py`; what is kept of the host, and how far it is, `keeping`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from migrate.cloud import Context, apt
from migrate.cloud.host import Host
from migrate.computes.installers.contract import Act, nothing
from migrate.computes.reinstalling import anew, keeping, own
from migrate.computes.reinstalling.keeping import Stage
from migrate.engine import state_directory
from migrate.engine.plan import Impact
from migrate.errors import IrreversibleError, PreconditionError
from migrate.onhost import call
from migrate.storage.ceph import leaving, members, osd_host

Answer = TypeVar("Answer")

# Debian 13's ceph-osd depends neither on ceph-volume nor on the erasure-code plugins
PACKAGES = ("ceph-osd", "ceph-base", "ceph-volume", "ceph-common", "udev")


def side(context: Context) -> osd_host.Side:
    """Who is asked of the cluster, and what is noted of hosts, beside their reinstall's notes."""
    noted = keeping.notes(context, osd_host.PREFIX, "kept-osds-")
    return osd_host.Side(members.asks(context), noted)


def has_them(context: Context, host: Host) -> bool:
    """Whether the stack file says that OSDs of *host* come over."""
    return host.name in context.settings.ceph.osd_hosts


def named(context: Context) -> frozenset[str]:
    """Hosts whose OSDs may start for good: by the stack file, or by this command."""
    return frozenset(context.settings.ceph.past) | leaving.past(context)


def refuse_unnamed(context: Context, names: Collection[str]) -> None:
    """IrreversibleError where OSDs of hosts of *names* would start for good that nobody named."""
    new, known = side(context), named(context)
    if unnamed := [
        one
        for one in names
        if one in context.settings.ceph.osd_hosts
        and one not in known
        and not osd_host.is_started(context.named(one), new)
    ]:
        raise IrreversibleError(
            f"OSDs of {', '.join(unnamed)} would be started by the new release, after which the "
            "old one can never open them again. Nothing was begun: add "
            f"{' '.join(f'--past {name}' for name in unnamed)} if you mean it"
        )


def stay(context: Context, host: Host) -> None:
    """IrreversibleError once its OSDs were started by the new release."""
    osd_host.stay_old(host, side(context))


def restore(context: Context, host: Host) -> None:
    """Let a host that has OSDs only run its old release again, unless they were started for good.

    They start when the acts are undone.
    """
    stay(context, host)
    now = keeping.stage(context, host)
    if now not in keeping.GONE:
        return
    if not (now == Stage.ANEW and anew.stands(context, host)):
        anew.make_back(context, host)
        own.give_back(context, host, back=True)
    keeping.note(context, host, stage=Stage.RETURNED)


def is_kept(context: Context, host: Host) -> bool:
    """Whether it is known which they are, or was long before."""
    gone = keeping.stage(context, host) in keeping.GONE
    return gone or osd_host.is_kept(host, side(context))


def keep(context: Context, host: Host) -> None:
    """Note them, unless the cluster could not do without them."""
    if not leaving.is_committed(context):
        raise PreconditionError(
            f"{host.name}: the old monitors leave before any OSD comes over: `migrate settle "
            "--ceph --execute`"
        )
    osd_host.keep(host, side(context))


def installed(context: Context, host: Host) -> bool:
    """Whether the packages are there."""
    found = call(anew.reached(context, host), "machine.installed")["packages"]
    return set(PACKAGES) <= set(found)


def install(context: Context, host: Host) -> None:
    """Install them; nothing of them starts."""
    anew.reached(context, host).shell(apt.INSTALL, *PACKAGES, timeout=apt.SECONDS)


def come_home(context: Context, host: Host) -> None:
    """Start them by the new release, if the host is named for that."""
    found = osd_host.come_home(host, side(context), named(context))
    state_directory.record(_path(context, host.name), asdict(found))


def recovered(context: Context, names: Collection[str]) -> dict[str, dict[str, int]]:
    """`{"osd1": {"objects": 4, "bytes": 2097152}}`: what came to hosts that had been away."""
    told = {name: state_directory.recorded(_path(context, name)) for name in names}
    return {name: one for name, one in told.items() if one}


def _path(context: Context, name: str) -> Path:
    return context.home / f"recovered-{name}.json"


def _asking(act: Callable[[Host, osd_host.Side], Answer]) -> Callable[[Context, Host], Answer]:
    return lambda context, host: act(host, side(context))


BEFORE: tuple[Act, ...] = (
    Act(
        name="osds-keep",
        title="Note which OSDs {host} has, where they lie, and their place in the cluster",
        done=is_kept,
        apply=keep,
        revert=_asking(osd_host.forget),
        seconds=5,
    ),
    Act(
        name="osds-rest",
        title="Stop the OSDs of {host}, with noout for it alone",
        done=_asking(osd_host.is_resting),
        apply=_asking(osd_host.rest),
        revert=_asking(osd_host.wake),
        seconds=5,
        impact=Impact.STORAGE_RESTS,
    ),
)
# what is on a system that is made anew goes with it
INSTALL = Act(
    name="osds-packages",
    title="Install Ceph's daemons on {host}, starting nothing",
    done=installed,
    apply=install,
    revert=nothing,
    seconds=31,
)
AFTER: tuple[Act, ...] = (
    Act(
        name="osds-adopt",
        title="Let the fresh system of {host} find its OSDs",
        done=_asking(osd_host.is_adopted),
        apply=_asking(osd_host.adopt),
        revert=nothing,
        seconds=2,
    ),
    Act(
        name="osds-home",
        title="Start the OSDs of {host} by the new release",
        done=_asking(osd_host.is_home),
        apply=come_home,
        revert=_asking(osd_host.stay),
        returns=False,
        seconds=30,
        impact=Impact.STORAGE_RESTS,
    ),
)


def among(acts: Collection[Act]) -> tuple[Act, ...]:
    """*acts* of a reinstall with those of OSDs in their places: they rest as short as can be."""
    found: list[Act] = []
    for act in acts:
        found += [INSTALL] if act.name == "own" else []
        found += BEFORE if act.name == "reinstall" else []
        found.append(act)
        found += AFTER if act.name == "own" else []
    return tuple(found)
