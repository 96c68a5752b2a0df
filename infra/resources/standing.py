"""`Gate` and `Takeover`: nothing of a cloud that serves is changed, replaced or deleted by Pulumi.

Everything depends on the gate, so a changed stack file is refused before anything is touched. The
takeover depends on everything, so its deletion comes first, and when that raises nothing else goes.
A guard does for one controller what the takeover does for all: its line may vanish from the file.
"""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi import dynamic

from infra import guard
from migrate.errors import PreconditionError


class StandingProvider(dynamic.ResourceProvider):
    """Makes nothing on any machine; it refuses, or lets go."""

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        changed = [name for name in news if olds.get(name) != news[name] and name[:2] != "__"]
        words = guard.refusal(news["stack"]) if changed else None
        if not words:
            return dynamic.CheckResult(news, [])
        back = "put the stack's file and the program back as they were at the cutover"
        if olds:
            told = f"{', '.join(changed)} would change; {back}. {words}"
        else:
            told = (
                f"Pulumi's state does not know it; if the state was lost, put back a copy of it, "
                f"else {back}; or go back by `migrate rollback --execute --stack {news['stack']}`, "
                f"which needs no state. {words}"
            )
        return dynamic.CheckResult(news, [dynamic.CheckFailure(changed[0], told)])

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(changes=any(olds.get(k) != v for k, v in news.items()))

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        guard.insist(props["stack"], "cannot make it again")
        return dynamic.CreateResult(props["stack"], props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        guard.insist(news["stack"], "cannot change it")
        return dynamic.UpdateResult(news)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        guard.insist(props["stack"], "nothing is deleted")


class TakeoverProvider(StandingProvider):
    """Deleting it goes back to the source, as `migrate rollback` does."""

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        if words := guard.refusal(props["stack"]):
            raise PreconditionError(f"nothing is deleted: {words}")
        from migrate.phases import rollback  # noqa: PLC0415  not needed to build

        rollback.go_back(props["stack"])  # refuses beside a run at work, or takes over by name
        guard.forget()


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
