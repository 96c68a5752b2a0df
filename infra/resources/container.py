"""`Container`: a machine of the lab, a systemd of its own on this host's bridge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
from pulumi import dynamic

from infra import nspawn
from infra.controller import Place, accounts, packages, venv
from infra.nspawn import Bridge, layers
from infra.resources.guarded import Guarded, Props

MOVES = ("name", "address", "bridge", "home")


def layers_of(described: dict[str, Any]) -> tuple[Path, ...]:
    """The machine's lower layers; a `warm` one has packages and the release in a cached layer.

    Warmth saves time and decides nothing: the resources inside look at the machine as at any other
    and put right what is not as wanted.
    """
    bare = layers.bare()
    if not described["warm"]:
        return (bare,)
    # the fixed numbers first: a package would make the user nova with the next free one
    users = "\n".join(
        f"groupadd -r -g {number} {name}; useradd -r -u {number} -g {name} -M "
        f"-d /var/lib/{name} -s /usr/sbin/nologin {name}"
        for name, number, _ in accounts.rows()
        if number is not None
    )
    numbered = layers.packaged("numbered", [], bare, finish=users)
    script = venv.script(Place(release=described["release"], address=described["address"]))
    whole = layers.packaged("target", packages.names(), numbered, bare, finish=script)
    return (whole, numbered, bare)


def machine_of(described: dict[str, Any], *, whole: bool = False) -> nspawn.Machine:
    """The machine that the properties describe; *whole* with the layers that making it needs."""
    return nspawn.Machine(
        name=described["name"],
        address=described["address"],
        bridge=Bridge(**described["bridge"]),
        home=Path(described["home"]),
        layers=layers_of(described) if whole else (),
        binds={Path(outside): inside for outside, inside in described["binds"].items()},
        hosts=described["hosts"],
    )


class ContainerProvider(Guarded):
    """Makes, starts again and deletes one container."""

    def what(self, props: Props) -> str:
        return str(props["described"]["name"])

    def diff(self, _id: str, olds: Props, news: Props) -> dynamic.DiffResult:
        old, new = olds["described"], news["described"]
        moved = [name for name in MOVES if old[name] != new[name]]
        changes = bool(moved) or olds["running"] != news["running"]
        return dynamic.DiffResult(
            changes=changes,
            replaces=["described"] if moved else [],
            delete_before_replace=True,  # both would answer at one address
        )

    def make(self, props: Props) -> dynamic.CreateResult:
        described = props["described"]
        machine = machine_of(described, whole=True)
        for folder in machine.binds:
            folder.mkdir(parents=True, exist_ok=True)
        nspawn.bridge.create(machine.bridge)
        nspawn.create(machine)
        nspawn.start(machine)
        return dynamic.CreateResult(described["name"], props)

    def read(self, id_: str, props: Props) -> dynamic.ReadResult:
        machine = machine_of(props["described"])
        if not nspawn.exists(machine):
            return dynamic.ReadResult(None, {})
        outs = {**props, "running": nspawn.is_running(machine)}
        return dynamic.ReadResult(id_, outs, outs)

    def change(self, news: Props) -> Props:
        machine = machine_of(news["described"], whole=True)
        nspawn.bridge.create(machine.bridge)
        nspawn.start(machine)
        return news

    def revive(self, _olds: Props, news: Props) -> bool:
        self.change(news)  # starting it is all that a change is
        return True

    def remove(self, props: Props) -> None:
        nspawn.delete(machine_of(props["described"]))


class Container(dynamic.Resource, module="infra", name="Container"):
    """Properties: `described` (what it is made of) and `running`."""

    def __init__(
        self, name: str, described: dict[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        props = {"stack": pulumi.get_stack(), "described": described, "running": True}
        super().__init__(ContainerProvider(), name, props, opts)
