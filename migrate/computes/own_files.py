"""What a compute host's own files say: those that a unit which runs there reads."""

import glob
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.onhost import call

FILES = ("/etc/{}/*.conf", "/etc/{}/*.conf.d/*.conf", "/etc/{}/*.ini", "/etc/{}/plugins/*/*.ini")
ARGUMENT = re.compile(r"--config-(file|dir)[= ]\s*(\S+)")


def read(context: Context, host: Host) -> tuple[dict[str, str], dict[str, str]]:
    """Files that units which run on *host* read, and what it gives for options that are not set."""
    projects = [recipe.project for recipe in context.recipes if recipe.compute_units]
    patterns = [one.format(project) for project in projects for one in FILES]
    read: dict[str, Any] = call(host, "configured.read", patterns)
    return _by_running(context, host, read["texts"]), read["given"]


def _by_running(context: Context, host: Host, texts: Mapping[str, str]) -> dict[str, str]:
    projects = {
        name: recipe.project
        for recipe in context.recipes
        for name in (
            *recipe.compute_units,
            *recipe.source_data_plane_units,
            *(one.name for one in recipe.host_units),
        )
    }
    running: dict[str, Any] = call(host, "exchange.running", sorted(projects))
    patterns = [
        pattern
        for name, one in running.items()
        for pattern in _patterns(projects[name], name, one["arguments"])
    ]
    return _matched(texts, patterns)


def _matched(texts: Mapping[str, str], patterns: Iterable[str]) -> dict[str, str]:
    listed = list(patterns)
    return {
        path: text
        for path, text in texts.items()
        if any(fnmatchcase(path, pattern) for pattern in listed)
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
