"""Users, folders and kernel settings of the services."""

from __future__ import annotations

from infra.controller import files, record
from infra.controller.files import File
from infra.controller.part import Facts, Place
from migrate.cloud.host import Host
from migrate.services import RECIPES

# dnsmasq runs as nobody and must be able to re-read neutron's host files: so 0755
READ = """
import grp, os, pwd
result = {}
for name, number, folders in payload:
    try:
        user, group = pwd.getpwnam(name), grp.getgrnam(name)
    except KeyError:
        continue
    owned = all(
        os.path.isdir(path) and os.stat(path).st_uid in (0, user.pw_uid) for path in folders
    )
    if owned and user.pw_gid == group.gr_gid and number in (None, user.pw_uid):
        result[name] = number or "any"
"""

APPLY = """
import grp, os, pwd, subprocess

def call(*argv):
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(" ".join(argv) + ": " + done.stderr.strip())

def holder(look, number):
    try:
        return look(number)[0]
    except KeyError:
        return None

for name, number, folders in payload:
    if number is not None:
        for look, what in ((pwd.getpwuid, "user"), (grp.getgrgid, "group")):
            if holder(look, number) not in (None, name):
                raise SystemExit(f"{what} id {number}, which {name} needs, belongs to "
                                 f"{holder(look, number)}: give that another number")
    fixed = [] if number is None else [str(number)]
    try:
        grp.getgrnam(name)
    except KeyError:
        call("groupadd", "-r", *(["-g", *fixed] if fixed else []), name)
    try:
        pwd.getpwnam(name)
    except KeyError:
        call("useradd", "-r", *(["-u", *fixed] if fixed else []), "-g", name, "-M",
             "-d", f"/var/lib/{name}", "-s", "/usr/sbin/nologin", name)
    user = pwd.getpwnam(name)
    if number not in (None, user.pw_uid):
        raise SystemExit(f"user {name} has id {user.pw_uid} here and must have {number}, as on the "
                         "hosts that it shares files with: change it, with the files it owns")
    for path in folders:
        if not os.path.isdir(path):
            os.makedirs(path, 0o755)
        ours = not path.startswith("/etc/")
        os.chown(path, user.pw_uid if ours else 0, user.pw_gid)
        os.chmod(path, 0o755 if ours else 0o750)
"""

APPLY_SETTINGS = """
systemd-tmpfiles --create /etc/tmpfiles.d/sidestep.conf
sysctl -q -p /etc/sysctl.d/90-sidestep.conf
"""

REMOVE = """
import os, shutil, subprocess
for folder in payload["folders"]:
    shutil.rmtree(folder, ignore_errors=True)
for name in payload["users"]:
    subprocess.run(["userdel", name], capture_output=True)
for name in payload["groups"]:
    subprocess.run(["groupdel", name], capture_output=True)
for name, value in payload["sysctl"].items():
    with open("/proc/sys/" + name.replace(".", "/"), "w") as stream:
        stream.write(value)
"""

PRESENT = """
import grp, os, pwd
def known(look, name):
    try:
        return bool(look(name))
    except KeyError:
        return False
def value(name):
    with open("/proc/sys/" + name.replace(".", "/")) as stream:
        return stream.read().strip()
result = {
    "users": [n for n in payload["users"] if not known(pwd.getpwnam, n)],
    "groups": [n for n in payload["users"] if not known(grp.getgrnam, n)],
    "folders": [f for f in payload["folders"] if not os.path.exists(f)],
    "sysctl": {name: value(name) for name in payload["sysctl"]},
}
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
        return {"accounts": host.python(READ, rows()), "files": files.read(host, paths)}

    def apply(self, host: Host, place: Place) -> None:
        if not record.recall(host, "accounts"):
            folders = [folder for _, _, mine in rows() for folder in mine]
            asked = {"users": [name for name, _, _ in rows()], "folders": folders, "sysctl": SYSCTL}
            record.remember(host, "accounts", host.python(PRESENT, asked))
        host.python(APPLY, rows())
        files.write(host, _files())
        host.shell(APPLY_SETTINGS)

    def remove(self, host: Host, place: Place) -> None:
        if added := record.recall(host, "accounts"):
            locks = [f"/run/lock/{name}" for name in added["users"]]
            host.python(REMOVE, {**added, "folders": [*added["folders"], *locks]})
            files.remove(host, [file.path for file in _files()])
            record.forget(host, "accounts")
