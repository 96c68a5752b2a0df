"""The release's own APIs on a clone of the databases: started where nothing leaves, and ended.

Each has the unit that Pulumi made for it, under another name and in a place of its own: a network
in which only `lo` is, with the target's own address and the virtual ones on it; no socket of this
host, no file of it that could be written. What would leave finds a filter that counts.
"""

import json
import os
import pwd
import shutil
import signal
import time
from typing import Any

from migrate.onhost import disk, processes, systemd

FOLDER = "/run/migrate-shadow"  # of memory: nothing of it outlives a boot
SPACE = "migrate-shadow"
SLICE = "migrate-shadow.slice"
PREFIX = "migrate-shadow-"
UNITS = "/run/systemd/system"
TABLE = ("inet", "shadow")
GATE = FOLDER + "/gate/socket"
EACH = 256 * 1024**2  # of memory, for a service; measured: 75 to 182 MiB
SHARE = 0.8  # of the memory that is free, which all together may have
KILL_SECONDS = 30.0
PLACE = """
[Service]
Slice={slice}
NetworkNamespacePath=/run/netns/{space}
Restart=no
Nice=10
OOMScoreAdjust=500
NoNewPrivileges=yes
PrivateTmp=yes
DevicePolicy=closed
PrivateIPC=yes
ProtectHome=yes
ProtectSystem=strict
ReadWritePaths=/run
TemporaryFileSystem=/run:mode=0755
BindPaths={folder}/lock:/run/lock
"""
SERVICE = """EnvironmentFile={folder}/env/{unit}
BindReadOnlyPaths={clone}
BindPaths={folder}/state/{user}/seen:/var/lib/{user} {folder}/log/{user}:/var/log/{user}
ReadWritePaths=/var/lib/{user} /var/log/{user}
"""
# as the target's own proxy will have it, behind the virtual IP
PROXY = """
[Service]
ExecStart=/usr/sbin/haproxy -db -f /etc/haproxy/haproxy.cfg
BindPaths={folder}/haproxy:/run/haproxy
"""
DOOR = """
[Service]
ExecStart=/usr/bin/python3 {folder}/gate/gate.py {socket} {ways}
BindPaths={folder}/gate
CapabilityBoundingSet=
"""


def begin(
    units: dict[str, str],
    environment: dict[str, dict[str, str]],
    addresses: list[str],
    rules: str,
    gate: str,
    ways: list[str],
    clone: str,
) -> None:
    """Start *units*, each as its user, with its *environment*; who answers is asked by the gate.

    *ways* are what may be asked, as "192.0.2.12:5000"; *clone* is the folder of the clone's socket.
    RuntimeError where there is too little memory.
    """
    end()
    limit = _limit(len(units))
    os.makedirs(FOLDER, 0o711)
    _network(addresses, rules)
    for name in ("env", "gate"):
        os.makedirs(f"{FOLDER}/{name}", 0o700)
    for name in ("lock", "haproxy", "log", "state"):
        os.makedirs(f"{FOLDER}/{name}", 0o755)
    for user in sorted(set(units.values())):
        _folders_of(user)
    disk.write(f"{FOLDER}/gate/gate.py", gate, 0o600)
    room = {"folder": FOLDER, "space": SPACE, "slice": SLICE, "clone": clone}
    disk.write(f"{UNITS}/{SLICE}", f"[Slice]\nMemoryMax={limit}\nCPUWeight=20\n", 0o644)
    for unit, user in units.items():
        told = "".join(f"{name}={value}\n" for name, value in environment.get(unit, {}).items())
        disk.write(f"{FOLDER}/env/{unit}", told, 0o600)
        own = disk.text(f"{systemd.UNITS}/{unit}.service")
        text = own + (PLACE + SERVICE).format(unit=unit, user=user, **room)
        disk.write(f"{UNITS}/{PREFIX}{unit}.service", text, 0o644)
    door = DOOR.format(socket=GATE, ways=" ".join(ways), **room)
    for name, text in (("proxy", PROXY.format(**room)), ("gate", door)):
        disk.write(f"{UNITS}/{PREFIX}{name}.service", PLACE.format(**room) + text, 0o644)
    systemd.run("systemctl", "daemon-reload")
    wanted = [f"{PREFIX}{name}.service" for name in ("gate", "proxy", *units)]
    systemd.run("systemctl", "start", "--no-block", *wanted)


def _network(addresses: list[str], rules: str) -> None:
    """A name space in which all is this host: what is for another is routed into the filter."""
    systemd.run("ip", "netns", "add", SPACE)
    systemd.run("ip", "-n", SPACE, "link", "set", "lo", "up")
    for one in addresses:
        length = 128 if ":" in one else 32
        systemd.run("ip", "-n", SPACE, "address", "add", f"{one}/{length}", "dev", "lo")
    for family in ("-4", "-6"):  # one without IPv6 has no way there to filter
        systemd.run("ip", "-n", SPACE, family, "route", "add", "default", "dev", "lo", check=False)
    systemd.run("ip", "netns", "exec", SPACE, "nft", "-f", "-", stdin=rules)


def _folders_of(user: str) -> None:
    """*user* reads what is in its folder, and what it writes there goes to memory."""
    person = pwd.getpwnam(user)
    state = f"{FOLDER}/state/{user}"
    for path in (f"{FOLDER}/log/{user}", f"{FOLDER}/lock/{user}", f"{state}/new"):
        os.makedirs(path, 0o755)
        os.chown(path, person.pw_uid, person.pw_gid)
    for path in (f"{state}/work", f"{state}/seen"):
        os.makedirs(path, 0o755)
    under = f"lowerdir=/var/lib/{user},upperdir={state}/new,workdir={state}/work"
    systemd.run("mount", "-t", "overlay", "overlay", "-o", under, f"{state}/seen")


def _limit(services: int) -> int:
    """How many bytes of memory all of it may take."""
    lines = disk.text("/proc/meminfo").splitlines()
    (free,) = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    limit, wanted = int(free * SHARE), services * EACH
    if limit < wanted:
        raise RuntimeError(
            f"{services} services on the clone want {wanted >> 20} MiB of memory, of what is free "
            f"they may have {limit >> 20}; free some, or rehearse when less runs here"
        )
    return limit


def said(unit: str, user: str) -> str:
    """The last that *unit* has written to its logs."""
    found = [
        disk.text_if_there(f"{FOLDER}/log/{user}/{name}.log") for name in (unit, f"{unit}-uwsgi")
    ]
    return "\n".join("\n".join(text.strip().splitlines()[-8:]) for text in found if text)


def state(units: list[str]) -> dict[str, Any]:
    """What has ended, what the filter has counted, and what memory all of it takes:
    {"dead": ["keystone"], "left": 0, "left_to": [], "own": 3, "own_to": [["tcp 192.0.2.1:5672",
    "nova"]], "memory": 512000000}

    `left` are packets for another host, or to a place here that is none of the target's; `own`
    those to its own daemons, which are not there.
    """
    alive = set(systemd.members(f"{PREFIX}{unit}" for unit in units).values())
    dead = [unit for unit in units if f"{PREFIX}{unit}.service" not in alive]
    return {"dead": dead, **_counted(), "memory": _taken()}


def _counted() -> dict[str, Any]:
    told = systemd.run("ip", "netns", "exec", SPACE, "nft", "-j", "list", "table", *TABLE)
    found: dict[str, Any] = {}
    for one in json.loads(told)["nftables"]:
        if "counter" in one:
            found[one["counter"]["name"]] = one["counter"]["packets"]
        if "set" in one:
            found[one["set"]["name"]] = [_tried(entry) for entry in one["set"].get("elem", [])]
    return found


def _tried(entry: Any) -> list[str]:
    """Where to, and who: ["tcp 192.0.2.12:5672", "nova"]."""
    entry = entry.get("elem", entry)
    protocol, address, port, user = entry.get("val", entry)["concat"]
    return [f"{protocol} {address}:{port}", _name(user)]


def _name(user: Any) -> str:
    try:
        return pwd.getpwuid(int(user)).pw_name
    except (KeyError, ValueError):
        return str(user)


def _taken() -> int:
    """The bytes of memory that all of them take, what they share counted once."""
    found = 0
    for pid in _members():
        for line in disk.text_if_there(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                found += int(line.split()[1]) * 1024
    return found


def end() -> int:
    """Nothing of it is left: how many processes were killed; RuntimeError where one lives on."""
    killed: set[int] = set()
    names = _units()
    if names:
        systemd.run("systemctl", "stop", "--no-block", *names, check=False)
    deadline = time.monotonic() + KILL_SECONDS
    while left := _members():
        for pid in left:
            processes.kill(pid, signal.SIGKILL)
        killed |= left
        if time.monotonic() > deadline:
            shown = ", ".join(str(pid) for pid in sorted(left)[:5])
            raise RuntimeError(f"of the services on the clone {shown} cannot be killed")
        time.sleep(0.1)
    if names:
        systemd.run("systemctl", "stop", *names, SLICE, check=False)
        systemd.run("systemctl", "reset-failed", *names, check=False)
        for name in (*names, SLICE):
            disk.remove(f"{UNITS}/{name}")
        systemd.run("systemctl", "daemon-reload")
    if os.path.exists(f"/run/netns/{SPACE}"):
        systemd.run("ip", "netns", "delete", SPACE)
    _unmount()
    shutil.rmtree(FOLDER, ignore_errors=True)
    return len(killed)


def _units() -> list[str]:
    return sorted(name for name in _listed(UNITS) if name.startswith(PREFIX))


def _listed(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


def _members() -> set[int]:
    """Every process of ours: by its control group, and by the network that it is in."""
    found = {pid for pid, parts in processes.groups().items() if SLICE in parts}
    if os.path.exists(f"/run/netns/{SPACE}"):
        found |= {int(one) for one in systemd.run("ip", "netns", "pids", SPACE).split()}
    return found


def _unmount() -> None:
    for user in _listed(f"{FOLDER}/state"):
        path = f"{FOLDER}/state/{user}/seen"
        if os.path.ismount(path):
            systemd.run("umount", path)
