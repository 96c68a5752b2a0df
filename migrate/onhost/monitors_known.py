"""Which monitors of Ceph servers of this host know: QEMU asks those alone that its domain names."""

import glob
from typing import Any, Iterator
from xml.etree import ElementTree

from migrate.onhost import disk

# as it is started the next time, and as it runs
FILES = ("/etc/libvirt/qemu/*.xml", "/run/libvirt/qemu/*.xml")


def without(new: list[str], old: list[str]) -> list[str]:
    """Servers with a disk on RBD that names monitors at *old* addresses, and none at *new* ones."""
    found = set()
    for pattern in FILES:
        for path in glob.glob(pattern):
            text = disk.text_if_there(path)
            root = ElementTree.fromstring(text) if text else None  # noqa: S314  libvirt's own
            domain = None if root is None else next(root.iter("domain"), None)
            if domain is not None and any(
                one & {*old} and not one & {*new} for one in _known(domain)
            ):
                found.add(domain.findtext("uuid") or path)
    return sorted(found)


def _known(domain: Any) -> Iterator[set[str]]:
    """Of each disk on RBD the monitors that it names; one that names none asks ceph.conf."""
    for source in domain.iter("source"):
        if source.get("protocol") == "rbd":
            yield {(one.get("name") or "").strip("[]") for one in source.iter("host")}
