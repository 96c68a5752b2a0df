"""Which hosts of the stack are the cluster's, by what the stack file says."""

from __future__ import annotations

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error
from migrate.errors import RefusedError, UnreachableError
from migrate.storage.ceph import conf, no_return
from migrate.storage.ceph.monitor import standing

MIXED = "has OSDs and runs servers, and no such host was shown to come over"


def moves(context: Context) -> bool:
    """Whether the cluster's own daemons come over; else it is another's, and only clients do."""
    return bool(context.settings.ceph.monitors)


def keeps(context: Context) -> bool:
    """Whether they take over the old monitors' addresses, too."""
    return moves(context) and context.settings.ceph.addresses == "keep"


def mixed(context: Context) -> list[Finding]:
    """Hosts with OSDs that run servers, too.

    Asked before the old monitors leave: afterwards its OSDs would be the old release's for good.
    """
    if not (names := sorted({*context.settings.ceph.osd_hosts} & context.optional)):
        return []
    remedy = (
        "Move its OSDs to hosts without servers before, or leave ceph.monitors out: then only "
        "clients change"
    )
    return [error(f"{', '.join(names)} {MIXED}", remedy)]


def joining(context: Context) -> tuple[str, ...]:
    """Names of the target's controllers that get a monitor and a manager."""
    return context.settings.ceph.joining(context.settings.target)


def news(context: Context) -> list[Host]:
    """Those controllers; on the way back the dead ones among them, too."""
    return [context.named(one) for one in joining(context)]


def olds(context: Context) -> list[Host]:
    """The hosts of the old monitors."""
    return [context.named(one) for one in context.settings.ceph.monitors]


def gateways(context: Context) -> dict[str, Host]:
    """The host of the old gateway that comes over, by the name of the machine that it comes to."""
    names = context.settings.ceph.gateways
    return {new: context.named(old) for new, old in zip(joining(context), names, strict=False)}


def old(context: Context) -> Host:
    """Who is asked of them: the first whose monitor runs; UnreachableError where none answers."""
    those = olds(context)
    told = hosts.living(those, lambda one: (one, standing(one).name))
    if running := [one for one, name in told if name]:
        return running[0]
    if not told:
        names = [one.name for one in those]
        raise UnreachableError(f"{', '.join(names)} does not answer, with the old monitors", *names)
    return those[0]  # says itself what is wrong with its monitor


def joined(context: Context) -> list[str]:
    """Names of monitors in the map that are none of the old ones; after these left, of all."""
    those = hosts.living(olds(context), standing)
    own = {one.name for one in those}
    now = next((one for one in those if one.name), None) or standing(asks(context))
    return sorted({one.name for one in now.monitors} - own)


def with_osds_only(context: Context) -> list[str]:
    """Names of the hosts with OSDs that run no servers; others do not come over: see `mixed`."""
    names, others = context.settings.ceph.osd_hosts, context.optional
    return [one for one in names if one not in others]


def asks(context: Context) -> Host:
    """Who asks the cluster once it is the new monitors': always the same one."""
    return news(context)[0]


def users(context: Context) -> list[Host]:
    """Every host that has a ceph.conf, by which its daemons and clients find the monitors.

    One that names another cluster (`fsid`) is that one's: our monitors must not stand in its file.
    A dead host of an old monitor that was removed has none: nothing of the cluster's runs there.
    """
    old_hosts = context.settings.ceph.monitors

    def read(host: Host) -> str | None:
        try:
            return host.read(conf.PATH) if host.exists(conf.PATH) else None
        except RefusedError:
            raise
        except UnreachableError:
            if host.name in old_hosts and no_return.removed([], news(context)):
                return None
            raise

    every = [*zip(context.hosts, hosts.gather(context.hosts, read), strict=True)]
    texts = {one.name: text or "" for one, text in every}
    ours = {conf.value(texts.get(one, ""), "fsid") for one in old_hosts} - {""}
    return [
        one
        for one, text in every
        if text is not None and (not ours or conf.value(text, "fsid") in {"", *ours})
    ]
