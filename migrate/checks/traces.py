"""Signs that something uses the cloud's daemons or virtual IP, and what each belongs to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.resources import files
from ipaddress import ip_address
from typing import Any

import yaml

from migrate.onhost.daemons import DAEMONS
from migrate.services import RECIPES

SUPPORT = (*DAEMONS, "keepalived", "mysql", "mysqld", "epmd")  # what the recipes stand on
SHARED = ("haproxy", "apache2", "httpd", "nginx", "uwsgi")  # each port may be another service's

_DOCUMENT: dict[str, Any] = yaml.safe_load(files(__package__).joinpath("others.yaml").read_text())
OTHERS: dict[str, dict[str, list[Any]]] = _DOCUMENT["services"]
TOOLS: list[str] = _DOCUMENT["tools"]

UNMOVED = {
    unit: recipe.project
    for recipe in RECIPES
    for unit in recipe.source_control_units
    if unit not in (*recipe.target_units, *recipe.succeeded_units)
}
KNOWN = frozenset(SUPPORT) | {
    unit
    for recipe in RECIPES
    for unit in (
        *recipe.source_control_units,
        *recipe.source_data_plane_units,
        *recipe.compute_units,
    )
    if unit not in UNMOVED
}


@dataclass(frozen=True, slots=True, order=True)
class Trace:
    """One sign of `thing`: what was seen, and on which host."""

    thing: str
    seen: str
    where: str = ""


def base(unit: str) -> str:
    """`octavia-worker` of `octavia-worker@2.service`."""
    return re.sub(r"\.(service|scope|timer)$", "", unit).partition("@")[0]


def is_known(unit: str) -> bool:
    """Whether a recipe moves *unit*, keeps it, or stands on it."""
    return base(unit) in KNOWN


def is_tool(program: str, unit: str) -> bool:
    """Whether it is an operator's or the machine's own."""
    return any(fnmatch(word, tool) for word in (program, base(unit)) for tool in TOOLS)


def service(word: str) -> str:
    """The service of `OTHERS` that a unit, database or queue called *word* is of, or ""."""
    plain = word.removeprefix("openstack-")
    found = [name for name in OTHERS if re.match(rf"{re.escape(name)}(?![a-z0-9])", plain)]
    return max(found, key=len, default="")


def is_openstack(unit: str) -> bool:
    """Whether *unit* is named as those of an OpenStack service are."""
    plain = base(unit).removeprefix("openstack-")
    ours = [recipe.project for recipe in RECIPES]
    return bool(service(plain)) or any(
        re.match(rf"{re.escape(name)}(?![a-z0-9])", plain) for name in ours
    )


def of_unit(unit: str, program: str = "") -> str:
    """What to call the thing that *unit* is of; a container is called by its program."""
    name = program if unit.endswith(".scope") or not unit else base(unit)
    return service(name) or name or "a process of no unit"


def of_port(unit: str, program: str, port: int) -> str:
    """What to call who listens on *port*."""
    name = base(unit) or program
    if name not in KNOWN and name not in SHARED:
        return of_unit(unit, program)
    return _by("ports", port) or f"{name}:{port}"


def is_socket(word: str) -> bool:
    """Whether *word* names one listener, by its address and port."""
    try:
        return bool(ip_address(word.rpartition(":")[0]))
    except ValueError:
        return False


def of_type(kind: str, name: str) -> str:
    """What to call the service of the catalogue that has type *kind*."""
    return _by("types", kind) or service(name) or name or kind


def _by(field: str, value: Any) -> str:
    return next((name for name, one in OTHERS.items() if value in one[field]), "")


def grouped(traces: Iterable[Trace]) -> dict[str, list[Trace]]:
    """The traces of each thing."""
    found: dict[str, list[Trace]] = {}
    for one in sorted(set(traces)):
        found.setdefault(one.thing, []).append(one)
    return found
