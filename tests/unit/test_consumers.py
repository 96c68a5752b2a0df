"""What the broker prints of its consumers is read as it is, over several lines too."""

from __future__ import annotations

import base64
import json

from migrate.checks.scope_facts import Consumer, parsed_consumers


def test_lines_and_both_kinds_of_addresses() -> None:
    rows = [["dhcp_agent.a", "/", "10.0.0.5", 40000], ["q", "v h", "::ffff:10.0.0.6", 41000]]
    text = base64.b64encode(json.dumps(rows).encode()).decode()
    printed = f'<<"{text[:30]}"\n  "{text[30:]}">>\n'
    assert parsed_consumers(printed) == [
        Consumer("dhcp_agent.a", "/", "10.0.0.5", 40000),
        Consumer("q", "v h", "10.0.0.6", 41000),
    ]


def test_nobody_is_nobody() -> None:
    assert parsed_consumers(f'<<"{base64.b64encode(b"[]").decode()}">>') == []
