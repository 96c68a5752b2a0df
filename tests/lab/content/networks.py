"""Networks flat and VLAN, a router, security groups, ports, tags, a share."""

from __future__ import annotations

from typing import Any

from tests.lab.settings import Lab


def make(lab: Lab, admin: Any, demo: Any, other: Any) -> None:
    """`lan` is the flat outside network, `inner` a VLAN of project demo behind router `r1`."""
    neutron = admin.network
    lan = neutron.create_network(
        name="lan",
        provider_network_type="flat",
        provider_physical_network="physnet1",
        is_router_external=True,
        is_shared=True,
    )
    neutron.create_subnet(
        name="lan-v4",
        network_id=lan.id,
        ip_version=4,
        cidr=str(lab.network),
        gateway_ip=f"{lab.prefix}.1",
        allocation_pools=[{"start": f"{lab.prefix}.100", "end": f"{lab.prefix}.199"}],
    )
    inner = demo.network.create_network(name="inner", description="VLAN of the project")
    subnet = demo.network.create_subnet(
        name="inner-v4", network_id=inner.id, ip_version=4, cidr=f"{lab.inner}.0/24", host_routes=[]
    )
    router = demo.network.create_router(name="r1", external_gateway_info={"network_id": lan.id})
    demo.network.add_interface_to_router(router, subnet_id=subnet.id)
    demo.network.set_tags(inner, ["Blue", "größe L"])
    neutron.create_rbac_policy(
        object_type="network",
        object_id=inner.id,
        action="access_as_shared",
        target_tenant=other.current_project_id,
    )
    _security(demo)
    demo.network.create_port(
        name="spare",
        network_id=inner.id,
        fixed_ips=[{"subnet_id": subnet.id, "ip_address": f"{lab.inner}.77"}],
        allowed_address_pairs=[{"ip_address": f"{lab.inner}.200"}],
    )
    lone = other.network.create_network(name="six only")
    other.network.create_subnet(
        name="v6", network_id=lone.id, ip_version=6, cidr="fd00:7::/64", is_dhcp_enabled=False
    )
    demo.network.create_ip(floating_network_id=lan.id, description="not in use")


def _security(demo: Any) -> None:
    group = demo.network.create_security_group(name="open", description="ping and TCP from all")
    for protocol, low, high in (("icmp", None, None), ("tcp", 1, 65535)):
        demo.network.create_security_group_rule(
            security_group_id=group.id,
            direction="ingress",
            ether_type="IPv4",
            protocol=protocol,
            port_range_min=low,
            port_range_max=high,
        )
    web = demo.network.create_security_group(name="web servers")
    demo.network.create_security_group_rule(
        security_group_id=web.id,
        direction="ingress",
        ether_type="IPv4",
        protocol="tcp",
        port_range_min=80,
        port_range_max=80,
        remote_group_id=group.id,
    )
