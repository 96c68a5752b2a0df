"""In place: the units of a compute host start the release's programs; its servers run on.

Nothing of the host's own is changed: a unit is given a drop-in that starts the release's program,
with the arguments that the old one runs with and a file of settings more. The way back is to take
these away and start the unit again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from migrate.cloud import Context, wait
from migrate.cloud.host import Host
from migrate.engine import finding
from migrate.engine.finding import Finding, error, filled
from migrate.errors import StepError
from migrate.onhost import call
from migrate.services.unit import HostUnit, Shipped

NOTE = "settle-units"
DROP_IN_NAME = "sidestep.conf"
SECONDS = 240.0  # as takeover/agents.py's
PLAIN = re.compile(r"[\w@=:,./+-]+")  # an argument that means the same in a unit file

LEAVE, STOP = "leave the host out with --host", "stop it, or leave the host out with --host"

Row = list[Any]  # [path, text, mode, "user:group"]

DROP_IN = """# Written by sidestep; `migrate settle --back` and `migrate rollback` take it away.
[Service]
Type=simple
KillMode=mixed
Environment=PATH={path} PYTHONWARNINGS=ignore
ExecStart=
ExecStart={command}
"""


def renewed(context: Context, host: Host) -> bool:
    """Whether all that is exchanged runs here, and as the release's program."""
    names = [one.name for one in _units(context)]
    running = call(host, "exchange.running", names)
    return bool(running) and all(_is_new(context, one["program"]) for one in running.values())


def renew(context: Context, host: Host) -> None:
    """Exchange what runs here, unit by unit; StepError where one does not come up."""
    running = _there(context, host)
    there = [one for one in _units(context) if one.name in running]
    rows = list(_rows(context, host, there, running))
    names = [one.name for one in there]
    wrong = call(
        host, "exchange.forward", NOTE, rows, names, SECONDS, timeout=SECONDS * len(names) + 60
    )
    if wrong:
        raise StepError(f"{host.name}: {'; '.join(wrong)}; see its journal there")
    wait.until(
        lambda: renewed(context, host),
        SECONDS,
        f"{host.name}: {', '.join(names)} were started and do not run {context.target.release}",
    )


def restore(context: Context, host: Host) -> None:
    """Let the old programs run again, and wait until they do; nothing where none was exchanged."""
    if wrong := _back(context, host, SECONDS):
        raise StepError(f"{host.name}: {'; '.join(wrong)}; see its journal there")
    wait.until(
        lambda: not new(context, host), SECONDS, f"{host.name}: the old programs do not run again"
    )


def let_go(context: Context, host: Host) -> None:
    """The same, and nobody waits: on the way back of the whole what they ask first may be dead."""
    _back(context, host, 0)


def _back(context: Context, host: Host, seconds: float) -> list[str]:
    names = [one.name for one in _units(context)]
    given = (NOTE, names, context.installation.folder, seconds)
    wrong: list[str] = call(host, "exchange.back", *given, timeout=seconds * len(names) + 60)
    return wrong


def findings(context: Context, host: Host) -> list[Finding]:
    """What runs there that is not understood, all of it; changes nothing."""
    return _against(context, host, _running(context, host))


def refuse(context: Context, host: Host) -> None:
    """PreconditionError that tells it."""
    _there(context, host)


def new(context: Context, host: Host) -> list[str]:
    """What runs there as the release's program."""
    running = call(host, "exchange.running", [one.name for one in _units(context)])
    return [name for name, one in running.items() if _is_new(context, one["program"])]


def _there(context: Context, host: Host) -> dict[str, Any]:
    """What is exchanged and runs there; PreconditionError where that cannot be done."""
    running = _running(context, host)
    finding.refuse(_against(context, host, running))
    return running


def _running(context: Context, host: Host) -> dict[str, Any]:
    names = [one.name for one in _units(context)]
    found: dict[str, Any] = call(host, "exchange.running", names)
    return found


def _against(context: Context, host: Host, running: Mapping[str, Any]) -> list[Finding]:
    return list(filled(_strange(context, host, running), check="units", where=host.name))


def _strange(context: Context, host: Host, running: Mapping[str, Any]) -> Iterator[Finding]:
    if unknown := _unknown(context, host):
        yield error(f"{', '.join(unknown)} runs there, which is not renewed in place", STOP)
    if not running:
        yield error("nothing of OpenStack runs there", "start it first")
    for name, one in running.items():
        program = str(one["program"])
        if not program.startswith(("/usr/bin/", f"{context.installation.folder}/")):
            yield error(
                f"{name} runs as {program or one['arguments'][:2]}, and only a program of the "
                "system's packages, in /usr/bin, is renewed in place",
                LEAVE,
            )
        if strange := [word for word in one["arguments"] if not PLAIN.fullmatch(word)]:
            yield error(f"{name} runs with arguments that are not understood: {strange}", LEAVE)
    for name, paths in call(host, "exchange.overriding", list(running), DROP_IN_NAME).items():
        told = f"{', '.join(paths)} is read after our drop-in of {name} and would undo it"
        yield error(told, f"give it a name before {DROP_IN_NAME}, or leave the host out")


def _units(context: Context) -> Iterator[HostUnit]:
    return (unit for recipe in context.recipes for unit in recipe.host_units)


def _unknown(context: Context, host: Host) -> list[str]:
    """Units of a service that run here and that no recipe can exchange."""
    known = {one.name for one in _units(context)}
    names = {name for recipe in context.recipes for name in recipe.source_data_plane_units}
    names |= {name for recipe in context.recipes for name in recipe.compute_units}
    return sorted(call(host, "exchange.running", sorted(names - known)))


def _is_new(context: Context, program: str) -> bool:
    return bool(program.startswith(f"{context.installation.folder}/"))


def _rows(
    context: Context, host: Host, units: Iterable[HostUnit], running: dict[str, Any]
) -> Iterator[Row]:
    rights = []
    for one in units:
        user = running[one.name]["user"]
        arguments = [*_own(one, running[one.name]), *_read(one.overlay)]
        yield [one.overlay, _overlay(context, one, arguments), 0o640, f"root:{user}"]
        if one.rootwrap:
            yield [
                f"/etc/{one.rootwrap.to}",
                _rights(context, host, one.rootwrap),
                0o644,
                "root:root",
            ]
        command = " ".join([context.installation.tool(one.name), *arguments])
        text = DROP_IN.format(path=context.installation.path, command=command)
        yield [f"/etc/systemd/system/{one.unit}.d/{DROP_IN_NAME}", text, 0o644, "root:root"]
        rights += [f"{user} ALL = (root) NOPASSWD: {_filled(context, r)}\n" for r in one.rights]
    yield [context.installation.sudoers, "".join(rights), 0o440, "root:root"]


def _own(unit: HostUnit, running: Mapping[str, Any]) -> list[str]:
    """The arguments of the host's own, as the unit runs with them now."""
    given, ours = list[str](running["arguments"]), _read(unit.overlay)
    return given[: -len(ours)] if given[-len(ours) :] == ours else given


def _read(overlay: str) -> list[str]:
    return ["--config-file", overlay]


def _overlay(context: Context, unit: HostUnit, arguments: list[str]) -> str:
    """The file of settings; the host's own files stay as they are."""
    files = " ".join(_files(arguments))
    sections: dict[str, list[str]] = {}
    for one in unit.settings:
        if context.target.release >= one.release:
            value = _filled(context, one.value, files)
            lines = sections.setdefault(one.section, [])
            lines += [f"# {one.why}", f"{one.option} = {value}"]
    told = ["\n".join([f"[{name}]", *lines, ""]) for name, lines in sections.items()]
    return "\n".join(["# Written by sidestep, read after this host's own files.", *told])


def _files(arguments: list[str]) -> Iterator[str]:
    """Those of *arguments* that name files of options, without all others."""
    follows = False
    for one in arguments:
        option = one.partition("=")[0]
        if follows or option in ("--config-file", "--config-dir"):
            yield one
        follows = not follows and one in ("--config-file", "--config-dir")


def _rights(context: Context, host: Host, shipped: Shipped) -> str:
    """The release's own rootwrap.conf, which finds its filters and programs in its environment."""
    own = context.installation
    path = f"{own.shipped}/{shipped.path}"
    text = re.sub(r"(?m)^filters_path *=.*$", f"filters_path={path[:-5]}.d", host.read(path))
    return re.sub(r"(?m)^exec_dirs *= *", f"exec_dirs={own.tools},", text)


def _filled(context: Context, value: str, files: str = "") -> str:
    return value.replace("{tools}", context.installation.tools).replace("{files}", files)
