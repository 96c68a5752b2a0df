"""Machines as containers of this host, for the lab: made, then gone on with as any other."""

from __future__ import annotations

import pulumi
from pydantic import Field, ValidationError

from infra.providers import Made
from infra.resources.container import Container
from migrate.cloud.settings import Model, Settings
from migrate.errors import SettingsError


class Bridge(Model):
    """The lab's bridge on this host, and the host's own address on it ("10.77.0.1/24")."""

    name: str = Field(max_length=15)
    address: str


class Described(Model):
    """`sidestep:machine` of a lab stack."""

    home: str  # the lab's state folder, with its key and known hosts
    bridge: Bridge
    binds: dict[str, str] = Field(default={})  # folder of this host: folder inside
    hosts: dict[str, str] = Field(default={})  # what /etc/hosts says: name: address
    warm: bool = True  # packages and the release from a cached layer


class Lab:
    """One container for each controller, on the bridge of the source cloud's lab."""

    def __init__(self, settings: Settings) -> None:
        self._release = settings.target.release
        try:
            self._described = Described.model_validate(settings.machine)
        except ValidationError as error:
            problems = [
                f"sidestep:machine.{'.'.join(map(str, one['loc']))}: {one['msg']}"
                for one in error.errors()
            ]
            raise SettingsError("; ".join(problems)) from error

    def make(self, name: str, address: str, opts: pulumi.ResourceOptions) -> Made:
        described = {
            "name": name,
            "address": address,
            "release": self._release,
            **self._described.model_dump(),
        }
        container = Container(f"{name}-container", described, opts)
        return Made(new=True, gone_with=container)
