"""Configuration: the source's files, translated for the target's release.

findings(context)   what cannot be translated, without writing anything
steps(recipes)      `<project>.config`, `keystone.keys`, `broker.accounts`
"""

from migrate.configuration.plan import findings, steps

__all__ = ["findings", "steps"]
