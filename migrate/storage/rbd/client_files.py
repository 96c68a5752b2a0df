"""Ceph's configuration and the services' keys, carried as they are from host to host.

They go through memory, never to a disk here. A key belongs to its service's group on the target
(0640). Two services with one keyring are refused: only one group can read it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from migrate.cloud import Context, hosts
from migrate.cloud.addresses import counterpart
from migrate.cloud.host import Host
from migrate.configuration import files
from migrate.configuration.files import File
from migrate.engine import markers
from migrate.engine.finding import Finding, error, filled
from migrate.errors import PreconditionError
from migrate.onhost import call
from migrate.services.base import Recipe
from migrate.storage.ceph import members
from migrate.storage.rbd import ceph_conf, clients
from migrate.storage.rbd.client import CONF, Client

NOTE = "ceph"  # under which the target's own files are kept
MODULES = ("rados", "rbd")
PACKAGES = "ceph-common python3-rados python3-rbd"


def wanted(context: Context, index: int) -> list[File]:
    """The files of target controller *index*; PreconditionError where they cannot be known.

    Where a monitor joins, ceph.conf is the monitor's, and stays: one that is wanted no more goes.
    """
    source, target = counterpart(context, index), context.target.controllers[index]
    joins = target.name in members.joining(context)
    made: dict[str, File] = {}
    for recipe, client in clients.every(context, source):
        for file in _of_client(source, recipe, client):
            if joins and file.path == CONF:
                if not target.exists(CONF):
                    continue
                file = replace(file, text=target.read(CONF))  # noqa: PLW2901
            if made.setdefault(file.path, file) != file:
                raise PreconditionError(
                    f"{source.name}: {file.path} is read by two services, and the group of one "
                    "alone may read it on the target; give each a user of Ceph's of its own"
                )
    return list(made.values())


def _of_client(source: Host, recipe: Recipe, client: Client) -> Iterator[File]:
    found = files.read(source, [client.conf], exact=True)
    if client.conf not in found:
        raise PreconditionError(
            f"{source.name}: {recipe.project} names {client.conf}, which is not there; put it "
            "there, or name the one that counts"
        )
    text = found[client.conf]
    # everybody may read it there, so it holds no key of anybody
    named = [f"`key` for {one}" for one in ceph_conf.by_section(text, "key")]
    if ceph_conf.get(text, client.name, "keyfile"):
        named.append(f"`keyfile` for {client.name}")
    if named:
        raise PreconditionError(
            f"{source.name}: {client.conf} sets {named[0]}; put the key into "
            "a keyring, which can be carried for one service alone"
        )
    yield File(client.conf, text, 0o644, "root:root")
    places = ceph_conf.keyrings(text, client.name, client.cluster)
    there = files.read(source, places, exact=True)
    if keyring := next((one for one in places if one in there), ""):
        others = ceph_conf.by_section(there[keyring], "key").keys() - {client.name}
        if others:
            raise PreconditionError(
                f"{source.name}: {keyring} has the key of {', '.join(sorted(others))} too, which "
                f"{recipe.project} is not given; put that of {client.name} into one of its own"
            )
        yield File(keyring, there[keyring], 0o640, f"root:{recipe.user}")
    else:
        raise PreconditionError(
            f"{source.name}: {client.name} has no keyring at {', '.join(places)}; set `keyring` "
            f"in {client.conf}"
        )


def carried(context: Context) -> bool:
    """Whether every target controller has them as the source has them now."""
    return all(
        files.in_place(host, wanted(context, index))
        for index, host in enumerate(context.target.controllers)
    )


def carry(context: Context) -> None:
    """Write them; a target that serves has files of its own (PreconditionError)."""
    markers.refuse_when_live(context)
    for index, host in enumerate(context.target.controllers):
        files.write(host, NOTE, wanted(context, index))


def restore(context: Context) -> None:
    """The target's own files as they were."""
    hosts.gather(context.target.controllers, lambda host: files.restore(host, NOTE))


def findings(context: Context) -> Iterator[Finding]:
    """What keeps the services of the target from the cluster; nothing where none uses RBD."""
    used = [one for host in context.source.controllers for one in clients.every(context, host)]
    if not used:
        return
    if not context.settings.ceph.clients:
        yield error(
            f"{', '.join(dict.fromkeys(recipe.project for recipe, _ in used))} use Ceph's RBD, "
            "and the stack does not say so",
            "Set sidestep:ceph to {clients: true}: the target's controllers are made with a "
            "client of Ceph's, and its files are carried",
        )
    if members.moves(context) and not members.keeps(context):
        yield from hosts.joined(context.source.controllers, partial(_untold, context))
    for index, host in enumerate(context.target.controllers):
        try:
            wanted(context, index)
        except PreconditionError as failure:
            yield error(str(failure), "Mend it and check again")
        yield from filled(_absent(context, host), where=host.name)


def _untold(context: Context, host: Host) -> Iterator[Finding]:
    """Services there that read another file, in which nobody writes new monitors' addresses."""
    every = clients.every(context, host)
    yield from untold(host, {one.conf: recipe.project for recipe, one in every})


def untold(host: Host, projects: Mapping[str, str]) -> Iterator[Finding]:
    """Which of *projects*, by the ceph.conf that it reads, would know no new monitor."""
    others = {path: project for path, project in projects.items() if path != CONF}
    if not others:
        return
    texts = files.read(host, [CONF, *others], exact=True)
    own = ceph_conf.get(texts.get(CONF, ""), "global", "fsid")
    for path, project in others.items():
        its = ceph_conf.get(texts.get(path, ""), "global", "fsid")
        if not (own and its) or own == its:  # else it is of another cluster
            yield error(
                f"{project} reads {path}, and new monitors are written into {CONF} alone",
                f"Let it read {CONF} (a client's options may stand there under its own name), or "
                "say in both which cluster is meant (`fsid`)",
                host.name,
            )


def _absent(context: Context, host: Host) -> Iterator[Finding]:
    """What *host* lacks to be a client."""
    python = context.installation.python
    there = call(host, "packages.folders", list(MODULES), interpreter=[python])
    if missing := [one for one in MODULES if one not in there]:
        yield error(
            f"{python} has no {' and no '.join(missing)}, which services need to reach RBD",
            f"Set sidestep:ceph to {{clients: true}} and run `pulumi up`: it installs {PACKAGES}, "
            "and links the two modules into the release's environment",
        )
