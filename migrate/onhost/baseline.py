"""What names the fenced data of this host."""

from migrate.onhost import fence, record


def name(note: str) -> str:
    """The digest that *note* keeps, if it was taken under this very fence, else "".

    A source that reopened itself has been written since: its old fingerprint names nothing.
    """
    kept = record.load(note)
    return str(kept["digest"]) if kept and kept["fencing"] == fence.token() else ""
