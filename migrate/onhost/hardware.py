"""By what this machine is told from another, whatever system is on it."""

import glob
import os
import re

BOARD = (
    "/sys/class/dmi/id/product_uuid",
    "/sys/class/dmi/id/product_serial",
    "/sys/firmware/devicetree/base/serial-number",
)
LINKS = "/sys/class/net"
ETHERNET = "1"
# what makers leave in: zeros, ones, or words that ask for another
NOBODYS = re.compile(r"[0fF\s.:x-]*|.*(?i:o\.?e\.?m|default|not |none|serial|0123456789).*")


def identity() -> list[str]:
    """["product_uuid 6f1c..."]: marks of its board; of one without any, addresses of its cards."""
    found = [(os.path.basename(path), _text(path)) for path in BOARD]
    return [f"{name} {mark}" for name, mark in found if not NOBODYS.fullmatch(mark)] or _cards()


def _cards() -> list[str]:
    """Those of hardware, where there are any: others are made by what runs here."""
    links = [one for one in sorted(glob.glob(f"{LINKS}/*")) if _text(f"{one}/type") == ETHERNET]
    own = [one for one in links if os.path.exists(f"{one}/device")] or links
    found = {_text(f"{one}/bonding_slave/perm_hwaddr") or _text(f"{one}/address") for one in own}
    return [f"address {one}" for one in sorted(found) if not NOBODYS.fullmatch(one)]


def _text(path: str) -> str:
    """ "" where it is not there, or not for us: a container's root sees no board."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().strip("\0 \n").lower()
    except OSError:
        return ""
