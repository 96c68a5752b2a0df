"""Which units and ports a service has on the source's controller."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class WebServer(NamedTuple):
    """An API under uwsgi, on the machine's own address."""

    service: str
    unit: str
    port: int
    processes: int
    threads: int


WEB_SERVERS = (
    WebServer("keystone", "keystone", 5000, 2, 4),
    WebServer("placement", "placement-api", 8778, 1, 4),
    WebServer("nova", "nova-api", 8774, 2, 1),
    WebServer("nova", "nova-api-metadata", 8775, 1, 1),
    WebServer("neutron", "neutron-api", 9696, 1, 4),
    WebServer("cinder", "cinder-api", 8776, 2, 1),
    WebServer("heat", "heat-api", 8004, 2, 1),
)

# what HAProxy offers on the virtual IP: name, service, port there and on the machine's own address
PROXIED = (
    ("keystone", "keystone", 5000),
    ("glance", "glance", 9292),
    ("placement", "placement", 8778),
    ("nova", "nova", 8774),
    ("metadata", "nova", 8775),
    ("neutron", "neutron", 9696),
    ("cinder", "cinder", 8776),
    ("heat", "heat", 8004),
    ("novnc", "nova", 6080),
    ("horizon", "horizon", 80),
)

APIS = {
    "keystone": "keystone",
    "glance": "glance-api",
    "placement": "placement-api",
    "nova": "nova-api nova-api-metadata",
    "neutron": "neutron-api",
    "cinder": "cinder-api",
    "heat": "heat-api",
    "horizon": "apache2",
}

WORKERS = {
    "nova": "nova-scheduler nova-conductor nova-novncproxy",
    "neutron": "neutron-rpc-server neutron-periodic-workers",
    "cinder": "cinder-scheduler cinder-volume",
    "heat": "heat-engine",
}

AGENTS = "neutron-openvswitch-agent neutron-dhcp-agent neutron-l3-agent neutron-metadata-agent"

SCHEMAS = {"nova": ("nova", "nova_api", "nova_cell0"), "horizon": ()}


def proxied(services: Iterable[str]) -> dict[str, int]:
    """Port on the virtual IP by the name that HAProxy knows it by."""
    wanted = set(services)
    return {name: port for name, service, port in PROXIED if service in wanted}


def of(services: Iterable[str]) -> dict[str, str]:
    """Units to start, by the order in which they may start."""
    wanted = tuple(services)
    return {
        "apis": " ".join(APIS[one] for one in wanted),
        "workers": " ".join(WORKERS[one] for one in wanted if one in WORKERS),
        "agents": AGENTS if "neutron" in wanted else "",
    }


def schemas(services: Iterable[str]) -> dict[str, str]:
    """Database user by schema."""
    return {name: one for one in services for name in SCHEMAS.get(one, (one,))}
