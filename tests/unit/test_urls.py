"""URLs of databases and brokers, as operators write them."""

from __future__ import annotations

import pytest

from migrate.cloud import urls
from migrate.cloud.values import Values
from migrate.configuration.broker import Account, accounts, unmoved


@pytest.mark.parametrize(
    ("written", "password"),
    [("pa$$w0rd", "pa$w0rd"), (r"pa\$w0rd", "pa$w0rd"), ("pa%24w0rd", "pa$w0rd"), ("a$5b", "a$5b")],
)
def test_the_broker_gets_the_password_that_the_service_uses(written: str, password: str) -> None:
    text = f"[DEFAULT]\ntransport_url = rabbit://openstack:{written}@10.0.0.10:5672/\n"
    seen = Values({"nova.conf": text}).get("DEFAULT", "transport_url") or ""
    assert accounts(seen) == {Account("openstack", password, "/")}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("rabbit://o:p@h1:5672,o:p@h2:5672/vhost?ssl=1", ""),
        ("kombu+rabbit://o:p@[fd00::1]:5672//", ""),
        ("none:///", ""),
        ("", ""),
        ("amqp1://o:p@h/", "kind 'amqp1'"),
        ("kafka://h:9092", "kind 'kafka'"),
        ("o:secret@h", "no URL"),
        ("rabbit://o:se,cret@h/", "comma"),
    ],
)
def test_a_broker_that_cannot_be_moved_is_told(url: str, told: str) -> None:
    assert told in unmoved(url)
    assert bool(told) == bool(unmoved(url))
    assert "cret" not in unmoved(url)


def test_every_server_of_a_transport_url_has_its_account_and_address() -> None:
    found = urls.brokers("rabbit://a:1%2C@h1,b:2@[fd00::1]:5671/v%2Fh?heartbeat=5")
    assert [(one.user, one.password, one.host, one.port) for one in found] == [
        ("a", "1,", "h1", 5672),
        ("b", "2", "fd00::1", 5671),
    ]
    assert {one.vhost for one in found} == {"v/h"}
    assert "1," not in repr(found)


@pytest.mark.parametrize("url", ["http://h:$port/v3", "http://[fd00::1/", "https://h:99999/"])
def test_an_api_s_url_that_cannot_be_read_has_no_port(url: str) -> None:
    assert urls.web(url) == ("?", 0, "")
    assert urls.web("https://h/v3") == ("h", 443, "/v3")
