"""Configuration: the source's files, translated for the target's release.

findings(context)   what cannot be translated, without writing anything
"""

from migrate.configuration.carry import findings

__all__ = ["findings"]
