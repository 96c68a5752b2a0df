"""`Machine`: a Debian machine that answers by ssh and lets us become root, whoever made it."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi import dynamic

from infra import connection
from migrate.cloud import wait
from migrate.cloud.installation import SYSTEM
from migrate.errors import PreconditionError, UnreachableError
from migrate.onhost import call

BOOT_SECONDS = 300


class MachineProvider(dynamic.ResourceProvider):
    """Waits for the machine and recognises it again; makes and deletes nothing."""

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        changed = olds["machine"] != news["machine"] or not olds.get("answers")
        return dynamic.DiffResult(changes=changed)

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        outs = _meet(props, BOOT_SECONDS if props["new"] else 0)
        return dynamic.CreateResult(props["machine"]["name"], outs)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        try:
            found = _meet(props, 0)
        except UnreachableError:
            found = {**props, "answers": False, "identity": ""}
        inputs = {key: props[key] for key in ("stack", "machine", "new")}
        return dynamic.ReadResult(id_, found, {**inputs, "answers": found["answers"]})

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(_meet(news, BOOT_SECONDS if news["new"] else 0))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """A machine that stood before us stays; one of ours goes with its own resource."""


def _meet(props: dict[str, Any], patience: float) -> dict[str, Any]:
    """Connect, for *patience* seconds while it boots, and check what we find."""
    host = connection.host(props)
    found = wait.while_raising(
        UnreachableError, lambda: call(host, "machine.identity"), patience, pause=1
    )
    if not found.pop("root"):
        raise PreconditionError(f"{host.name}: sudo does not make us root: allow it, NOPASSWD")
    if found["system"] != SYSTEM.lower():
        raise PreconditionError(f"{host.name} runs {found['system']}; a controller needs {SYSTEM}")
    return {**props, **found, "answers": True}


class Machine(dynamic.Resource, module="infra", name="Machine"):
    """Properties: `identity` (its machine-id), `system` ("debian 13"), `answers`."""

    identity: pulumi.Output[str]
    system: pulumi.Output[str]
    answers: pulumi.Output[bool]

    def __init__(
        self,
        name: str,
        address: pulumi.Input[str],
        *,
        new: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "stack": pulumi.get_stack(),
            "machine": {"name": name, "address": address},
            "new": new,  # of ours: it may still be booting
            "answers": True,
            "identity": None,
            "system": None,
        }
        super().__init__(MachineProvider(), name, props, opts)
