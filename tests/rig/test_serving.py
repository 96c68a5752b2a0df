"""Going back says that the source serves when it does, and names what does not answer."""

from __future__ import annotations

from typing import Any

import pytest

from migrate.cloud import serving

pytestmark = [pytest.mark.rig, pytest.mark.in_set("gate")]
UNTOUCHED = True


def test_an_api_that_is_silent_is_named(rig: Any) -> None:
    context, source = rig.context, rig.context.source.controllers[0]
    assert serving.unanswered(context) == []
    source.run("systemctl", "stop", "glance-api")
    try:
        assert serving.unanswered(context, 1) == ["image"]
    finally:
        source.run("systemctl", "start", "glance-api")
    assert serving.summary(context) == "the source serves as before"


def test_nobody_can_log_in(rig: Any) -> None:
    context, source = rig.context, rig.context.source.controllers[0]
    source.run("systemctl", "stop", "haproxy")
    try:
        assert serving.unanswered(context, 1) == ["identity"]
    finally:
        source.run("systemctl", "start", "haproxy")
    assert serving.unanswered(context) == []
