"""What names the fenced data of this host."""

from typing import Any

from migrate.onhost import fencing, record


def keep(taken: str, found: dict[str, Any], note: str, digest: str) -> None:
    """Keep *found* as *taken*, and in *note* the *digest* that names it under this very fence."""
    record.forget(note)  # which a killed run would leave to name another one
    record.save(taken, found)
    record.save(note, {"digest": digest, "fencing": fencing.token()})


def name(note: str) -> str:
    """The digest that *note* keeps, if it was taken under this very fence, else "".

    A source that reopened itself has been written since: its old fingerprint names nothing.
    """
    kept = record.load(note)
    return str(kept["digest"]) if kept and kept["fencing"] == fencing.token() else ""
