"""Servers of an OpenStack cloud: of one for infrastructure, or of the old one, for a rehearsal."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pulumi
import pulumi_openstack
from pydantic import Field, ValidationError

from infra.cloud_init import user_data
from infra.providers import Made, login
from infra.resources.host_key import HostKey
from migrate.cloud.settings import Model, Settings, project_root
from migrate.errors import SettingsError


class Described(Model):
    """`sidestep:machine` of an openstack stack: names as the cloud knows them."""

    cloud: str  # entry of clouds.yaml
    clouds_file: Path | None = None  # None: where openstacksdk looks
    network: str
    subnet: str
    image: str
    flavor: str
    volume_type: str | None = None
    volume_gigabytes: int = Field(default=20, ge=1)
    affinity: Literal["anti-affinity", "soft-anti-affinity"] = "anti-affinity"
    # a rehearsal makes ports for its virtual IPs; where the source has them they are not ours
    own_virtual_ips: bool = False
    admitted: tuple[str, ...] = ("0.0.0.0/0",)  # who may reach the controllers


class Openstack:
    """One server a controller, on a port with its address and the right to answer for the VIPs."""

    def __init__(self, settings: Settings, parent: pulumi.Resource, gate: pulumi.Resource) -> None:
        self._settings, self._described = settings, _described(settings)
        described = self._described
        self._cloud = pulumi_openstack.Provider(
            "cloud",
            **login.arguments(described.cloud, _file(described.clouds_file)),
            opts=pulumi.ResourceOptions(parent=parent),
        )
        asked = pulumi.InvokeOptions(provider=self._cloud)
        self._network = pulumi_openstack.networking.get_network_output(
            name=described.network, opts=asked
        )
        self._subnet = pulumi_openstack.networking.get_subnet_output(
            name=described.subnet, network_id=self._network.id, opts=asked
        )
        self._image = pulumi_openstack.images.get_image_output(
            name=described.image, most_recent=True, opts=asked
        )
        shared = pulumi.ResourceOptions(parent=parent, provider=self._cloud, depends_on=[gate])
        self._admission = self._admit(shared)
        self._apart = pulumi_openstack.compute.ServerGroup(
            "apart", name="sidestep-apart", policies=described.affinity, opts=shared
        )
        if described.own_virtual_ips:
            for number, one in enumerate(settings.source.virtual_ips):
                self._port(f"virtual-ip-{number}", str(one.address), shared, answers_for=())

    def make(self, name: str, address: str, opts: pulumi.ResourceOptions) -> Made:
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(provider=self._cloud))
        # a replaced server would need the port and the volume of the one that it replaces
        once = pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(delete_before_replace=True)
        )
        key = HostKey(f"{name}-host-key", address, _without_provider(opts))
        virtual_ips = tuple(str(ip.address) for ip in self._settings.source.virtual_ips)
        port = self._port(name, address, once, answers_for=virtual_ips)
        volume = pulumi_openstack.blockstorage.Volume(
            f"{name}-database",
            name=f"{name}-database",
            size=self._described.volume_gigabytes,
            volume_type=self._described.volume_type,
            opts=once,
        )
        # Nova rebuilds a server in place when its image changes, which the preview calls an update
        # and which empties the root disk; other user data would replace the server.
        server = pulumi_openstack.compute.Instance(
            name,
            name=name,
            flavor_name=self._described.flavor,
            image_id=self._image.id,
            user_data=self._user_data(name, key, volume),
            config_drive=True,
            networks=[{"port": port.id}],
            scheduler_hints=[{"group": self._apart.id}],
            opts=pulumi.ResourceOptions.merge(
                once, pulumi.ResourceOptions(ignore_changes=["imageId", "userData"])
            ),
        )
        attached = pulumi_openstack.compute.VolumeAttach(
            f"{name}-database", instance_id=server.id, volume_id=volume.id, opts=once
        )
        return Made(new=True, gone_with=server, needs=(attached,))

    def _port(
        self,
        name: str,
        address: str,
        opts: pulumi.ResourceOptions,
        *,
        answers_for: tuple[str, ...],
    ) -> pulumi_openstack.networking.Port:
        return pulumi_openstack.networking.Port(
            name,
            name=name,
            network_id=self._network.id,
            fixed_ips=[{"subnet_id": self._subnet.id, "ip_address": address}],
            allowed_address_pairs=[{"ip_address": one} for one in answers_for],
            security_group_ids=[self._admission.id],
            opts=opts,
        )

    def _admit(self, opts: pulumi.ResourceOptions) -> pulumi_openstack.networking.SecGroup:
        group = pulumi_openstack.networking.SecGroup(
            "controllers", name="sidestep-controllers", description="sidestep", opts=opts
        )
        for number, network in enumerate(self._described.admitted):
            pulumi_openstack.networking.SecGroupRule(
                f"admitted-{number}",
                direction="ingress",
                ethertype="IPv4",
                remote_ip_prefix=network,
                security_group_id=group.id,
                opts=opts,
            )
        return group

    def _user_data(
        self, name: str, key: HostKey, volume: pulumi_openstack.blockstorage.Volume
    ) -> pulumi.Output[str]:
        ssh = self._settings.ssh
        if ssh.key is None:
            raise SettingsError("sidestep:ssh.key: name the key; its .pub half goes to new servers")
        authorised = Path(f"{ssh.key}.pub").read_text().strip()
        made = pulumi.Output.all(key.private, key.public, volume.id).apply(
            lambda known: user_data(
                name=name,
                user=ssh.user,
                authorised=authorised,
                host_key=(known[0], known[1]),
                volume=known[2],
            )
        )
        return pulumi.Output.secret(made)


def _without_provider(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(parent=opts.parent, depends_on=opts.depends_on)


def _file(path: Path | None) -> Path | None:
    return project_root() / path.expanduser() if path else None


def _described(settings: Settings) -> Described:
    try:
        return Described.model_validate(settings.machine)
    except ValidationError as error:
        problems = [
            f"sidestep:machine.{'.'.join(map(str, one['loc']))}: {one['msg']}"
            for one in error.errors()
        ]
        raise SettingsError("; ".join(problems)) from error
