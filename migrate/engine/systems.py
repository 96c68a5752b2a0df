"""Which system a host has: the one of which something is kept, or one that was made anew since.

A mark is left on it when something of it is first kept; a fresh system has no such mark, and
another boot. Who keeps more of the same system takes the mark that is there.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from migrate.cloud.host import Host
from migrate.onhost import call


def token(host: Host) -> str:
    """The mark of its system, or one for `mark` to leave there."""
    return str(call(host, "kept.system")["token"]) or secrets.token_hex(16)


def mark(host: Host, token: str) -> str:
    """Leave *token* on its system; the boot by which it is told from the next, too."""
    call(host, "kept.mark", token)
    return str(call(host, "kept.system")["boot"])


def is_marked(host: Host, note: Mapping[str, Any]) -> bool:
    """Whether it bears the mark of *note*, however often it has booted since."""
    return bool(note.get("token")) and bool(call(host, "kept.system")["token"] == note["token"])


def is_other(host: Host, note: Mapping[str, Any]) -> bool:
    """Whether its system is another one than that of *note*, with its "token" and "boot"."""
    here = call(host, "kept.system")
    return bool(here["boot"] != note["boot"] and here["token"] != note["token"])


def forget(host: Host) -> None:
    """Take the mark away."""
    call(host, "record.forget", "reinstall")
