"""The point of no return: every machine says so before anything is purged."""

from __future__ import annotations

from migrate.cloud import Context
from migrate.engine import markers
from migrate.finish import refusals


def marked(context: Context) -> bool:
    """Whether every machine that answers is marked so."""
    return markers.everywhere(context, markers.FINISHED)


def mark(context: Context) -> None:
    """Mark them, once nothing forbids it."""
    refusals.refuse(context)
    markers.mark(context, markers.FINISHED)
