"""What both sides share is held: calls on the target that would destroy what a rollback needs.

Volumes stand on storage of both sides. Until the operator accepts the target, cinder there refuses
what would delete or change them under the source: a policy file of ours, written before cinder has
ever started. `sidestep:sharedStorage: record` lets through whatever can be named afterwards.

Images on RBD are shared as well, and held in glance by the same file; images in files are copies.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

import yaml

from migrate import storage
from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.cloud.ini import Ini
from migrate.configuration import files
from migrate.configuration.files import File
from migrate.engine import markers
from migrate.errors import PreconditionError, StepError
from migrate.onhost import call
from migrate.storage.rbd import clients

NAME = "zz-migrate-hold.yaml"  # the last of its folder: later files win
ACCEPTED = "accepted"
UNSHARED = "# Images of the old cloud are copied: nothing is held (migrate).\n{}\n"
LIFTED = "# Accepted by the operator: nothing is held any more (migrate).\n{}\n"


@dataclass(frozen=True, slots=True)
class BlockedCall:
    """A call that is refused; see policy.yaml."""

    policy: str
    what: str
    noticed: bool = True
    rule: str = "!"


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of a service: *keeps*, by its own policies."""

    project: str
    keeps: str  # "volumes", as a policy.yaml has them
    conf: str  # the file that its API goes by

    @property
    def step(self) -> str:
        """Its step, and the note on the host."""
        return f"{self.project}.hold"


VOLUMES = Held("cinder", "volumes", "cinder.conf")
IMAGES = Held("glance", "images", "glance-api.conf")


def every(*, ceph: bool) -> list[Held]:
    """All that is held; of images where the stack has clients of Ceph's."""
    return [VOLUMES, *([IMAGES] if ceph else [])]


def held(context: Context) -> list[Held]:
    """Those whose services are moved."""
    moved = {recipe.project for recipe in context.recipes}
    return [one for one in every(ceph=context.settings.ceph.clients) if one.project in moved]


@cache
def table(of: Held = VOLUMES) -> tuple[BlockedCall, ...]:
    """Every call of its policy.yaml."""
    place = resources.files(storage).joinpath(of.keeps, "policy.yaml")
    document = yaml.safe_load(place.read_text())
    return tuple(BlockedCall(**row) for row in document[of.keeps])


def refused(mode: str, of: Held = VOLUMES) -> list[BlockedCall]:
    """The calls that are refused in *mode*, "refuse" or "record"."""
    return [one for one in table(of) if mode == "refuse" or not one.noticed]


def rendered(mode: str, of: Held = VOLUMES) -> str:
    """The policy file for *mode*."""
    lines = [
        f"# Written by migrate: the old cloud's {of.keeps} are on the same storage, and going back",
        "# to it is still possible. `migrate accept --execute` lifts this.",
    ]
    lines += [f'"{one.policy}": "{one.rule}"  # {one.what}' for one in refused(mode, of)]
    return "\n".join(lines) + "\n"


def _wanted(context: Context, of: Held) -> list[BlockedCall]:
    """What is refused of it now: no image where none is shared."""
    if of is IMAGES and not _images_are_shared(context):
        return []
    return refused(context.settings.shared_storage, of)


def _text(context: Context, of: Held) -> str:
    if not _wanted(context, of):
        return UNSHARED
    return rendered(context.settings.shared_storage, of)


def _images_are_shared(context: Context) -> bool:
    """Whether glance keeps any on RBD, by those of the source's controllers that answer.

    Where none does, they count as shared: the way back of `accept` needs no source.
    """
    recipe = next(one for one in context.recipes if one.project == IMAGES.project)
    asked = hosts.living(
        context.source.controllers, lambda host: bool(clients.of_service(host, recipe))
    )
    return any(asked) or not asked


def protect(context: Context, of: Held = VOLUMES) -> None:
    """Write the file on every target controller; the release's own code must see it count."""
    text = _text(context, of)

    def act(host: Host) -> None:
        files.write(host, of.step, [_file(host, text, of)])
        if wrong := without_effect(context, host, of):
            raise StepError(f"{host.name}: not all is held: {'; '.join(wrong)}")

    hosts.gather(context.target.controllers, act)


def protected(context: Context, of: Held = VOLUMES) -> bool:
    """Whether the file is in place everywhere; once the operator has accepted, nothing is held."""
    if accepted_at(context) > 0:
        return True
    text = _text(context, of)
    return all(files.in_place(host, [_file(host, text, of)]) for host in context.target.controllers)


def lets_go_of_ours(context: Context) -> bool:
    """Whether a volume that was made by this program can be deleted on the target."""
    return VOLUMES not in held(context) or protected(context)


def unprotect(context: Context, of: Held = VOLUMES) -> None:
    """Nothing of it left."""
    hosts.gather(context.target.controllers, lambda host: files.restore(host, of.step))


def without_effect(context: Context, host: Host, of: Held = VOLUMES) -> list[str]:
    """Blocked calls that the service on *host* lets through, or does not know, by its own code."""
    wanted = {one.policy: one.rule for one in _wanted(context, of)}
    if not wanted:
        return []
    python = context.installation.python
    told = call(host, f"policy.{of.keeps}", [*wanted], interpreter=[python], timeout=180)
    wrong = []
    for name, (known, rule) in told.items():
        if not known:
            wrong.append(f"{of.project} of {context.target.release} knows no policy {name}")
        elif rule.strip("()") != wanted[name]:  # the code writes them around an "and"
            wrong.append(f"{name} is {rule!r}, set by a file that is read later")
    return wrong


def accept(context: Context) -> None:
    """Note when, then lift: the file stays, empty, or cinder would not read its folder again."""
    if not markers.live(context):
        raise PreconditionError("the target does not serve yet: there is nothing to accept")
    note = {"at": time.time(), "stack": context.stack}
    for host in context.target.controllers:
        if not _noted(host):
            call(host, "record.save", ACCEPTED, note)
    for host in context.target.controllers:
        for of in held(context):
            files.write(host, of.step, [_file(host, LIFTED, of)])


def accepted(context: Context) -> bool:
    """Whether every target controller has noted it and holds nothing."""
    return all(
        bool(_noted(host))
        and all(files.in_place(host, [_file(host, LIFTED, of)]) for of in held(context))
        for host in context.target.controllers
    )


def accepted_at(context: Context) -> float:
    """When the first target controller noted it, in seconds since 1970; 0.0 before."""
    noted = map(_noted, context.target.controllers)
    return float(min((one["at"] for one in noted if one), default=0.0))


def hold_again(context: Context) -> None:
    """As before `accept`: held, and not noted."""
    texts = {of: _text(context, of) for of in held(context)}

    def act(host: Host) -> None:
        if _noted(host):
            for of, text in texts.items():
                files.write(host, of.step, [_file(host, text, of)])
            call(host, "record.forget", ACCEPTED)

    hosts.gather(context.target.controllers, act)


def _noted(host: Host) -> dict[str, Any] | None:
    found: dict[str, Any] | None = call(host, "record.load", ACCEPTED)
    return found


def _file(host: Host, text: str, of: Held) -> File:
    return File(f"{folder(host, of)}/{NAME}", text, 0o640, f"root:{of.project}")


def folder(host: Host, of: Held = VOLUMES) -> str:
    """The last folder of policies that the service on *host* reads: what stands there counts."""
    conf = f"/etc/{of.project}/{of.conf}"
    found = files.read(host, [conf, f"{conf}.d/*.conf"])
    return str(PurePosixPath(f"/etc/{of.project}", last_folder(found.values())))


def last_folder(texts: Iterable[str]) -> str:
    """The last `[oslo_policy] policy_dirs` of configuration *texts*, as it is written there.

    The option may be repeated; a later file's values take the place of an earlier one's.
    """
    found = "policy.d"
    for text in texts:
        for line in Ini.parse(text).options():
            if (line.section, line.name) == ("oslo_policy", "policy_dirs"):
                found = line.value
    return found
