"""The provider's bridge on the target's controller: an operator makes it before agents come."""

from __future__ import annotations

from pathlib import Path

from tests.lab import settings
from tests.lab.remote import script
from tests.lab.settings import Lab

FILES = Path(settings.__file__).parent / "files/common"
BRIDGE = ("etc/systemd/system/provider-bridge.service", "usr/local/sbin/provider-bridge")


def make(lab: Lab) -> None:
    """As on the lab's other machines; safe to repeat."""
    text = "".join(f"cat >/{name} <<'EOF'\n{(FILES / name).read_text()}EOF\n" for name in BRIDGE)
    script(lab, lab.target, f"{text}systemctl enable -q --now provider-bridge\n")
