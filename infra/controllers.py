"""The target's controllers: machines, and in each of them the same resources."""

from __future__ import annotations

import pulumi

from infra.controller import Place
from infra.controller.venv import digest
from infra.providers import Provider, provider_of
from infra.resources.machine import Machine
from infra.resources.parts import Inside, wanted
from infra.resources.standing import Gate, Guard, Takeover
from migrate.cloud.settings import Settings


class Controller(pulumi.ComponentResource):
    """One machine and what is in it: packages, the release, empty daemons, and their guard."""

    machine: Machine
    guard: Guard

    def __init__(
        self,
        name: str,
        place: Place,
        provider: Provider,
        gate: pulumi.Resource,
        *,
        client: bool = False,
        monitor: bool = False,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("sidestep:infra:Controller", name, None, opts)
        made = provider.make(
            name, place.address, pulumi.ResourceOptions(parent=self, depends_on=[gate])
        )
        basis = [gate, *made.needs, *([made.gone_with] if made.gone_with else [])]
        self.machine = Machine(
            name,
            place.address,
            new=made.new,
            opts=pulumi.ResourceOptions(parent=self, depends_on=basis, deleted_with=made.gone_with),
        )
        parts: dict[type[Inside], Inside] = {}
        for kind, needs in wanted(client=client, monitor=monitor).items():
            parts[kind] = kind(
                name,
                self.machine,
                place,
                pulumi.ResourceOptions(
                    parent=self,
                    depends_on=[self.machine, *(parts[need] for need in needs)],
                    deleted_with=made.gone_with,
                ),
            )
        held: list[pulumi.Resource] = [*basis, self.machine, *parts.values()]
        self.guard = Guard(f"{name}-guard", pulumi.ResourceOptions(parent=self, depends_on=held))
        self.register_outputs({"identity": self.machine.identity})


class Controllers(pulumi.ComponentResource):
    """All controllers of the target, and the takeover that depends on every one of them."""

    ready: pulumi.Output[list[dict[str, str]]]

    def __init__(
        self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sidestep:infra:Controllers", name, None, opts)
        virtual_ips = [str(ip.address) for ip in settings.source.virtual_ips]
        gate = Gate("gate", _decisions(settings), pulumi.ResourceOptions(parent=self))
        provider = provider_of(settings, self, gate)
        made = {
            controller.name: Controller(
                controller.name,
                Place(
                    release=settings.target.release,
                    address=str(controller.address),
                    virtual_ips=tuple(virtual_ips),
                ),
                provider,
                gate,
                client=settings.ceph.clients,
                monitor=controller.name in settings.ceph.joining(settings.target),
                opts=pulumi.ResourceOptions(parent=self),
            )
            for controller in settings.target.controllers
        }
        Takeover(
            "takeover",
            virtual_ips,
            pulumi.ResourceOptions(
                parent=self, depends_on=[gate, *(one.guard for one in made.values())]
            ),
        )
        self.ready = pulumi.Output.all(
            *[
                pulumi.Output.all(
                    name=one.name,
                    address=str(one.address),
                    identity=made[one.name].machine.identity,
                )
                for one in settings.target.controllers
            ]
        )
        self.register_outputs({"ready": self.ready})


def _decisions(settings: Settings) -> dict[str, object]:
    """What must not change under a cloud that serves."""
    target = settings.target
    return {
        "provider": settings.provider,
        "release": target.release,
        "lock": digest(target.release),
        "controllers": [f"{one.name} {one.address}" for one in target.controllers],
        "virtualIps": [str(one.address) for one in settings.source.virtual_ips],
        "machine": settings.machine,
    }
