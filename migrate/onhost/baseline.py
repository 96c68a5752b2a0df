"""What names the fenced data of this host."""

from typing import Any

from migrate.onhost import fencing, record


def keep(taken: str, found: dict[str, Any], note: str, digest: str, *others: str) -> None:
    """Keep *found* as *taken*, and in *note* the *digest* that names it under this very fence.

    Notes on an earlier one, this and *others*, go first: a killed run would leave them to this one.
    """
    for one in (note, *others):
        record.forget(one)
    record.save(taken, found)
    record.save(note, {"digest": digest, "fencing": fencing.token()})


def name(note: str) -> str:
    """The digest that *note* keeps, if it was taken under this very fence, else "".

    A source that reopened itself has been written since: its old fingerprint names nothing.
    """
    kept = record.load(note)
    return str(kept["digest"]) if kept and kept["fencing"] == fencing.token() else ""
