"""What of a value is an address or a name of the source's controllers."""

import pytest

from migrate.cloud.addresses import Mapping

MAPPING = Mapping(
    {"10.0.0.1": "10.9.0.1", "10.0.0.2": "10.9.0.2"},
    {"ctl": "new", "ctl.example.com": "new"},
    frozenset({"172.16.0.1"}),
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
        # a login and a path are no hosts
        ("mysql://10.0.0.1:10.0.0.1@10.0.0.1/nova", "mysql://10.0.0.1:10.0.0.1@10.9.0.1/nova"),
        ("mysql+pymysql://n:a/b 10.0.0.1?,x@ctl/n", "mysql+pymysql://n:a/b 10.0.0.1?,x@new/n"),
        (
            "rabbit://o:10.0.0.1@10.0.0.1,o:10.0.0.2@ctl:1/",
            "rabbit://o:10.0.0.1@10.9.0.1,o:10.0.0.2@new:1/",
        ),
        (
            "mysql://n:x@10.0.0.1/n?ssl_ca=/etc/10.0.0.1.pem",
            "mysql://n:x@10.9.0.1/n?ssl_ca=/etc/10.0.0.1.pem",
        ),
        ("/etc/ssl/10.0.0.1.pem", "/etc/ssl/10.0.0.1.pem"),
        ("10.0.0.1/32", "10.9.0.1/32"),
        (
            "redis://:10.0.0.1@10.0.0.2:6379?sentinel=x",
            "redis://:10.0.0.1@10.9.0.2:6379?sentinel=x",
        ),
        (
            "redis://:10.0.0.1@ctl:1?sentinel=10.0.0.1&sentinel_fallback=10.0.0.2:1"
            "&sentinel_fallback=ctl:2&db=10.0.0.2",
            "redis://:10.0.0.1@new:1?sentinel=10.0.0.1&sentinel_fallback=10.9.0.2:1"
            "&sentinel_fallback=new:2&db=10.0.0.2",
        ),
        ("http://10.0.0.1/a,http://10.0.0.2/b", "http://10.9.0.1/a,http://10.9.0.2/b"),
        # names: with a domain anywhere, alone before a port
        ("ctl:11211, ctl.example.com:11211", "new:11211, new:11211"),
        ("ctl.example.com", "new"),
        ("https://ctl.example.com/v3", "https://new/v3"),
        ("my-ctl.example.com", "my-ctl.example.com"),
        ("ctl.example.com.org", "ctl.example.com.org"),
        ("x.ctl:80", "x.ctl:80"),
        ("ctl:ctl", "ctl:ctl"),
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
