"""Where a release's installed schema revisions end, started cold: run by the release's Python."""

import os
import sys
from functools import partial
from typing import Any

from migrate.onhost import warm
from migrate.onhost.apart import apart


def read(folders: list[str]) -> list[dict[str, Any]]:
    """`warm.heads` of each of *folders*.

    Each in a process of its own: initial revisions of nova and cinder register the same options.
    Nothing is left on a host that is only asked: neither stevedore's cache nor compiled files.
    """
    os.chdir("/")
    os.environ["XDG_CACHE_HOME"] = "/dev/null"
    sys.dont_write_bytecode = True
    return [apart(partial(warm.heads, folder)) for folder in folders]
