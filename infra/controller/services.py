"""The table of a controller's services, and the text of their unit and uwsgi files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import jinja2
import yaml

from infra.controller.files import File
from infra.controller.part import Place

UNITS = "/etc/systemd/system"
UWSGI = "/etc/sidestep/uwsgi"
NEUTRON = "--config-file /etc/neutron/neutron.conf"
ML2 = "--config-file /etc/neutron/plugins/ml2/ml2_conf.ini"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One unit. `port` and `module` are an API's, `command` any other program's."""

    name: str
    user: str
    port: int | None = None
    module: str = ""
    command: str = ""
    threads: int = 4
    processes: int = 1
    plane: str = "control"
    kill: str = "mixed"  # some APIs hang in stop when only their master is told
    uwsgi: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """The name that systemd knows it by."""
        return f"{self.name}.service"


@cache
def services() -> tuple[Service, ...]:
    """Every service of a controller, in the order of the table."""
    text = resources.files(__package__).joinpath("units.yaml").read_text()
    rows = yaml.safe_load(text).items()
    return tuple(
        Service(name=name, **{**row, "uwsgi": tuple(row.get("uwsgi", ()))}) for name, row in rows
    )


@cache
def _template(name: str) -> jinja2.Template:
    # these are configuration files, not HTML
    environment = jinja2.Environment(  # noqa: S701
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(resources.files(__package__).joinpath(name).read_text())


def _command(service: Service) -> str:
    if service.port:
        return f"uwsgi --ini {UWSGI}/{service.name}.ini"
    log = f"--log-file /var/log/{service.user}/{service.name}.log"
    return service.command.format(N=NEUTRON, M=ML2, log=log)


def files(place: Place) -> list[File]:
    """Unit and uwsgi files of every service on *place*."""
    made = []
    for service in services():
        unit = _template("unit.service.j2").render(
            name=service.name,
            release=place.release,
            venv=place.venv,
            # uwsgi starts as root and gives that up itself, for its log's sake
            user="root" if service.port else service.user,
            home=service.user,
            command=_command(service),
            kill=service.kill,
        )
        made.append(File(f"{UNITS}/{service.unit}", unit))
        if service.port:
            made.append(File(f"{UWSGI}/{service.name}.ini", _ini(service, place)))
    return made


def _ini(service: Service, place: Place) -> str:
    webroot = place.webroot.rstrip("/")
    return _template("uwsgi.ini.j2").render(
        name=service.name,
        user=service.user,
        address=place.address,
        port=service.port,
        module=service.module,
        venv=place.venv,
        processes=service.processes,
        threads=service.threads,
        lines=[line.format(webroot=webroot) for line in service.uwsgi],
    )
