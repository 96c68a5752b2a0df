"""What both sides share is held: calls on the target that would destroy what a rollback needs.

Volumes stand on storage of both sides. Until the operator accepts the target, cinder there refuses
what would delete or change them under the source: a policy file of ours, written before cinder has
ever started. `sidestep:sharedStorage: record` lets through whatever can be named afterwards.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

import yaml

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.cloud.ini import Ini
from migrate.configuration import files
from migrate.configuration.files import File
from migrate.engine import markers
from migrate.errors import PreconditionError, StepError
from migrate.onhost import call

PROJECT = "cinder"
NAME = "zz-migrate-hold.yaml"  # the last of its folder: later files win
STEP = RECORD = f"{PROJECT}.hold"
ACCEPTED = "accepted"
LIFTED = "# Accepted by the operator: nothing is held any more (migrate).\n{}\n"


@dataclass(frozen=True, slots=True)
class BlockedCall:
    """A call that is refused; see policy.yaml."""

    policy: str
    what: str
    noticed: bool = True


@cache
def table() -> tuple[BlockedCall, ...]:
    """Every call of policy.yaml."""
    document = yaml.safe_load(resources.files(__package__).joinpath("policy.yaml").read_text())
    return tuple(BlockedCall(**row) for row in document["volumes"])


def refused(mode: str) -> list[BlockedCall]:
    """The calls that are refused in *mode*, "refuse" or "record"."""
    return [one for one in table() if mode == "refuse" or not one.noticed]


def rendered(mode: str) -> str:
    """The policy file for *mode*."""
    lines = [
        "# Written by migrate: the old cloud's volumes are on the same storage, and going back to",
        "# it is still possible. `migrate accept --execute` lifts this.",
    ]
    lines += [f'"{one.policy}": "!"  # {one.what}' for one in refused(mode)]
    return "\n".join(lines) + "\n"


def protect(context: Context) -> None:
    """Write the file on every target controller; the release's own code must see it count."""
    mode = context.settings.shared_storage

    def act(host: Host) -> None:
        files.write(host, RECORD, [_file(host, rendered(mode))])
        if wrong := without_effect(context, host):
            raise StepError(f"{host.name}: not all is held: {'; '.join(wrong)}")

    hosts.gather(context.target.controllers, act)


def protected(context: Context) -> bool:
    """Whether the file is in place everywhere; once the operator has accepted, nothing is held."""
    text = rendered(context.settings.shared_storage)
    return accepted_at(context) > 0 or all(
        files.in_place(host, [_file(host, text)]) for host in context.target.controllers
    )


def unprotect(context: Context) -> None:
    """Nothing of it left."""
    hosts.gather(context.target.controllers, lambda host: files.restore(host, RECORD))


def without_effect(context: Context, host: Host) -> list[str]:
    """Blocked calls that cinder on *host* lets through, or does not know; asked of its code."""
    names = [one.policy for one in refused(context.settings.shared_storage)]
    python = context.installation.python
    told = call(host, "policy.rules", names, interpreter=[python], timeout=180)
    wrong = []
    for name, (known, rule) in told.items():
        if not known:
            wrong.append(f"cinder of {context.target.release} knows no policy {name}")
        elif rule != "!":
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
        files.write(host, RECORD, [_file(host, LIFTED)])


def accepted(context: Context) -> bool:
    """Whether every target controller has noted it and holds nothing."""
    return all(
        bool(_noted(host)) and files.in_place(host, [_file(host, LIFTED)])
        for host in context.target.controllers
    )


def accepted_at(context: Context) -> float:
    """When the first target controller noted it, in seconds since 1970; 0.0 before."""
    noted = map(_noted, context.target.controllers)
    return float(min((one["at"] for one in noted if one), default=0.0))


def hold_again(context: Context) -> None:
    """As before `accept`: held, and not noted."""
    text = rendered(context.settings.shared_storage)

    def act(host: Host) -> None:
        if _noted(host):
            files.write(host, RECORD, [_file(host, text)])
            call(host, "record.forget", ACCEPTED)

    hosts.gather(context.target.controllers, act)


def _noted(host: Host) -> dict[str, Any] | None:
    found: dict[str, Any] | None = call(host, "record.load", ACCEPTED)
    return found


def _file(host: Host, text: str) -> File:
    return File(f"{folder(host)}/{NAME}", text, 0o640, f"root:{PROJECT}")


def folder(host: Host) -> str:
    """The last folder of policies that cinder on *host* reads: what stands there counts."""
    found = files.read(host, ["/etc/cinder/cinder.conf", "/etc/cinder/cinder.conf.d/*.conf"])
    return str(PurePosixPath("/etc/cinder", last_folder(found.values())))


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
