"""The target's APIs on the clone, between a beginning and an end that leaves nothing of them.

They are the units that will serve, with the release and the configuration that they will have; only
their databases are led to the clone, as those of the tools are. `onhost/shadow.py` gives them a
place from which nothing leaves. A process that has read ids there never serves: all are killed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any

from migrate.cloud import Context, wait
from migrate.cloud.host import Host
from migrate.database import clone, tools
from migrate.database.service_databases import ServiceDatabase
from migrate.errors import StepError, one_line
from migrate.onhost import call, source
from migrate.onhost.shadow import GATE
from migrate.services.base import Recipe
from migrate.services.unit import Unit
from migrate.shadow.gate import Gate, UnansweredError
from migrate.takeover.isolation import PORTS

START_SECONDS = 180.0  # all at once, beside whatever the machine does
PAUSE_SECONDS = 0.3
AT_HOME = ("::1",)


@dataclass(frozen=True, slots=True)
class Served:
    """An API that is started on the clone; where it is asked is the target's own address."""

    recipe: Recipe
    unit: Unit

    @property
    def path(self) -> str:
        """What answers without a token."""
        return next(one.path for one in self.recipe.apis if one.own == self.unit.port)


def served(context: Context) -> list[Served]:
    """What is started, identity first."""
    return [
        Served(recipe, unit)
        for recipe in context.recipes
        for unit in recipe.units
        if unit.port and not unit.no_shadow
    ]


def never(context: Context) -> dict[str, str]:
    """What is not, and why, by unit."""
    found: dict[str, str] = {}
    for recipe in context.recipes:
        found |= {unit.name: unit.no_shadow for unit in recipe.units if unit.no_shadow}
        found |= recipe.no_shadow
    return found


@contextmanager
def running(context: Context, copies: list[ServiceDatabase]) -> Iterator[Gate]:
    """The way to them while they serve from *copies*; StepError names what does not answer."""
    host = context.target.tools
    those = served(context)
    try:
        _begin(context, host, those, copies)
        with Gate(host, GATE) as gate:
            _wait(host, gate, those)
            yield gate
    finally:
        call(host, "shadow.end", timeout=120)


def _begin(
    context: Context, host: Host, those: list[Served], copies: list[ServiceDatabase]
) -> None:
    addresses = [host.address, *(str(one.address) for one in context.target.virtual_ips)]
    environment = {
        one.unit.name: tools.environment(
            one.recipe, [copy for copy in copies if copy.project == one.recipe.project]
        )
        for one in those
    }
    call(
        host,
        "shadow.begin",
        {one.unit.name: one.recipe.user for one in those},
        environment,
        addresses,
        rules(context, addresses),
        source("shadow_gate"),
        [f"{host.address}:{one.unit.port}" for one in those],
        clone.SOCKET.rpartition("/")[0],
    )


def rules(context: Context, addresses: list[str]) -> str:
    """The filter: between the target's own APIs and their proxy all passes, nothing else does."""
    text = resources.files(__package__).joinpath("filter.nft").read_text()
    ports = {
        port for recipe in context.recipes for api in recipe.apis for port in (api.port, api.own)
    }
    words = {
        "@PORTS@": ", ".join(str(port) for port in sorted(ports)),
        "@DAEMONS@": ", ".join(str(port) for port in PORTS),
        "@ADDRESSES4@": ", ".join(one for one in addresses if ":" not in one),
        "@ADDRESSES6@": ", ".join([*AT_HOME, *(one for one in addresses if ":" in one)]),
    }
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _wait(host: Host, gate: Gate, those: list[Served]) -> None:
    """Return when each answers at its own address."""
    waiting = list(those)
    why: dict[str, str] = {}

    def late() -> list[Served]:
        names = [one.unit.name for one in waiting]
        if dead := set(call(host, "shadow.state", names)["dead"]):
            raise _silent(host, [one for one in waiting if one.unit.name in dead], {})
        for one in list(waiting):
            try:
                status, text = gate.ask("GET", f"http://{host.address}:{one.unit.port}{one.path}")
            except UnansweredError as error:  # the gate itself begins
                status, text = 0, str(error)
            why[one.unit.name] = text
            if 0 < status < 500:
                waiting.remove(one)
        return waiting

    if silent := wait.while_any(late, START_SECONDS, PAUSE_SECONDS):
        raise _silent(host, silent, why)


def _silent(host: Host, those: list[Served], why: dict[str, str]) -> StepError:
    """What the first of *those* has written before it ended, or why it does not answer."""
    one = those[0]
    told = call(host, "shadow.said", one.unit.name, one.recipe.user) or why.get(one.unit.name, "")
    names = ", ".join(each.unit.name for each in those)
    return StepError(f"{host.name}: on the clone {names} did not serve: {one_line(told, 600)}")


def state(context: Context) -> dict[str, Any]:
    """What is dead of them, what the filter has counted, what all has taken of memory."""
    names = [one.unit.name for one in served(context)]
    return dict(call(context.target.tools, "shadow.state", names))
