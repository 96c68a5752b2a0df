"""What a compute host's own files say: those that a unit which runs there reads, without ours."""

import glob
import re
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.onhost import call

FILES = ("/etc/{}/*.conf", "/etc/{}/*.conf.d/*.conf", "/etc/{}/*.ini", "/etc/{}/plugins/*/*.ini")
ARGUMENT = re.compile(r"--config-(file|dir)[= ]\s*(\S+)")

Texts = dict[str, dict[str, str]]  # of each unit, by path


def read(
    context: Context, host: Host, running: Mapping[str, Any] | None = None
) -> tuple[Texts, dict[str, str]]:
    """What each unit reads on *host*, and what that gives for options that are not set.

    The units are those of *running*, of `exchange.running`, or all that run there now.
    """
    projects = {
        name: recipe.project
        for recipe in context.recipes
        for name in (
            *recipe.compute_units,
            *recipe.source_data_plane_units,
            *(one.name for one in (*recipe.host_units, *recipe.network_units)),
        )
    }
    if running is None:
        running = call(host, "exchange.running", sorted(projects))
    named = {
        name: list(_patterns(projects[name], name, one["arguments"]))
        for name, one in running.items()
    }
    listed = [recipe.project for recipe in context.recipes if recipe.compute_units]
    patterns = {one.format(project) for project in listed for one in FILES}.union(*named.values())
    found: dict[str, Any] = call(host, "configured.read", sorted(patterns))
    ours = {
        one.overlay
        for recipe in context.recipes
        for one in (*recipe.host_units, *recipe.network_units)
    }
    own = {path: text for path, text in found["texts"].items() if path not in ours}
    return {name: _matched(own, its) for name, its in named.items()}, found["given"]


def together(texts: Texts) -> dict[str, str]:
    """Those of all units, by path."""
    return {path: text for one in texts.values() for path, text in one.items()}


def _matched(texts: Mapping[str, str], patterns: Collection[str]) -> dict[str, str]:
    return {
        path: text
        for path, text in texts.items()
        if any(fnmatchcase(path, pattern) for pattern in patterns)
    }


def _patterns(project: str, program: str, arguments: Collection[str]) -> Iterator[str]:
    """As oslo.config finds the files of *program*."""
    given = {"file": list[str](), "dir": list[str]()}
    for kind, path in ARGUMENT.findall(" ".join(arguments)):
        given[kind].append(glob.escape(path.rstrip("/")))
    usual = [f"/etc/{project}/{one}.conf" for one in (project, program)]
    yield from given["file"] or usual
    for folder in given["dir"] or [f"{one}.d" for one in usual]:
        yield f"{folder}/*.conf"
