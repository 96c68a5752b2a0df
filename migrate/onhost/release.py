"""A release in its virtual environment *venv*: what it has, and what it ships for /etc."""

import glob
import os
import re
import shutil
from typing import Any

from migrate.onhost import disk

LOCK = ".sidestep-lock"
LOCAL = "lib/python3*/site-packages/openstack_dashboard/local/local_settings.py"


def locked(venv: str, lock: dict[str, str]) -> dict[str, Any]:
    """How *venv* differs from *lock*: {"lock": its stamp, "missing": [...], "strange": [...]}."""
    names = {}
    # metadata folders only: asking importlib for 260 distributions takes a second longer
    for folder in glob.glob(f"{venv}/lib/python3*/site-packages/*.dist-info"):
        name, version = os.path.basename(folder)[: -len(".dist-info")].rsplit("-", 1)
        names[re.sub(r"[-_.]+", "-", name).lower()] = version
    return {
        "lock": disk.text_if_there(f"{venv}/{LOCK}").strip(),
        "missing": sorted(f"{n}=={v}" for n, v in lock.items() if names.get(n) != v),
        "strange": sorted(f"{n}=={v}" for n, v in names.items() if n not in lock),
    }


def ship(folder: str, tools: str, table: dict[str, str]) -> None:
    """Copy what *table* names, from below *folder* to below /etc; a folder with what it holds.

    Privileged programs are looked for among the release's own *tools* first.
    """
    for name in table.values():
        if name.endswith("rootwrap.d"):
            shutil.rmtree(f"/etc/{name}", ignore_errors=True)  # filters of another release
    for shipped, name in table.items():
        source, place = f"{folder}/{shipped}", f"/etc/{name}"
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, place, dirs_exist_ok=True, copy_function=shutil.copyfile)
        elif os.path.exists(source):
            shutil.copyfile(source, place)
            os.chmod(place, 0o644)
            if name.endswith("rootwrap.conf"):
                # our programs first, also where Debian's are installed
                text = re.sub(r"(?m)^exec_dirs *= *", f"exec_dirs={tools},", disk.text(place))
                disk.write(place, text, 0o644)


def shipped(folder: str, tools: str, table: dict[str, str]) -> dict[str, str]:
    """What of *table* is in its place: {"nova/rootwrap.conf": "there"}."""
    found = {
        name: "there"
        for source, name in table.items()
        if os.path.exists(f"/etc/{name}") or not os.path.exists(f"{folder}/{source}")
    }
    for name in [name for name in found if os.path.exists(f"/etc/{name}")]:
        if name.endswith("rootwrap.conf") and f"exec_dirs={tools}," not in disk.text(
            f"/etc/{name}"
        ):
            found[name] = "of another release"
    return found


def static(venv: str, stamp: str, settings: str, manifest: str) -> str:
    """What *stamp* says of the dashboard's static files; "" where they cannot be served."""
    links = glob.glob(f"{venv}/{LOCAL}")
    linked = any(os.path.islink(link) and os.readlink(link) == settings for link in links)
    return disk.text_if_there(stamp).strip() if linked and os.path.exists(manifest) else ""
