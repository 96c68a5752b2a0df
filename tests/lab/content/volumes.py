"""Volumes: one to attach, one with a snapshot, one from an image."""

from __future__ import annotations

from typing import Any

from tests.lab.settings import Lab


def make(lab: Lab, admin: Any, demo: Any, other: Any) -> None:
    """`attached` is attached when the server stands; the others stay free."""
    kind = lab.volume_type
    admin.block_storage.create_type(name=kind, extra_specs={"volume_backend_name": f"{kind}1"})
    admin.block_storage.create_type(name="slow & cheap", description="nothing has it")
    cinder = demo.block_storage
    waiting = [
        cinder.create_volume(name="attached", size=1, volume_type=kind, metadata={"a": "1"}),
        cinder.create_volume(name="snapped", size=1, volume_type=kind, description="vor dem Umzug"),
        cinder.create_volume(name="from image", size=1, image_id=demo.image.find_image("tiny").id),
        other.block_storage.create_volume(name="Bücherregal", size=2),
    ]
    for volume in waiting:
        admin.block_storage.wait_for_status(volume, "available", ["error"], interval=0.5, wait=120)
    snapshot = cinder.create_snapshot(volume_id=waiting[1].id, name="first snapshot")
    cinder.wait_for_status(snapshot, "available", ["error"], interval=0.5, wait=240)
