"""The text of the unit and uwsgi files of every service."""

from __future__ import annotations

from functools import cache
from importlib import resources

import jinja2

from infra.controller.files import File
from infra.controller.part import Place
from migrate.services import units
from migrate.services.unit import Unit

UNITS = "/etc/systemd/system"
UWSGI = "/etc/sidestep/uwsgi"


@cache
def template(name: str) -> jinja2.Template:
    """One of the templates that stand beside this module."""
    # these are configuration files, not HTML
    environment = jinja2.Environment(  # noqa: S701
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(resources.files(__package__).joinpath(name).read_text())


def _command(service: Unit) -> str:
    if service.port:
        return f"uwsgi --ini {UWSGI}/{service.name}.ini"
    log = f"--log-file /var/log/{service.user}/{service.name}.log"
    return service.command.format(log=log)


def files(place: Place) -> list[File]:
    """Unit and uwsgi files of every service on *place*."""
    made = []
    for service in units():
        unit = template("unit.service.j2").render(
            name=service.name,
            release=place.release,
            path=place.installation.path,
            # uwsgi starts as root and gives that up itself, for its log's sake
            user="root" if service.port else service.user,
            home=service.user,
            command=place.installation.tool(_command(service)),
            kill=service.kill,
        )
        made.append(File(f"{UNITS}/{service.unit}", unit))
        if service.port:
            made.append(File(f"{UWSGI}/{service.name}.ini", _ini(service, place)))
    return made


def _ini(service: Unit, place: Place) -> str:
    webroot = place.webroot.rstrip("/")
    return template("uwsgi.ini.j2").render(
        name=service.name,
        user=service.user,
        address=place.address,
        port=service.port,
        module=service.module,
        venv=place.installation.folder,
        processes=service.processes,
        threads=service.threads,
        lines=[line.format(webroot=webroot) for line in service.uwsgi],
    )
