"""What another distribution brings by an entry point, loaded as whatever it turns out to be."""

from importlib.metadata import EntryPoint
from typing import Any

from migrate.errors import SettingsError


def load(entry: EntryPoint, what: str) -> Any:
    """What *entry* names, *what* it should be for people; SettingsError where that cannot be."""
    try:
        return entry.load()
    except (Exception, SystemExit) as error:  # whatever somebody else's module can raise
        raise SettingsError(
            f"the {what} {entry.name} ({entry.value}) cannot be loaded: {error!r}; "
            "mend or uninstall its package"
        ) from error
