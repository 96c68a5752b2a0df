"""What images ask of the hosts of their servers, beside flavors.

Nova tells what a server keeps of its image from 2.98 on, but nothing for a server that boots from a
volume, and never a trait: the one is cinder's to say, the other glance's, while the image is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from migrate.cloud.api import PAGE, Api

# properties that mean what the flavor's spec does; no image asks for resource classes or hw:pmem
SPECS = {
    "hw_cpu_policy": "hw:cpu_policy",
    "hw_numa_nodes": "hw:numa_nodes",
    "hw_mem_page_size": "hw:mem_page_size",
    "hw_mem_encryption": "hw:mem_encryption",
    "hw_tpm_version": "hw:tpm_version",
    "os_secure_boot": "os:secure_boot",
}
PAGES = "hw:mem_page_size"
TRAIT = "trait:"
ROOT = "OS-EXT-SRV-ATTR:root_device_name"
GIB = 2**30

Json = dict[str, Any]
Asked = Mapping[str, str]  # as extra specs


@dataclass(frozen=True, slots=True)
class Images:
    """What each asks for as it is now, by id; what root volumes have of theirs, by server and
    device; whether any asks for traits: only then those of one that is gone are missed; and GiB of
    the largest that a root volume was made of.
    """

    now: Mapping[str, Asked]
    roots: Mapping[tuple[str, str], Asked]
    traits: bool
    largest: float = 0.0

    @classmethod
    def read(cls, api: Api) -> Images:
        """Pages of images and of bootable volumes, whatever servers there are."""
        now = {one: found for hidden in ("false", "true") for one, found in _now(api, hidden)}
        made = list(_roots(api))
        roots = {at: asked(properties) for at, properties in made}
        traits = any(_traits(one) for found in (now, roots) for one in found.values())
        sizes = (int(properties.get("size") or 0) for _, properties in made)
        return cls(now, roots, traits, max(sizes, default=0) / GIB)

    def of(self, row: Json) -> Asked | None:
        """What the image of nova's server *row* asked for; None where that cannot be known."""
        if not row["image"]:
            return self.roots.get((row["id"], row.get(ROOT) or ""))
        now = self.now.get(row["image"]["id"])
        if now is None and self.traits:
            return None
        return {**kept(row), **_traits(now or {})}


def kept(row: Json) -> Asked:
    """What nova itself tells that the image of its server *row* asked for."""
    return asked((row["image"] or {}).get("properties") or {})


def asked(properties: Mapping[str, Any]) -> Asked:
    """What *properties* of an image ask for, as a flavor would."""
    return {
        SPECS.get(key, key): str(value)
        for key, value in properties.items()
        if key in SPECS or (key.startswith(TRAIT) and value == "required")
    }


def merged(specs: Asked, more: Asked) -> dict[str, str]:
    """As nova has it: the flavor's count, but for pages, whose size an image may name."""
    found = {**more, **specs}
    if PAGES in more:
        found[PAGES] = more[PAGES]
    return found


def _traits(specs: Asked) -> Asked:
    return {key: value for key, value in specs.items() if key.startswith(TRAIT)}


def _now(api: Api, hidden: str) -> Iterator[tuple[str, Asked]]:
    if "image" in api.bases:
        query = {"visibility": "all", "os_hidden": hidden, "limit": str(PAGE)}
        for one in api.rows("image", "/images", "images", **query):
            yield one["id"], asked(one)


def _roots(api: Api) -> Iterator[tuple[tuple[str, str], Json]]:
    """What cinder keeps of the image of each, by server and device."""
    if "volume" in api.bases:
        query = {"all_tenants": "1", "bootable": "true", "limit": str(PAGE)}
        for one in api.rows("volume", "/volumes/detail", "volumes", **query):
            found = one.get("volume_image_metadata") or {}
            for at in one["attachments"]:
                yield (at["server_id"], at["device"] or ""), found
