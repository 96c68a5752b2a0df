"""A compute node is found by its service's host, whatever it is called itself."""

from __future__ import annotations

from typing import Any

import pytest

from migrate.cloud.api import ApiError
from migrate.computes import reading

NAMES = {  # hosts of nova-compute, and what their hypervisors are called
    "c1": "c1.example.org",
    "c10": "c10.example.org",
    "c2.example.org": "c2",
    "c3": "metal-7f",
    "c4.example.org": "c4.example.org",
}


class Nova:
    """As nova looks for a pattern, and says that there is no such name."""

    def __init__(self) -> None:
        self.all = 0
        self.rows = [
            {"id": name, "hypervisor_hostname": name, "service": {"host": host}}
            for host, name in NAMES.items()
        ]

    def get(self, _: str, path: str, **asked: str) -> Any:
        wanted = asked["hypervisor_hostname_pattern"]
        found = [one for one in self.rows if wanted in str(one["hypervisor_hostname"])]
        if not found:
            raise ApiError(path, 404, f"No hypervisor matching '{wanted}' could be found")
        return {"hypervisors": found}

    def pages(self, *_: str, **__: str) -> Any:
        self.all += 1
        return self.rows


@pytest.mark.parametrize("host", NAMES)
def test_a_node_by_the_host_of_its_service(host: str) -> None:
    nova: Any = Nova()
    (found,) = reading.nodes(nova, host)
    assert found["hypervisor_hostname"] == NAMES[host]
    assert nova.all == (1 if host == "c3" else 0)  # all are listed only for a foreign name


def test_where_there_is_none_there_is_none() -> None:
    nova: Any = Nova()
    assert reading.nodes(nova, "c9") == []
