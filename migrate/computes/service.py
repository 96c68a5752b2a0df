"""nova's record of a compute host: closed to the scheduler while the host is renewed.

Whether it was closed before is told by the reason that it is closed for: only what is closed for
ours is opened again, so that no note is needed which could be lost.
"""

from typing import Any

from migrate.cloud.api import VERSION, Api
from migrate.errors import PreconditionError

REASON = "sidestep: this host is being renewed"
BINARY = "nova-compute"
MICROVERSION = "2.53"  # from here on a service has one id in all cells

Row = dict[str, Any]


def of(api: Api, host: str) -> Row:
    """The one record of nova-compute on *host*; PreconditionError where there is none, or more."""
    asked = {"binary": BINARY, "host": host, VERSION: MICROVERSION}
    found: list[Row] = api.get("compute", "/os-services", **asked)["services"]
    if len(found) != 1:
        raise PreconditionError(
            f"nova has {len(found)} records of nova-compute on {host}; "
            "`openstack compute service list` shows them"
        )
    return found[0]


def is_closed(row: Row) -> bool:
    """Whether nothing is scheduled there, for whatever reason."""
    return bool(row["status"] == "disabled")


def is_ours(row: Row) -> bool:
    """Whether it is closed, and by us."""
    return is_closed(row) and row.get("disabled_reason") == REASON


def close(api: Api, host: str) -> None:
    """Keep new servers away from *host*; one that is closed already is left as it is."""
    if not is_closed(row := of(api, host)):
        _put(api, row, {"status": "disabled", "disabled_reason": REASON})


def reopen(api: Api, host: str) -> None:
    """Let new servers come to *host* again, if it is closed by us."""
    if is_ours(row := of(api, host)):
        _put(api, row, {"status": "enabled"})


def _put(api: Api, row: Row, body: dict[str, str]) -> None:
    api.send("PUT", "compute", f"/os-services/{row['id']}", body, microversion=MICROVERSION)
