"""The outputs of a stack, for people and other programs; `migrate` asks the machines instead."""

from __future__ import annotations

from typing import TypedDict

# names as they are exported
PROVIDER = "provider"
RELEASE = "release"
ENVIRONMENT = "environment"
TARGET_CONTROLLERS = "targetControllers"
VIRTUAL_IPS = "virtualIps"


class TargetController(TypedDict):
    """A machine that Pulumi has made ready; `identity` is its machine-id."""

    name: str
    address: str
    identity: str


class Outputs(TypedDict):
    """What `pulumi stack output --json` answers: `{"release": "2026.1", ...}`."""

    provider: str
    release: str
    environment: str  # path of the release's virtual environment
    targetControllers: list[TargetController]
    virtualIps: list[str]
