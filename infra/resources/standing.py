"""`Gate` and `Takeover`: nothing of a cloud that serves is changed, replaced or deleted by Pulumi.

Everything depends on the gate, so a changed stack file is refused before anything is touched. The
takeover depends on everything, so its deletion comes first, and when that raises nothing else goes.
A guard does for one controller what the takeover does for all: its line may vanish from the file.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

import pulumi
from pulumi import dynamic

from infra.resources import guarded
from infra.resources.guarded import Guarded, Props
from migrate.errors import PreconditionError


class StandingProvider(Guarded):
    """Makes nothing on any machine; it refuses, or lets go."""

    def what(self, _props: Props) -> str:
        return "anything"

    def decided(self, news: Props) -> Collection[str]:
        return [name for name in news if not name.startswith("__")]

    def diff(self, _id: str, olds: Props, news: Props) -> dynamic.DiffResult:
        return dynamic.DiffResult(changes=any(olds.get(k) != v for k, v in news.items()))

    def make(self, props: Props) -> dynamic.CreateResult:
        return dynamic.CreateResult(props["stack"], props)

    def remove(self, props: Props) -> None:
        """There is nothing to remove."""


class TakeoverProvider(StandingProvider):
    """Deleting it goes back to the source, as `migrate rollback` does."""

    def delete(self, _id: str, props: Props) -> None:
        """The way back refuses beside a run at work by itself, or takes over by name."""
        if words := guarded.serves(props["stack"]):
            raise PreconditionError(f"nothing is deleted: {words}")
        from migrate.phases import rollback  # noqa: PLC0415  not needed to build

        if told := rollback.go_back(props["stack"]):
            sys.stderr.write(f"{told}\n")  # the engine shows it beside what it destroys
        guarded.forget()


class Gate(dynamic.Resource, module="infra", name="Gate"):
    """The stack's decisions; all other resources depend on it."""

    def __init__(
        self, name: str, decisions: dict[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(StandingProvider(), name, {"stack": pulumi.get_stack(), **decisions}, opts)


class Guard(dynamic.Resource, module="infra", name="Guard"):
    """Stands before one controller's resources; depends on all of them."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(StandingProvider(), name, {"stack": pulumi.get_stack()}, opts)


class Takeover(dynamic.Resource, module="infra", name="Takeover"):
    """The virtual IPs' way to the target and back; `migrate cutover` and its deletion walk it."""

    def __init__(
        self, name: str, virtual_ips: list[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        props = {"stack": pulumi.get_stack(), "virtualIps": virtual_ips}
        super().__init__(TakeoverProvider(), name, props, opts)
