"""What the program asks the engine for, kept whole: Mocks alone hide dependencies and options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
from google.protobuf import json_format  # type: ignore[import-untyped]
from pulumi.runtime import mocks

PORT = "openstack:networking/port:Port"


class EchoCloud(pulumi.runtime.Mocks):
    """Answers as a provider would: the inputs, and what a cloud or a machine adds."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        computed = {
            "pulumi-python:dynamic/infra:Machine": {"identity": f"identity of {args.name}"},
            "pulumi-python:dynamic/infra:HostKey": {"private": "PRIVATE HALF", "public": "ssh-x"},
        }.get(args.typ, {})
        return f"{args.name}-id", {**args.inputs, **computed}

    def call(self, args: mocks.MockCallArgs) -> Any:
        return {"id": f"the {args.args['name']}"}


class Recorder(mocks.MockMonitor):
    """Every request by type and name."""

    def __init__(self) -> None:
        super().__init__(EchoCloud())
        self.requests: dict[tuple[str, str], Any] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        self.requests[request.type, request.name] = request
        return super().RegisterResource(request)


class Deployment:
    """The requests of one run."""

    def __init__(self, requests: dict[tuple[str, str], Any]) -> None:
        self.requests = requests

    def of(self, kind: str) -> dict[str, Any]:
        """Requests by name, of a dynamic class of ours or of a full type."""
        whole = kind if ":" in kind else f"pulumi-python:dynamic/infra:{kind}"
        return {name: one for (typ, name), one in self.requests.items() if typ == whole}

    def one(self, kind: str) -> Any:
        """The only request of *kind*."""
        (found,) = self.of(kind).values()
        return found

    def needs(self, request: Any) -> set[str]:
        """Names of all that *request* depends on, near and far."""
        by_urn = {f"{typ}::{name}": one for (typ, name), one in self.requests.items()}
        found: set[str] = set()
        todo = list(request.dependencies)
        while todo:
            urn = todo.pop()
            key = next((key for key in by_urn if urn.endswith(key)), None)
            if key and key not in found:
                found.add(key)
                todo += by_urn[key].dependencies
        return {key.rpartition("::")[2] for key in found}


def inputs(request: Any) -> dict[str, Any]:
    """The properties of *request* as plain values."""
    found: dict[str, Any] = json_format.MessageToDict(request.object)
    return found


def deploy(program: Callable[[], object]) -> Deployment:
    """Run *program* to its end."""
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder.mocks, "sidestep", "test", monitor=recorder)
    pulumi.runtime.test(lambda: (program(), None)[1])()
    return Deployment(recorder.requests)
