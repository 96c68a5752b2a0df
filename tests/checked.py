"""A check by the module that makes it."""

from types import ModuleType

from migrate.checks import CHECKS, Check


def check_of(module: ModuleType) -> Check:
    """The one whose question *module* asks, as `migrate check` has it."""
    (found,) = (one for one in CHECKS if one.ask is module.run)
    return found
