"""The units of a host that the target's release takes over, and what they need of files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.computes import translation
from migrate.onhost import call
from migrate.services.unit import HostUnit, Shipped

Row = list[Any]  # [path, text, mode, "user:group"]
Running = dict[str, Any]  # see onhost/exchange.py


def known(context: Context, host: Host) -> list[HostUnit]:
    """All that recipes tell of for a host of its kind, in the order in which they are started."""
    carries = context.is_network_host(host)
    return [
        unit
        for recipe in context.recipes
        for unit in (recipe.network_units if carries else recipe.host_units)
    ]


def running(context: Context, host: Host) -> Running:
    """What of them runs there, and how."""
    found: Running = call(host, "exchange.running", [one.name for one in known(context, host)])
    return found


def down(context: Context, host: Host) -> list[str]:
    """What of them was exchanged there and does not run."""
    found: list[str] = call(host, "exchange.down", [one.name for one in known(context, host)])
    return found


def resting(context: Context, host: Host) -> list[str]:
    """What of them does not run there and will: it would meet the release as the old one."""
    found: list[str] = call(host, "exchange.resting", [one.name for one in known(context, host)])
    return found


def unknown(context: Context, host: Host) -> list[str]:
    """Units of a service that run there and that no recipe tells how to renew."""
    ours = {one.name for one in known(context, host)}
    names = {name for recipe in context.recipes for name in recipe.source_data_plane_units}
    names |= {name for recipe in context.recipes for name in recipe.compute_units}
    return sorted(call(host, "exchange.running", sorted(names - ours)))


def bare(context: Context, host: Host, found: Running) -> list[str]:
    """What is told of each of *found* that names no file of options.

    One that is named turns oslo.config's own off, a folder does not.
    """
    return [
        f"{one.name} names no file of options: it reads its own, and with ours named would not"
        for one in known(context, host)
        if one.name in found and not _names_file(arguments(one, found)[:-2])
    ]


def renewed(context: Context, host: Host) -> bool:
    """Whether something of them runs there, and all of it as the release's program."""
    found = running(context, host)
    return bool(found) and all(_is_new(context, one["program"]) for one in found.values())


def new(context: Context, host: Host) -> list[str]:
    """What runs there as the release's program."""
    found = running(context, host)
    return [name for name, one in found.items() if _is_new(context, one["program"])]


def old(context: Context, host: Host) -> list[str]:
    """What runs there as any other program; what was exchanged and does not run is none of it."""
    found = running(context, host)
    fallen = set(down(context, host))
    return [
        name
        for name, one in found.items()
        if name not in fallen and not _is_new(context, one["program"])
    ]


def begun(context: Context, host: Host) -> dict[str, str]:
    """The main process of each of them that runs there, or that systemd is about to start."""
    shown: dict[str, dict[str, str]] = call(
        host, "systemd.show", [one.name for one in known(context, host)]
    )
    return {
        name: one["MainPID"]
        for name, one in shown.items()
        if one.get("ActiveState") in ("active", "activating", "reloading")
    }


def ended(context: Context, host: Host, before: dict[str, str]) -> list[str]:
    """Those of *before*, of `begun`, that have ended since, though they may run again: a loop."""
    now = begun(context, host)
    return sorted(name for name, pid in before.items() if pid == "0" or now.get(name) != pid)


def _is_new(context: Context, program: str) -> bool:
    return bool(program.startswith(f"{context.installation.folder}/"))


def files(context: Context, host: Host, units: Iterable[HostUnit], found: Running) -> Iterator[Row]:
    """What *units*, which run as *found* says, read and may do, beside the unit files themselves.

    The release's environment stands on *host*.
    """
    rights, listed = [], list(units)
    told = translation.settings(context, host, {one.name: found[one.name] for one in listed})
    for one in listed:
        user = found[one.name]["user"]
        text = _overlay(context, one, arguments(one, found), told[one.name])
        yield [one.overlay, text, 0o640, f"root:{user}"]
        rights += [f"{user} ALL = (root) NOPASSWD: {_filled(context, r)}\n" for r in one.rights]
    for shipped in dict.fromkeys(one.rootwrap for one in listed if one.rootwrap):
        yield [f"/etc/{shipped.to}", _rights(context, host, shipped), 0o644, "root:root"]
    several = "".join(dict.fromkeys(rights))
    yield [context.installation.sudoers, several, 0o440, "root:root"]


def command(context: Context, unit: HostUnit, found: Running) -> str:
    """What *unit* starts: the release's program, with the arguments that the old one has."""
    return " ".join([context.installation.tool(unit.name), *arguments(unit, found)])


def arguments(unit: HostUnit, found: Running) -> list[str]:
    """Those of the host's own, and our file of settings as the last."""
    given, ours = list[str](found[unit.name]["arguments"]), ["--config-file", unit.overlay]
    return [*(given[: -len(ours)] if given[-len(ours) :] == ours else given), *ours]


def _overlay(
    context: Context, unit: HostUnit, given: list[str], named: Iterable[translation.Named]
) -> str:
    """The file of settings, and what *named* old controllers; the host's own files stay."""
    files = " ".join(_files(given))
    sections: dict[str, list[str]] = {}
    for one in unit.settings:
        if context.target.release >= one.release:
            value = _filled(context, one.value, files)
            lines = sections.setdefault(one.section, [])
            lines += [f"# {one.why}", f"{one.option} = {value}"]
    for told in named:
        lines = sections.setdefault(told.line.section, [])
        lines += [f"# in place of {', '.join(told.names)}", told.setting]
    texts = ["\n".join([f"[{name}]", *lines, ""]) for name, lines in sections.items()]
    return "\n".join(["# Written by sidestep, read after this host's own files.", *texts])


def _files(given: list[str]) -> Iterator[str]:
    """Those of the arguments *given* that name files of options, without all others."""
    follows = False
    for one in given:
        option = one.partition("=")[0]
        if follows or option in ("--config-file", "--config-dir"):
            yield one
        follows = not follows and one in ("--config-file", "--config-dir")


def _names_file(given: Iterable[str]) -> bool:
    return any(one.partition("=")[0] == "--config-file" for one in given)


def _rights(context: Context, host: Host, shipped: Shipped) -> str:
    """The release's own rootwrap.conf, which finds its filters and programs in its environment."""
    own = context.installation
    path = f"{own.shipped}/{shipped.path}"
    text = re.sub(r"(?m)^filters_path *=.*$", f"filters_path={path[:-5]}.d", host.read(path))
    return re.sub(r"(?m)^exec_dirs *= *", f"exec_dirs={own.tools},", text)


def _filled(context: Context, value: str, named: str = "") -> str:
    return value.replace("{tools}", context.installation.tools).replace("{files}", named)
