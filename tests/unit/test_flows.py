"""Who passes which packets on while a virtual IP moves."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest

from migrate.onhost import flows

ONE = {"address": "10.0.0.10", "device": "eth0", "own": "10.0.0.12", "peer": "10.0.0.11"}
TWO = {"address": "10.0.1.10", "device": "br-ex.7", "own": "10.0.1.12", "peer": "10.0.1.11"}
LINKS: list[dict[str, Any]] = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}, {"local": "10.0.0.10"}]},
    {"ifname": "eth0", "addr_info": [{"local": "10.0.0.12"}]},
    {"ifname": "eth1", "addr_info": [{"local": "10.0.1.10"}, {"local": "10.0.1.12"}]},
    {"ifname": "eth2", "addr_info": []},
]


def judged(role: str) -> list[str]:
    """What the first way's chain says, in its order."""
    inside = flows.rules(role, [ONE], []).partition("chain to_0 {")[2].partition("}\n    }")[0]
    lines = [line.strip() for line in inside.splitlines() if line.strip()]
    return [line.rpartition(" begun ")[2] for line in lines]


def test_the_new_holder_has_what_began_on_it_and_passes_the_rest_back() -> None:
    last = judged(flows.TAKES)
    assert [line.split()[-1] for line in last[1:3]] == ["accept", "accept"]
    assert "goto pass_0" in last[3]


def test_the_old_holder_passes_on_what_begins_and_has_the_rest() -> None:
    last = judged(flows.GIVES)
    assert [line.split()[-1] for line in last[1:3]] == ["pass_0", "pass_0"]
    assert last[3].startswith("accept")


@pytest.mark.parametrize("role", [flows.GIVES, flows.TAKES])
def test_one_role_takes_the_place_of_the_other_at_once(role: str) -> None:
    text = flows.rules(role, [ONE, TWO], ["10.0.0.13"])
    other = ({flows.GIVES, flows.TAKES} - {role}).pop()
    assert text.index(f"delete table ip {other}") < text.index(f"table ip {role} {{")
    for way in (ONE, TWO):
        assert f'dup to {way["peer"]} device "{way["device"]}"' in text
    assert "ip saddr { 10.0.0.13 } accept" in text


def test_what_is_there_already_is_known() -> None:
    text = flows.rules(flows.TAKES, [ONE], [], ["10.0.0.50 . 4000 . 10.0.0.10 . 8774"])
    assert "elements = { 10.0.0.50 . 4000 . 10.0.0.10 . 8774 }" in text


@pytest.mark.skipif(not shutil.which("nft") or not shutil.which("unshare"), reason="no nft here")
@pytest.mark.parametrize("role", [flows.GIVES, flows.TAKES])
def test_the_packet_filter_understands_it(role: str) -> None:
    text = flows.rules(role, [ONE, TWO], ["10.0.0.13"], ["10.0.0.50 . 4 . 10.0.0.10 . 8774"])
    # names of interfaces are looked up when it is loaded
    text = text.replace('"eth0"', '"lo"').replace('"br-ex.7"', '"lo"')
    argv = ["unshare", "-rn", "nft", "-f", "-"]
    done = subprocess.run(argv, input=text, text=True, capture_output=True, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("no network namespaces here")
    assert done.returncode == 0, done.stderr


def test_where_an_address_is_or_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "ip", lambda *_: LINKS)
    wanted = ["10.0.0.10", "10.0.1.10"]
    found = flows.ends(wanted, {"10.0.0.10": "eth0", "10.0.1.10": "eth0"}, "10.0.0.12")
    assert found == {
        "10.0.0.10": {"device": "eth0", "own": "10.0.0.12"},  # preferred
        "10.0.1.10": {"device": "eth1", "own": "10.0.1.12"},  # carries it
    }
    # an interface without an address of the host's own is none
    assert flows.ends(["10.0.0.10"], {"10.0.0.10": "eth2"}, "10.0.0.12") == {}
