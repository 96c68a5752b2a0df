"""What of a value is an address or a name of the source's controllers."""

import pytest

from migrate.configuration.mapping import Mapping

MAPPING = Mapping(
    {"10.0.0.1": "10.9.0.1", "10.0.0.2": "10.9.0.2"}, {"ctl": "new"}, frozenset({"172.16.0.1"})
)


@pytest.mark.parametrize(
    ("value", "replaced"),
    [
        ("10.0.0.1", "10.9.0.1"),
        ("10.0.0.1:11211,10.0.0.2:11211", "10.9.0.1:11211,10.9.0.2:11211"),
        ("http://10.0.0.1:5000/v3", "http://10.9.0.1:5000/v3"),
        ("rabbit://u:p@10.0.0.1:5672//", "rabbit://u:p@10.9.0.1:5672//"),
        ("10.0.0.10", "10.0.0.10"),
        ("110.0.0.1", "110.0.0.1"),
        ("10.0.0.1.5", "10.0.0.1.5"),
        ("rabbit://u:p@ctl:5672/", "rabbit://u:p@new:5672/"),
        ("http://ctl/", "http://new/"),
        ("http://ctl.example.org/", "http://ctl.example.org/"),
        ("ctl", "ctl"),
        ("/var/lib/ctl:x", "/var/lib/ctl:x"),
    ],
)
def test_replaced(value: str, replaced: str) -> None:
    assert MAPPING.replaced(value) == replaced


def test_addresses_without_counterpart_are_named_once() -> None:
    assert MAPPING.unmapped("172.16.0.1,172.16.0.1:80,172.16.0.11") == ["172.16.0.1"]
    assert MAPPING.unmapped("10.0.0.1") == []


def test_nothing_to_replace() -> None:
    assert Mapping().replaced("10.0.0.1") == "10.0.0.1"
    assert Mapping().unmapped("10.0.0.1") == []
