"""What could be left on a host after a way over and back, taken before and compared after."""

from __future__ import annotations

import json
from typing import Any

from migrate.cloud.host import Host

LOOK = r"""
import glob, hashlib, os, re, subprocess

def said(*argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=60).stdout
    except FileNotFoundError:
        return ""

def digest(path):
    if os.path.islink(path):
        return "-> " + os.readlink(path)
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:16]

files = {}
roots = ["/etc", "/root/.ssh", "/root/.cache", "/var/lib/migrate", "/usr/local", "/var/spool/cron"]
roots += ["/run/systemd/transient", "/run/systemd/system", *glob.glob("/home/*/.ssh")]
for root in roots:
    for folder, folders, names in os.walk(root):
        for name in names + [f for f in folders if os.path.islink(os.path.join(folder, f))]:
            path = os.path.join(folder, name)
            if path in ("/etc/mtab", "/etc/ld.so.cache", "/etc/resolv.conf"):
                continue
            if not os.path.isfile(path) and not os.path.islink(path):
                continue
            files[path] = digest(path)

def rows(*argv):
    return [line.split() for line in said(*argv).splitlines()]

BY_ITSELF = r"@|^systemd-|^session-|^run-|^ldconfig|logrotate|apt-daily|fstrim|man-db|dpkg|^user"
units = {}
for name, _, active, *_ in rows("systemctl", "list-units", "--all", "--plain", "--no-legend",
                                "--type=service,timer,socket"):
    if not re.search(BY_ITSELF, name):
        units[name] = active
files_of_units = rows("systemctl", "list-unit-files", "--no-legend")
enabled = {row[0]: row[1] for row in files_of_units if len(row) > 1}
addresses = sorted(f"{row[1]} {row[3]}" for row in rows("ip", "-o", "-4", "addr")
                   if row[1] in ("host0", "lo"))
sql = ("select concat(user, '@', host) from mysql.global_priv order by 1;"
       "select @@global.read_only;"
       "select schema_name from information_schema.schemata order by 1")
result = {
    "files": files,
    "units": units,
    "enabled": enabled,
    "addresses": addresses,
    "accounts": said("getent", "passwd").splitlines(),
    "filters": [l for l in said("nft", "list", "tables").splitlines()],
    "sysctl": rows("sysctl", "net.ipv4.conf.all.arp_ignore", "net.ipv4.ip_nonlocal_bind"),
    "database": said("mariadb", "-N", "-e", sql).splitlines(),
    "domains": sorted(said("virsh", "list", "--all", "--uuid").split()),
    "ports": sorted(p for p in said("ovs-vsctl", "list-ports", "br-int").split()),
    "namespaces": sorted(l.split()[0] for l in said("ip", "netns").splitlines() if l),
}
"""


def look(hosts: list[Host]) -> dict[str, dict[str, Any]]:
    """For each host by name what stands there: files by digest, units, users, addresses, ports."""
    return {host.name: host.python(LOOK, timeout=120) for host in hosts}


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """One line for each thing that came, went or changed: `ctl-old files /etc/x: 1f.. -> None`."""
    found = []
    for host, parts in before.items():
        for part, old in parts.items():
            new = after[host][part]
            if isinstance(old, dict):
                found += [
                    f"{host} {part} {name}: {old.get(name)} -> {new.get(name)}"
                    for name in sorted(old.keys() | new.keys())
                    if old.get(name) != new.get(name)
                ]
            elif old != new:
                gone = [one for one in old if one not in new]
                come = [one for one in new if one not in old]
                found.append(f"{host} {part}: gone {json.dumps(gone)}, come {json.dumps(come)}")
    return found
