"""Databases: named, fingerprinted, copied, compared, brought to the target's release."""

from __future__ import annotations

from migrate.database.baseline import source_equals_fence
from migrate.database.steps import steps

__all__ = ["source_equals_fence", "steps"]
