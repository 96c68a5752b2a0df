"""What a lab has on this host besides files: found by name, whatever its state folder says."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from infra.nspawn.command import attempt
from tests.lab.settings import Lab


def find(lab: Lab) -> list[str]:
    """One line for each thing that would be left if nothing more were done."""
    names = set(lab.addresses)
    found = [f"mount {path}" for path in mounts(lab.home)]
    found += [f"loop device {device}" for device in loops(lab.home)]
    found += [f"link {link}" for link in _links(lab, names)]
    found += [f"name space sidestep-{name}" for name in names if _space(name).exists()]
    found += [f"control group {path}" for name in names for path in _groups(name)]
    found += [f"process {pid}" for pid in (*containers(names), *loads(lab))]
    if lab.host_bridge.table in attempt("nft", "list", "tables").stdout.split():
        found.append(f"nft table {lab.host_bridge.table}")
    if lab.home.exists():
        found.append(f"folder {lab.home}")
    return sorted(found)


def mounts(home: Path) -> list[str]:
    """Everything mounted below *home*, the innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = (line.split()[4] for line in lines)
    return sorted((p for p in points if Path(p).is_relative_to(home)), reverse=True)


def loops(home: Path) -> list[str]:
    """Loop devices on files below *home*."""
    listed = attempt("losetup", "--list", "--json", "--output", "NAME,BACK-FILE").stdout
    devices = json.loads(listed)["loopdevices"] if listed.strip() else []
    return [one["name"] for one in devices if Path(one["back-file"]).is_relative_to(home)]


def _links(lab: Lab, names: set[str]) -> list[str]:
    wanted = {lab.bridge, *(f"{end}-{name}" for name in names for end in "hp")}
    return [link for link in os.listdir("/sys/class/net") if link in wanted]  # noqa: PTH208


def _space(name: str) -> Path:
    return Path("/run/netns", f"sidestep-{name}")


def _groups(name: str) -> list[Path]:
    # not glob, which fails when another's group goes away meanwhile
    named = f"sidestep-{name}"
    return [Path(at, named) for at, folders, _ in os.walk("/sys/fs/cgroup") if named in folders]


def loads(lab: Lab) -> list[int]:
    """The load's process, if there is one."""
    return _processes({"tests.lab.loading.run", str(lab.home)})


def containers(names: set[str]) -> list[int]:
    """Processes that run these machines."""
    return [pid for name in names for pid in _processes({f"--machine={name}"})]


def _processes(marks: set[str]) -> list[int]:
    """Processes with all of *marks* among their arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            if marks <= set((folder / "cmdline").read_text().split("\0")):
                found.append(int(folder.name))
    return found
