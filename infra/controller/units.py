"""Unit files, uwsgi files, rights of rootwrap, and what the release ships for /etc."""

from __future__ import annotations

from infra.controller import files, record, services
from infra.controller.files import File
from infra.controller.part import Facts, Place
from migrate.cloud.host import Host

SUDOERS = "/etc/sudoers.d/sidestep"
ROOTWRAP = ("nova", "neutron", "cinder", "glance")

# under <venv>/etc -> under /etc; a folder is copied with what it holds
SHIPPED = {
    "nova/api-paste.ini": "nova/api-paste.ini",
    "neutron/api-paste.ini": "neutron/api-paste.ini",
    "cinder/api-paste.ini": "cinder/api-paste.ini",
    "cinder/resource_filters.json": "cinder/resource_filters.json",
    "glance/glance-api-paste.ini": "glance/glance-api-paste.ini",
    "glance/metadefs": "glance/metadefs",
    "heat/api-paste.ini": "heat/api-paste.ini",
    "heat/environment.d": "heat/environment.d",
    "heat/templates": "heat/templates",
    **{f"{name}/rootwrap.conf": f"{name}/rootwrap.conf" for name in ROOTWRAP},
    **{f"{name}/rootwrap.d": f"{name}/rootwrap.d" for name in ROOTWRAP},
    "os-brick/rootwrap.d": "cinder/rootwrap.d",
}

SHIP = """
import glob, os, re, shutil
venv, table = payload
shipped = venv + "/etc/"
for name in table.values():
    if name.endswith("rootwrap.d"):
        shutil.rmtree("/etc/" + name, ignore_errors=True)  # filters of another release
for source, name in table.items():
    source, name = shipped + source, "/etc/" + name
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
                stream.write(re.sub(r"(?m)^exec_dirs *= *", f"exec_dirs={venv}/bin,", text))
"""

SHIPPED_READ = """
import os
venv, table = payload
result = {name: "there" for source, name in table.items()
          if os.path.exists("/etc/" + name) or not os.path.exists(venv + "/etc/" + source)}
for name in [name for name in result if name.endswith("rootwrap.conf")]:
    with open("/etc/" + name) as stream:
        if f"exec_dirs={venv}/bin," not in stream.read():
            result[name] = "of another release"
"""

REMOVE = """
for unit; do
  systemctl disable -q --now "$unit" 2>/dev/null || true
done
"""


def _sudoers(place: Place) -> File:
    venv = f"{place.venv}/bin"
    path = f"{venv}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    lines = [f'Defaults secure_path="{path}"']
    for name in ROOTWRAP:
        line = f"{name} ALL = (root) NOPASSWD: {venv}/{name}-rootwrap /etc/{name}/rootwrap.conf *"
        if name == "neutron":
            line += f", {venv}/neutron-rootwrap-daemon /etc/neutron/rootwrap.conf"
        lines.append(line)
    return File(SUDOERS, "\n".join(lines) + "\n", mode=0o440)


def _files(place: Place) -> list[File]:
    return [*services.files(place), _sudoers(place)]


class Units:
    """Facts: `{"files": {path: digest}, "shipped": {"nova/api-paste.ini": "there"}}`.

    Which units are enabled and run is `migrate`'s, and so is what the shipped files become.
    """

    def wanted(self, place: Place) -> Facts:
        shipped = dict.fromkeys(SHIPPED.values(), "there")
        return {"files": files.digests(_files(place)), "shipped": shipped}

    def read(self, host: Host, place: Place) -> Facts:
        return {
            "files": files.read(host, [file.path for file in _files(place)]),
            "shipped": host.python(SHIPPED_READ, [place.venv, SHIPPED]),
        }

    def apply(self, host: Host, place: Place) -> None:
        record.remember(host, "units", {"files": [file.path for file in _files(place)]})
        if self.read(host, place)["shipped"] != self.wanted(place)["shipped"]:
            host.python(SHIP, [place.venv, SHIPPED])
        files.write(host, _files(place))
        host.run("visudo", "-c", "-q", "-f", SUDOERS)
        host.run("systemctl", "daemon-reload")

    def remove(self, host: Host, place: Place) -> None:
        paths = record.recall(host, "units").get("files", [])
        units = [path.rpartition("/")[2] for path in paths if path.endswith(".service")]
        if units:
            host.shell(REMOVE, *units, timeout=300)
        files.remove(host, paths)
        host.run("systemctl", "daemon-reload")
        record.forget(host, "units")
