"""Whose the addresses are that `settle.watch` names: a server's own, or one that floats above it.

Asked of neutron once, before servers move, and kept for the report: afterwards a server is
elsewhere.
"""

from typing import Any

from migrate.cloud import Context, login
from migrate.cloud.api import VERSION, Api
from migrate.computes import reading
from migrate.engine import state_directory
from migrate.errors import MigrateError

FILE = "watched.json"

Owner = dict[str, str]


def keep(context: Context) -> None:
    """Ask of each address whose it is; of one that could not be asked nothing is known."""
    try:
        api = login.api(context)
        found = {at: _owner(api, at) for at in map(str, context.settings.settle.watch)}
        state_directory.record(context.home / FILE, {"addresses": {**kept(context), **found}})
    except MigrateError:  # pings are counted all the same
        return


def kept(context: Context) -> dict[str, Owner]:
    """`{"192.0.2.10": {"server": id, "name": "web", "host": "cmp1"}}`; {} for who is no server."""
    found = state_directory.recorded(context.home / FILE).get("addresses", {})
    return {str(at): dict(owner) for at, owner in found.items()}


def _owner(api: Api, address: str) -> Owner:
    floating = _rows(api, "floatingips", floating_ip_address=address)
    for one in floating:
        if one.get("port_id"):
            return _of_port(api, _rows(api, "ports", id=one["port_id"]))
    return _of_port(api, _rows(api, "ports", fixed_ips=f"ip_address={address}"))


def _of_port(api: Api, ports: list[dict[str, Any]]) -> Owner:
    """{} where it is no server's, or several have it in networks of their own."""
    mine = [one for one in ports if str(one["device_owner"]).startswith("compute:")]
    if len(mine) != 1:
        return {}
    where, version = f"/servers/{mine[0]['device_id']}", {VERSION: reading.COMPUTE}
    server = api.get("compute", where, **version)["server"]
    host = str(server.get("OS-EXT-SRV-ATTR:host") or "")
    return {"server": server["id"], "name": server["name"], "host": host}


def _rows(api: Api, kind: str, **query: str) -> list[dict[str, Any]]:
    return api.pages("network", f"/{kind}", kind, **query)
