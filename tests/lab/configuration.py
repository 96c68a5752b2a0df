"""Writes the machines' configuration into their file systems, before they boot.

Every file under `files/<tree>/` is a template for the file of the same path inside.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path
from typing import Any

import jinja2

from tests.lab import units
from tests.lab.settings import ALL, CephLab, Lab

FILES = Path(__file__).with_name("files")
NETWORK_HOST = (
    *(("compute", one) for one in ("etc/neutron/neutron.conf", "etc/sysctl.d/90-vip.conf")),
    *(("controller", f"etc/neutron/{one}_agent.ini") for one in ("dhcp", "l3", "metadata")),
)

# what of `files/` decides the prepared controller
PREPARED = ("common", "controller", "prepare-infra.sh", "prepare-first.sh", "prepare-second.sh")


def write_controller(lab: Lab, root: Path) -> None:
    """All configuration of the source's controller."""
    address = lab.addresses[lab.controller]
    if "neutron" in lab.services:
        _write_tree(lab, lab.controller, "common", root)
    _write_tree(lab, lab.controller, "controller", root)
    for server in (one for one in units.WEB_SERVERS if one.service in lab.services):
        ini = root / "etc" / server.service / f"{server.unit}-uwsgi.ini"
        _tame(ini, server)
        arguments = f"--http-socket {address}:{server.port} --ini /{ini.relative_to(root)}"
        (root / "etc/default" / server.unit).write_text(f'DAEMON_ARGS="{arguments}"\n')


def write_compute(lab: Lab, name: str, root: Path) -> None:
    """All configuration of a compute host."""
    _write_tree(lab, name, "common", root)
    _write_tree(lab, name, "compute", root)


def write_network_host(lab: Lab, name: str, root: Path) -> None:
    """All configuration of a host that only carries network agents: files that others have."""
    _write_tree(lab, name, "common", root)
    for tree, path in NETWORK_HOST:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(rendered(lab, name, f"{tree}/{path}"))


def rendered(lab: Lab, name: str, template: str) -> str:
    """One file of `files/`, rendered for machine *name*."""
    return _environment(lab, name).get_template(template).render()


def digest(lab: Lab) -> str:
    """Digest of everything that decides what the controller's configuration says."""
    whole = hashlib.sha256(repr(lab).encode())
    for path in sorted(FILES.rglob("*")):
        if path.is_file() and path.relative_to(FILES).parts[0] in PREPARED:
            whole.update(str(path.relative_to(FILES)).encode() + path.read_bytes())
    return whole.hexdigest()


def _write_tree(lab: Lab, name: str, tree: str, root: Path) -> None:
    environment = _environment(lab, name)
    for source in sorted((FILES / tree).rglob("*")):
        if source.is_file() and _of(source) in (None, *lab.services):
            target = root / source.relative_to(FILES / tree)
            target.parent.mkdir(parents=True, exist_ok=True)
            text = environment.get_template(str(source.relative_to(FILES))).render()
            target.write_text(text)  # owner and mode stay those of the package's file


def _environment(lab: Lab, name: str) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FILES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    made.filters |= {"shell": shlex.quote, "sql": _sql}
    made.globals |= _names(lab, name)
    return made


def _names(lab: Lab, name: str) -> dict[str, Any]:
    def database(user: str, schema: str = "") -> str:
        return f"mysql+pymysql://{user}:{lab.quoted('db ' + user)}@{lab.vip}/{schema or user}"

    def login(user: str) -> str:
        return (
            f"auth_type = password\nauth_url = http://{lab.vip}:5000\n"
            "project_domain_name = Default\nuser_domain_name = Default\nproject_name = service\n"
            f"username = {user}\npassword = {lab.password(user)}\nregion_name = RegionOne"
        )

    def validation(user: str) -> str:
        return (
            f"www_authenticate_uri = http://{lab.vip}:5000\nmemcached_servers = {lab.vip}:11211\n"
            "service_token_roles = service\nservice_token_roles_required = true\n" + login(user)
        )

    return {
        "name": name,
        "ip": lab.addresses[name],
        "vip": lab.vip,
        "gateway": f"{lab.prefix}.1",
        "share": lab.share,
        "services": lab.services,
        "volume_type": lab.volume_type,
        "ceph": lab if isinstance(lab, CephLab) else None,
        "proxied": units.proxied(lab.services),
        "units": units.of(lab.services),
        "schemas": units.schemas(lab.services),
        "broker": f"rabbit://openstack:{lab.quoted('rabbit')}@{lab.vip}:5672/",
        "password": lab.password,
        "encryption_key": lambda owner: hashlib.sha256(owner.encode()).hexdigest()[:32],
        "database": database,
        "login": login,
        "validation": validation,
    }


def _sql(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _of(path: Path) -> str | None:
    """The service that a file of the tree belongs to."""
    parts = path.relative_to(FILES).parts
    if {"openstack-dashboard", "apache2"} & set(parts):
        return "horizon"
    return next((one for one in ALL if any(part.startswith(one) for part in parts)), None)


def _tame(ini: Path, server: units.WebServer) -> None:
    """One or two processes instead of eight or sixteen, and no apparmor."""
    text = ini.read_text()
    text = re.sub(r"(?m)^processes *=.*", f"processes = {server.processes}", text)
    text = re.sub(r"(?m)^threads *=.*", f"threads = {server.threads}", text)
    text = re.sub(r"(?m)^plugins *= *python3,apparmor", "plugins = python3", text)
    ini.write_text(re.sub(r"(?m)^apparmor-profile.*\n", "", text))
