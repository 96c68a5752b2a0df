"""A server whose disk is a volume, cloned from the image that boots."""

from __future__ import annotations

from typing import Any

NAME = "from-volume"
READY = 240


def ask(demo: Any) -> dict[str, Any]:
    """Make the volume, and ask for the server inside; do not wait for that."""
    cinder = demo.block_storage
    image = demo.image.find_image("tiny")
    root = cinder.create_volume(name=f"root of {NAME}", size=1, image_id=image.id)
    cinder.wait_for_status(root, "available", ["error"], interval=0.5, wait=READY)
    return {NAME: boot(demo, root)}


def boot(demo: Any, root: Any) -> Any:
    """Ask for a server whose disk is the volume *root*; do not wait."""
    disk = {
        "boot_index": 0,
        "uuid": root.id,
        "source_type": "volume",
        "destination_type": "volume",
        "delete_on_termination": False,
    }
    return demo.compute.create_server(
        name=NAME,
        flavor_id=demo.compute.find_flavor("t.tiny").id,
        block_device_mapping=[disk],
        networks=[{"uuid": demo.network.find_network("inner").id}],
        security_groups=[{"name": "open"}],
        metadata={"purpose": "answers ping"},
    )
