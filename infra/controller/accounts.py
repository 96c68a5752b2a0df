"""Users, folders and kernel settings of the services."""

from __future__ import annotations

from infra.controller import files, record
from infra.controller.files import File
from infra.controller.part import Facts, Place
from migrate.cloud.host import Host
from migrate.onhost import call
from migrate.services import RECIPES

APPLY_SETTINGS = """
systemd-tmpfiles --create /etc/tmpfiles.d/sidestep.conf
sysctl -q -p /etc/sysctl.d/90-sidestep.conf
"""

# A node with a bridge in the API network answers ARP for addresses of its other interfaces, and
# the target carries the virtual IPs on `lo` before the takeover: both must stay unheard.
SYSCTL = {
    "net.ipv4.ip_nonlocal_bind": "1",
    "net.ipv4.conf.all.arp_ignore": "1",
    "net.ipv4.conf.all.arp_announce": "2",
}


def rows() -> list[tuple[str, int | None, list[str]]]:
    """The services' accounts: `("glance", 64062, ["/etc/glance", ...])`."""
    return [
        (
            one.user,
            one.user_id,
            [
                *(f"/{folder}/{one.user}" for folder in ("etc", "var/lib", "var/log")),
                *(f"/var/lib/{one.user}/{folder}" for folder in one.state_folders),
            ],
        )
        for one in RECIPES
    ]


def _files() -> list[File]:
    # not RuntimeDirectory=: systemd removes that with the first unit of a service that stops
    locks = "".join(f"d /run/lock/{name} 0755 {name} {name}\n" for name, _, _ in rows())
    settings = "".join(f"{name} = {value}\n" for name, value in SYSCTL.items())
    return [
        File("/etc/tmpfiles.d/sidestep.conf", locks),
        File("/etc/sysctl.d/90-sidestep.conf", settings),
    ]


class Accounts:
    """Facts: `{"accounts": {"cinder": 64061, ...}, "files": {path: digest}}`."""

    def wanted(self, place: Place) -> Facts:
        return {
            "accounts": {name: number or "any" for name, number, _ in rows()},
            "files": files.digests(_files()),
        }

    def read(self, host: Host, place: Place) -> Facts:
        paths = [file.path for file in _files()]
        return {"accounts": call(host, "accounts.right", rows()), "files": files.read(host, paths)}

    def apply(self, host: Host, place: Place) -> None:
        if not record.recall(host, "accounts"):
            folders = [folder for _, _, mine in rows() for folder in mine]
            names = [name for name, _, _ in rows()]
            found = call(host, "accounts.absent", names, folders, list(SYSCTL))
            record.remember(host, "accounts", found)
        call(host, "accounts.make", rows())
        files.write(host, _files())
        host.shell(APPLY_SETTINGS)

    def remove(self, host: Host, place: Place) -> None:
        if added := record.recall(host, "accounts"):
            locks = [f"/run/lock/{name}" for name in added["users"]]
            call(host, "accounts.remove", {**added, "folders": [*added["folders"], *locks]})
            files.remove(host, [file.path for file in _files()])
            record.forget(host, "accounts")
