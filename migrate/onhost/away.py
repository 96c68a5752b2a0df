"""Which servers were to leave this host for its renewal, and how: each by its id, until it is back.

Kept here and not with an operator: whoever goes on, or goes back, must know it.
"""

from migrate.onhost import record

NAME = "settle-servers"


def sent() -> dict[str, str]:
    """{"6f1c...": "live"}: what was to be done with each of those that are not back."""
    return dict((record.load(NAME) or {"servers": {}})["servers"])


def add(server: str, action: str) -> None:
    """Keep *server* beside the others; it is on the disk when this returns."""
    with record.locked():
        record.save(NAME, {"servers": {**sent(), server: action}})


def drop(servers: list[str]) -> None:
    """*servers* are back, or are to stay where they are."""
    with record.locked():
        if left := {one: action for one, action in sent().items() if one not in servers}:
            record.save(NAME, {"servers": left})
        else:
            record.forget(NAME)


def forget() -> None:
    """Nobody is to come back any more."""
    record.forget(NAME)
