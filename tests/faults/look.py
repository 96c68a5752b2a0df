"""Runs on a machine, as root: what stands there, as `{"files": {path: "640 root root 1f.."}}`.

Every part is a mapping of names to words, so that a difference has a name. Standard library only.
"""

import glob
import grp
import hashlib
import json
import os
import pwd
import re
import subprocess
import time
from typing import Any

ROOTS = [
    "/etc",
    "/root/.ssh",
    "/usr/local",
    "/var/lib/migrate",
    "/var/lib/glance",
    "/var/lib/keystone",
    "/var/spool/cron",
    "/opt",
    "/run/systemd/transient",
    "/run/systemd/system",
    *glob.glob("/home/*/.ssh"),
    *glob.glob("/run/migrate*"),
    *glob.glob("/tmp/*migrate*"),
]
# not read: a release's environment, whose files pip wrote and `pip check` knows better
NOT_READ = re.compile(r"^/opt/.*/(lib|share|include|lib64)/")
KERNEL = (
    "net.ipv4.ip_nonlocal_bind",
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.arp_ignore",
    "net.ipv4.conf.all.arp_announce",
    "net.ipv4.conf.host0.arp_ignore",
    "net.ipv4.conf.host0.arp_announce",
)
# they come and go by themselves, whoever is at work
BY_THEMSELVES = re.compile(
    r"@|^systemd-|^session-|^run-|^ldconfig|logrotate|apt-|^fstrim|man-db|dpkg|^user|^e2scrub"
)
OURS = re.compile(r"migrate|sidestep")
# a connection whose client went with the address ends by the proxy's own timeouts, of 120 s
DRAINED_SECONDS = 150.0


def said(*argv: str) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout
    except FileNotFoundError:
        return ""


def rows(*argv: str) -> list[list[str]]:
    return [line.split() for line in said(*argv).splitlines()]


def owner(about: os.stat_result) -> str:
    try:
        user = pwd.getpwuid(about.st_uid).pw_name
    except KeyError:
        user = str(about.st_uid)
    try:
        group = grp.getgrgid(about.st_gid).gr_name
    except KeyError:
        group = str(about.st_gid)
    return user + " " + group


def described(path: str) -> str:
    about = os.lstat(path)
    words = f"{about.st_mode & 0o7777:o} {owner(about)}"
    if os.path.islink(path):
        return "-> " + os.readlink(path)
    if os.path.isdir(path):
        return words + " folder"
    if not os.path.isfile(path):
        return words + " special"
    if NOT_READ.match(path):
        return words
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return words + " " + digest.hexdigest()[:12]


def files() -> dict[str, str]:
    found = {}
    for root in ROOTS:
        if os.path.lexists(root):
            found[root] = described(root)
        for folder, folders, names in os.walk(root):
            if NOT_READ.match(folder + "/"):
                folders[:] = []
                continue
            for name in names + folders:
                path = os.path.join(folder, name)
                try:
                    found[path] = described(path)
                except FileNotFoundError:
                    continue
    return found


def units() -> dict[str, str]:
    found = {}
    listed = rows("systemctl", "list-units", "--all", "--plain", "--no-legend")
    for name, load, active, sub, *_ in listed:
        kind = name.rpartition(".")[2]
        counted = kind in ("service", "timer", "socket", "mount") and load != "not-found"
        if counted and not BY_THEMSELVES.search(name):
            found[name] = active + " " + sub
    return found


def enabled() -> dict[str, str]:
    listed = rows("systemctl", "list-unit-files", "--no-legend")
    return {row[0]: row[1] for row in listed if len(row) > 1}


def addresses() -> dict[str, str]:
    found = {}
    for link in json.loads(said("ip", "-j", "address")):
        for one in link["addr_info"]:
            found[f"{link['ifname']} {one['local']}"] = f"/{one['prefixlen']}"
    return found


def listening() -> dict[str, str]:
    """Who listens where: `0.0.0.0:22 -> sshd`."""
    found = {}
    for row in rows("ss", "-Htlnp"):
        names = re.findall(r'"([^"]+)"', row[5] if len(row) > 5 else "")
        port = int(row[3].rpartition(":")[2])
        if port < 32768 or row[3].startswith("0.0.0.0"):
            found[row[3]] = ",".join(sorted(set(names)))
    return found


def processes() -> dict[str, str]:
    """Who runs what, not how often; and each process of ours by its words."""
    found = {}
    own = {os.getpid(), os.getppid()}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline") as stream:
                words = stream.read().split("\0")
            with open(f"/proc/{entry}/comm") as stream:
                name = stream.read().strip()
            user = owner(os.stat("/proc/" + entry)).split()[0]
        except OSError:
            continue
        if (
            int(entry) in own
            or not words[0]
            or re.match(r"sshd|sudo|systemd|\(sd-pam|agetty", name)
        ):
            continue
        text = " ".join(words)
        if OURS.search(text):
            found["ours: " + re.sub(r"\d{4,}", "N", text)[:150]] = user
        elif name not in ("sh", "bash", "timeout", "sleep", "python3"):
            found[user + " " + name] = "runs"
    return found


def haproxy() -> dict[str, str]:
    """Whether it runs, and what it was told last: its workers are as young as its configuration.

    One from before a reload ends with the last of its connections, which takes a busy host a while.
    """
    master = said("systemctl", "show", "-P", "MainPID", "haproxy").strip()
    if master in ("", "0"):
        return {"haproxy": "does not run"}
    deadline = time.monotonic() + DRAINED_SECONDS
    while (workers := children(master)) > 1 and time.monotonic() < deadline:
        time.sleep(0.2)
    return {"haproxy": "runs", "workers": str(workers)}


def children(process: str) -> int:
    """How many it has."""
    with open(f"/proc/{process}/task/{process}/children") as stream:
        return len(stream.read().split())


def broker() -> dict[str, str]:
    """Accounts and rights; a password's hash is salted anew each time and left out."""
    listed = said("rabbitmqctl", "-q", "export_definitions", "-", "--format", "json")
    if not listed.strip():
        return {"broker": "does not answer"}
    told = json.loads(listed)
    found = {"user " + one["name"]: " ".join(one["tags"]) for one in told.get("users", [])}
    found.update({"vhost " + one["name"]: "there" for one in told.get("vhosts", [])})
    for one in told.get("permissions", []):
        rights = f"{one['configure']} {one['write']} {one['read']}"
        found[f"right of {one['user']} on {one['vhost']}"] = rights
    for one in told.get("policies", []):
        found["policy " + one["name"]] = json.dumps(one["definition"], sort_keys=True)
    return found


def by_line(text: str) -> dict[str, str]:
    return {" ".join(line.split()): "there" for line in text.splitlines() if line.strip()}


def filters() -> dict[str, str]:
    found: dict[str, str] = {}
    table = ""
    for line in said("nft", "-s", "list", "ruleset").splitlines():
        table = line if line.startswith("table") else table
        found[(table + line.strip()) if line.strip() != "}" else table] = "there"
    return found


def variables() -> dict[str, str]:
    """The server's own settings, and who may log in as the server sees it."""
    listed = said("mariadb", "-N", "-B", "-e", "SHOW GLOBAL VARIABLES")
    return dict(line.split("\t", 1) for line in listed.splitlines() if "\t" in line)


result: dict[str, Any] = {
    "files": files(),
    "units": units(),
    "enabled": enabled(),
    "addresses": addresses(),
    "routes": by_line(said("ip", "route", "show", "table", "all")),
    "rules": by_line(said("ip", "rule")),
    "kernel": {row[0]: row[2] for row in rows("sysctl", *KERNEL) if len(row) > 2},
    "listening": listening(),
    "processes": processes(),
    "haproxy": haproxy(),
    "accounts": by_line(said("getent", "passwd")),
    "groups": by_line(said("getent", "group")),
    "filters": filters(),
    "broker": broker(),
    "variables": variables(),
}
