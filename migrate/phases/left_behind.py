"""Hosts that are dead when all else has gone back: whether the target may go all the same.

What stands on such a host is undone there, once it answers: the target is not needed for that,
unless it keeps what was the host's own.
"""

from collections.abc import Collection

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.computes import installers
from migrate.computes.reinstalling import keeping
from migrate.errors import MigrateError, PassedOverError, StepError
from migrate.onhost import call
from migrate.phases.session import Session

TOLD = (
    "{names} is dead: nothing was undone there, and the target goes all the same. Keep it off, or "
    "mask its nova-compute and network agents as soon as it is up, until `migrate rollback "
    "--execute --stack {stack}` has undone what stands there; that needs the stack's file and its "
    "state directory, and nothing of the target"
)
LIVES = (
    "{error}. Nothing is destroyed before: {names} answers the source's controllers, so it lives, "
    "and what runs there is not known: let us in, or switch it off, then the same again"
)
KEEPS = (
    "{error}. Nothing is destroyed before: what is {names}'s own is kept on the target's "
    "controllers, or nobody can say that it is not, in {folder}: copy that away before you take "
    "the host out"
)
BYTES = 100  # of a ping


def tell(session: Session, error: PassedOverError) -> str:
    """What is to be done with the hosts of *error* later, in the journal too.

    StepError where the target must not go: a host that answers somebody lives, and what was the own
    of one that was reinstalled stands nowhere else.
    """
    context = session.context
    dead = [one for one in context.source.computes if one.name in error.hosts]
    carriers = [one for one in context.source.network_hosts if one.name in error.hosts]
    if lives := _answering(context, [*dead, *carriers]):
        raise StepError(LIVES.format(error=error, names=", ".join(lives))) from error
    if kept := _kept(context, dead):
        names, folder = ", ".join(kept), keeping.ALL
        raise StepError(KEEPS.format(error=error, names=names, folder=folder)) from error
    told = TOLD.format(names=", ".join(sorted(error.hosts)), stack=context.stack)
    session.remark("hosts", told)
    return told


def _answering(context: Context, dead: Collection[Host]) -> list[str]:
    """Those that one of the source's controllers reaches; all, where none of these can be asked."""
    ports = [[one.address, context.settings.ssh.port] for one in dead]
    pings = [[one.address, BYTES] for one in dead]

    def ask(asker: Host) -> list[bool]:
        opened = call(asker, "reach.ports", ports)
        packets = call(asker, "reach.packets", pings)
        return [
            port in ("open", "refused") or packet["whole"] is not None
            for port, packet in zip(opened, packets, strict=True)
        ]

    heard = hosts.living(context.source.controllers, ask)
    answers = map(any, zip(*heard, strict=True)) if heard else [True] * len(dead)
    return [one.name for one, answer in zip(dead, answers, strict=True) if answer]


def _kept(context: Context, dead: Collection[Host]) -> list[str]:
    """Those whose own things controllers keep; of controllers that are dead, who may be."""
    try:
        begun = set(keeping.stages(context))
    except MigrateError:
        in_place = installers.IN_PLACE
        begun = {one.name for one in dead if installers.kept(context, one.name) != in_place}
    return [one.name for one in dead if one.name in begun]
