"""Where machines come from. Nothing after this folder knows which provider was used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pulumi

from migrate.cloud.settings import Settings


@dataclass(frozen=True, slots=True)
class Made:
    """What a provider hands on: `new` says that it has just been made and may still boot.

    `gone_with` is the resource with which the machine goes; what is inside need not be removed
    one by one then, and a dead machine does not make a destroy hang. None for one that stays.
    """

    new: bool
    gone_with: pulumi.Resource | None
    needs: tuple[pulumi.Resource, ...] = ()  # what else must be there before the first login


class Provider(Protocol):
    """Makes sure that a machine answers at the controller's address."""

    def make(self, name: str, address: str, opts: pulumi.ResourceOptions) -> Made:
        """Declare the machine *name* at *address*; all that it needs is declared with *opts*."""
        ...


def provider_of(settings: Settings, parent: pulumi.Resource, gate: pulumi.Resource) -> Provider:
    """The provider that the stack names; what all its machines share is declared here."""
    if settings.provider == "existing":
        from infra.providers.existing import Existing  # noqa: PLC0415

        return Existing()
    if settings.provider == "lab":
        from infra.providers.lab import Lab  # noqa: PLC0415

        return Lab(settings)
    from infra.providers.openstack import Openstack  # noqa: PLC0415

    return Openstack(settings, parent, gate)
