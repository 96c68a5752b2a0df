"""What this host's network agents give away: noted before it is, so that it can come back here."""

from migrate.onhost import namespaces, record

RECORD = "network-handover"


def note(what: str, ids: list[str]) -> None:
    """Note that *ids*, "routers" or "networks", stand here; what was noted once is left so."""
    kept = noted()
    there = kept.setdefault(what, {})
    for one in ids:
        known = list(namespaces.devices(f"qrouter-{one}")) if what == "routers" else []
        there[one] = there.get(one) or known
    record.save(RECORD, {"kept": kept})


def noted() -> dict[str, dict[str, list[str]]]:
    """All that was noted here: {"routers": {its id: its devices}, "networks": {its id: []}}."""
    return dict((record.load(RECORD) or {"kept": {}})["kept"])


def forget(what: str) -> None:
    """They are back."""
    kept = noted()
    kept.pop(what, None)
    if kept:
        record.save(RECORD, {"kept": kept})
    else:
        record.forget(RECORD)
