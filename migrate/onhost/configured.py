"""What this host's services are told: files, and what they work out themselves without them."""

import glob
import json
import os
import pwd
import re
import socket
import subprocess
from typing import Any

from migrate.onhost import addresses, disk, processes, sockets

NOBODY = "127.0.0.1"
ARGUMENT = re.compile(r"--config-(file|dir)[= ]\s*(\S+)")
VARIABLE = re.compile(r"OS_[A-Z0-9_]+__[A-Z0-9_]+")  # oslo.config's way to set [GROUP] OPTION
PYTHON = re.compile(r"(^|/)python[\d.]*$|^-")


def read(patterns: list[str]) -> dict[str, Any]:
    """Texts of the files that *patterns* match, by path; and values of options that none sets.

    {"texts": {"/etc/nova/nova.conf": "..."}, "given": {"my_ip": "10.0.0.11", "host": "ctl"}}
    """
    paths = sorted({path for pattern in patterns for path in glob.glob(pattern)})
    texts = {path: disk.text(path, None) for path in paths if os.path.isfile(path)}
    return {"texts": texts, "given": {"my_ip": my_ip(), "host": socket.gethostname()}}


def defaults(program: str, namespaces: list[str]) -> dict[str, str]:
    """Options of *namespaces* where no file sets them, as the release's generator *program* says.

    {"state_path": "/var/lib/cinder", "database.max_retries": "10"}; what each host works out for
    itself, and each program otherwise, is left out. {} where the program does not tell.
    """
    argv = [program, "--format", "json"]
    for one in namespaces:
        argv += ["--namespace", one]
    where = {**os.environ, "XDG_CACHE_HOME": "/dev/null"}  # or a cache is left in root's home
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd="/", env=where)
    except (OSError, subprocess.CalledProcessError):
        return {}
    found: dict[str, set[str]] = {}
    for group, about in json.loads(done.stdout)["options"].items():
        for one in about["opts"]:
            if one["sample_default"] is None and isinstance(one["default"], (str, int, float)):
                name = (one["dest"] or one["name"]).replace("-", "_")
                written = name if group == "DEFAULT" else group + "." + name
                found.setdefault(written, set()).add(str(one["default"]))
    return {name: values.pop() for name, values in found.items() if len(values) == 1}


def my_ip() -> str:
    """As oslo.utils has it: the first address of the interface that the default route leaves by."""
    routes = addresses.ip("-4", "route", "show", "default")
    if not routes:
        return NOBODY
    links = addresses.ip("-4", "address", "show", "dev", routes[0]["dev"])
    found = [one["local"] for link in links for one in link.get("addr_info", ())]
    return found[0] if found else NOBODY


def servers(names: list[str]) -> dict[str, Any]:
    """What *names* stand for here, this host's own addresses, and the ports it listens on.

    {"addresses": {"ctl": ["10.0.0.11"], "nowhere": []}, "own": ["127.0.0.1"], "ports": [5672]}
    """
    links = addresses.ip("address", "show")
    own = [one["local"] for link in links for one in link.get("addr_info", ())]
    return {"addresses": addresses.resolved(names), "own": own, "ports": sockets.open_ports()}


def started(users: list[str]) -> list[dict[str, Any]]:
    """Programs of *users* that run here with options of their own, each once; no value is told.

    {"program": "nova-conductor", "user": "nova", "environment": ["OS_DATABASE__CONNECTION"],
     "arguments": [["file", ["/etc/nova/nova.conf"]], ["dir", ["/etc/nova/x/a.conf"]]],
     "files": [all of those], "texts": {...}, "given": {...}}
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            one = _program(entry, users)
        except (OSError, KeyError):
            continue  # it has ended
        if one and (one["arguments"] or one["environment"]):
            found[json.dumps(one, sort_keys=True)] = one
    for one in found.values():
        folders = sorted({os.path.dirname(path) for path in one["files"]})
        beside = [f"/etc/{one['user']}/*.conf", f"/etc/{one['user']}/*.conf.d/*.conf"]
        wanted = [glob.escape(path) for path in one["files"]]
        one.update(read([*wanted, *beside, *(f"{glob.escape(path)}/*.conf" for path in folders)]))
    return list(found.values())


def _program(entry: str, users: list[str]) -> dict[str, Any]:
    user = pwd.getpwuid(os.stat(f"/proc/{entry}").st_uid).pw_name
    if user not in users:
        return {}
    words = processes.strings(int(entry), "cmdline")
    names = [one.partition("=")[0] for one in processes.strings(int(entry), "environ")]
    arguments = []
    for kind, path in ARGUMENT.findall(" ".join(words)):
        paths = sorted(glob.glob(f"{glob.escape(path)}/*.conf")) if kind == "dir" else [path]
        arguments.append([kind, paths])
    script = next((word for word in words if not PYTHON.search(word)), words[0])
    return {
        "program": os.path.basename(script),
        "user": user,
        "arguments": arguments,
        "files": sorted({path for _, paths in arguments for path in paths}),
        "environment": sorted({name for name in names if VARIABLE.fullmatch(name)}),
    }
