"""A heat stack of things that cost nothing."""

from __future__ import annotations

from typing import Any

from tests.lab.settings import Lab

TEMPLATE = {
    "heat_template_version": "2018-08-31",
    "parameters": {"range": {"type": "string", "default": "192.168.177.0/24"}},
    "resources": {
        "net": {"type": "OS::Neutron::Net"},
        "subnet": {
            "type": "OS::Neutron::Subnet",
            "properties": {"network": {"get_resource": "net"}, "cidr": {"get_param": "range"}},
        },
        "word": {"type": "OS::Heat::RandomString", "properties": {"length": 12}},
        "disk": {"type": "OS::Cinder::Volume", "properties": {"size": 1}},
    },
    "outputs": {"word": {"value": {"get_attr": ["word", "value"]}}},
}


def make(_: Lab, __: Any, demo: Any, ___: Any) -> None:
    """Stack `little`; waits until it is complete."""
    stack = demo.orchestration.create_stack(name="little", template=TEMPLATE, tags="lab,ü")
    demo.orchestration.wait_for_status(stack, "CREATE_COMPLETE", ["CREATE_FAILED"], 0.5, 300)
