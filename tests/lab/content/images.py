"""Images: one that boots, and others with properties, members and odd names."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from tests.lab import guest
from tests.lab.settings import Lab

KERNEL, RAMDISK = "tiny-kernel", "tiny-initrd"
ODD = "Näme with  spaces, 'quotes' & a /slash"


def make(_: Lab, admin: Any, demo: Any, other: Any) -> None:
    """All images; `tiny` is the one that boots."""
    files = guest.image()
    _public(admin, KERNEL, "aki", files / "vmlinuz")
    _public(admin, RAMDISK, "ari", files / "initrd.gz")
    bootable(admin, "tiny", (files / "root.raw").read_bytes())
    odd = _private(
        demo, ODD, size=3_000_017, os_distro="überlinux", my_property="a = b; #c", tags=["x", "ü"]
    )
    admin.image.update_image(odd, visibility="shared")
    demo.image.add_member(odd, member_id=other.current_project_id)
    other.image.update_member(other.current_project_id, odd, status="accepted")
    off = _private(demo, "deactivated", size=1000)
    admin.image.deactivate_image(off)
    _private(other, "protected one", size=20_000, is_protected=True, min_disk=2, min_ram=64)
    _private(demo, "empty file", size=0)


def bootable(admin: Any, name: str, data: bytes) -> None:
    """An image with *data* on its disk, which the kernel beside it does not look at."""
    admin.image.create_image(
        name=name,
        visibility="public",
        disk_format="raw",
        container_format="bare",
        data=data,
        kernel_id=admin.image.find_image(KERNEL).id,
        ramdisk_id=admin.image.find_image(RAMDISK).id,
        os_command_line="console=ttyS0 quiet",
        hw_rng_model="virtio",
        allow_duplicates=True,
    )


def _public(admin: Any, name: str, kind: str, path: Path) -> Any:
    return admin.image.create_image(
        name=name,
        visibility="public",
        disk_format=kind,
        container_format=kind,
        data=path.read_bytes(),
        allow_duplicates=True,
    )


def _private(cloud: Any, name: str, *, size: int, **properties: Any) -> Any:
    content = random.Random(name).randbytes(size)  # the same each time
    return cloud.image.create_image(
        name=name,
        disk_format="raw",
        container_format="bare",
        data=content,
        allow_duplicates=True,
        **properties,
    )
