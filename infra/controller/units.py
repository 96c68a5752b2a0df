"""Unit files, uwsgi files, rights of rootwrap, and what the release ships for /etc."""

from __future__ import annotations

from infra.controller import files, record, services
from infra.controller.files import File
from infra.controller.part import Facts, Place
from migrate.cloud.host import Host
from migrate.onhost import call
from migrate.services import RECIPES

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


def _shipping(place: Place) -> tuple[str, str, dict[str, str]]:
    return place.installation.shipped, place.installation.tools, _shipped()


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
            "shipped": call(host, "release.shipped", *_shipping(place)),
        }

    def apply(self, host: Host, place: Place) -> None:
        record.remember(host, "units", {"files": [file.path for file in _files(place)]})
        if self.read(host, place)["shipped"] != self.wanted(place)["shipped"]:
            call(host, "release.ship", *_shipping(place))
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
