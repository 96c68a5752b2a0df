"""Unit files, uwsgi files, rights of rootwrap, and what the release ships for /etc."""

from __future__ import annotations

from typing import Any

from infra.controller import files, record, services
from infra.controller.files import File
from infra.controller.part import Facts, Place
from migrate.cloud.host import Host
from migrate.services import RECIPES

SHIP = """
import glob, os, re, shutil
shipped, tools, table = payload
for name in table.values():
    if name.endswith("rootwrap.d"):
        shutil.rmtree("/etc/" + name, ignore_errors=True)  # filters of another release
for source, name in table.items():
    source, name = shipped + "/" + source, "/etc/" + name
    os.makedirs(os.path.dirname(name), exist_ok=True)
    if os.path.isdir(source):
        shutil.copytree(source, name, dirs_exist_ok=True, copy_function=shutil.copyfile)
    elif os.path.exists(source):
        shutil.copyfile(source, name)
        os.chmod(name, 0o644)
        if name.endswith("rootwrap.conf"):  # our programs first, also where Debian's are installed
            with open(name) as stream:
                text = stream.read()
            with open(name, "w") as stream:
                stream.write(re.sub(r"(?m)^exec_dirs *= *", f"exec_dirs={tools},", text))
"""

SHIPPED_READ = """
import os
shipped, tools, table = payload
result = {name: "there" for source, name in table.items()
          if os.path.exists("/etc/" + name) or not os.path.exists(shipped + "/" + source)}
for name in [name for name in result if name.endswith("rootwrap.conf")]:
    with open("/etc/" + name) as stream:
        if f"exec_dirs={tools}," not in stream.read():
            result[name] = "of another release"
"""

REMOVE = """
for unit; do
  systemctl disable -q --now "$unit" 2>/dev/null || true
done
"""


def _sudoers(place: Place) -> File:
    own = place.installation
    lines = [f'Defaults secure_path="{own.path}"']
    for recipe in RECIPES:
        if not recipe.rootwrap:
            continue
        program, rules = own.tool(f"{recipe.project}-rootwrap"), f"{recipe.folder}/rootwrap.conf"
        line = f"{recipe.user} ALL = (root) NOPASSWD: {program} {rules} *"
        lines.append(line + (f", {program}-daemon {rules}" if recipe.rootwrap_daemon else ""))
    return File(own.sudoers, "\n".join(lines) + "\n", mode=0o440)


def _shipped() -> dict[str, str]:
    """Below the release's etc, and below /etc; a folder is copied with what it holds."""
    rights = ("rootwrap.conf", "rootwrap.d")
    wrapped = [f"{one.project}/{name}" for one in RECIPES if one.rootwrap for name in rights]
    others = {one.path: one.place for recipe in RECIPES for one in recipe.shipped}
    return {**{n: n for n in wrapped}, **others}


def _payload(place: Place) -> list[Any]:
    return [place.installation.shipped, place.installation.tools, _shipped()]


def _files(place: Place) -> list[File]:
    return [*services.files(place), _sudoers(place)]


class Units:
    """Facts: `{"files": {path: digest}, "shipped": {"nova/api-paste.ini": "there"}}`.

    Which units are enabled and run is `migrate`'s, and so is what the shipped files become.
    """

    def wanted(self, place: Place) -> Facts:
        shipped = dict.fromkeys(_shipped().values(), "there")
        return {"files": files.digests(_files(place)), "shipped": shipped}

    def read(self, host: Host, place: Place) -> Facts:
        return {
            "files": files.read(host, [file.path for file in _files(place)]),
            "shipped": host.python(SHIPPED_READ, _payload(place)),
        }

    def apply(self, host: Host, place: Place) -> None:
        record.remember(host, "units", {"files": [file.path for file in _files(place)]})
        if self.read(host, place)["shipped"] != self.wanted(place)["shipped"]:
            host.python(SHIP, _payload(place))
        files.write(host, _files(place))
        host.run("visudo", "-c", "-q", "-f", place.installation.sudoers)
        host.run("systemctl", "daemon-reload")

    def remove(self, host: Host, place: Place) -> None:
        paths = record.recall(host, "units").get("files", [])
        units = [path.rpartition("/")[2] for path in paths if path.endswith(".service")]
        if units:
            host.shell(REMOVE, *units, timeout=300)
        files.remove(host, paths)
        host.run("systemctl", "daemon-reload")
        record.forget(host, "units")
