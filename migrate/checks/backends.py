"""Volumes, images and networks are kept by what code here moves, or the move is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from migrate.checks import options
from migrate.checks.check import Check
from migrate.checks.options import Options
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, Severity
from migrate.services.base import Recipe

NAME = "backends"
NFS = "cinder.volume.drivers.nfs.NfsDriver"
LVM = "cinder.volume.drivers.lvm.LVMVolumeDriver"  # what cinder takes where nothing is said
SHARES = "/etc/cinder/nfs_shares"
FILES = ("file", "filesystem", "http")  # http keeps nothing
SHARED = ("swift", "s3")  # both sides use the store, whose images are neither copied nor held
DRIVERS = ("openvswitch", "l2population", "logger")
ML2 = ("ml2", "neutron.plugins.ml2.plugin.Ml2Plugin")

PLUGGED = (
    ("neutron.service_plugins", "DEFAULT", "service_plugins"),
    ("neutron.ml2.extension_drivers", "ml2", "extension_drivers"),
    ("neutron.ml2.type_drivers", "ml2", "type_drivers"),
)

# what neutron of the target's release can load, asked of that release itself
PLUGINS = """
import importlib.metadata, importlib.util, json, sys
def loads(group, name):
    if any(one.name == name for one in importlib.metadata.entry_points(group=group)):
        return True
    try:
        return "." in name and importlib.util.find_spec(name.rpartition(".")[0]) is not None
    except ImportError:
        return False
print(json.dumps([loads(*one) for one in json.loads(sys.argv[1])]))
"""

Told = tuple[Severity, str, str]


def run(context: Context) -> list[Finding]:
    """Back ends and drivers of the source that no code here moves, or the target cannot load."""
    found = []
    for recipe in context.recipes:
        if recipe.project in JUDGES:
            program, judge = JUDGES[recipe.project]
            for host in context.source.controllers:
                given = options.read(host, recipe, program)
                told = [*judge(recipe, given), *_absent(context, recipe, given)]
                found += [Finding(NAME, *one, host.name) for one in told]
    return found


def volumes(recipe: Recipe, given: Options) -> Iterator[Told]:
    """Each of cinder's enabled back ends."""
    for name in given.listed("DEFAULT", "enabled_backends"):
        common = given.get("backend_defaults", "volume_driver", LVM)
        driver = given.get(name, "volume_driver", common)
        if driver != NFS:
            yield (
                Severity.ERROR,
                f"cinder's back end {name} is of {driver}, whose volumes no code here moves",
                f"Retype its volumes to an NFS back end and take {name} out of enabled_backends; "
                "only NFS shares that both sides mount are moved",
            )
            continue
        shares = given.get(name, "nfs_shares_config", SHARES)
        if not given.get(name, "nas_host") and shares not in recipe.carried:
            yield (
                Severity.ERROR,
                f"cinder's back end {name} reads its shares from {shares}, which is not carried",
                f"Put them into {recipe.carried[0]} and set nfs_shares_config to it",
            )


def images(_: Recipe, given: Options) -> Iterator[Told]:
    """Each of glance's stores, named in the new way or in the old one."""
    named = given.listed("DEFAULT", "enabled_backends")
    stores = dict(one.partition(":")[::2] for one in named)
    if not named:
        stores = {one: one for one in given.listed("glance_store", "stores", "file, http")}
        default = given.get("glance_store", "default_store", "file")
        stores[default] = default
    for name, written in stores.items():
        kind = written.strip()
        if kind in SHARED:
            yield (
                Severity.WARNING,
                f"glance's store {name} is of kind {kind}: both sides use it, its images are "
                "neither copied nor compared, and deleting one on the target deletes it",
                "Keep a copy of what must not be lost",
            )
        elif kind not in FILES:
            yield (
                Severity.ERROR,
                f"glance's store {name} is of kind {kind or 'unknown'}, which no code here moves",
                f"Move its images to a file store and take {name} out of glance-api.conf",
            )


def networks(_: Recipe, given: Options) -> Iterator[Told]:
    """Neutron's core plugin and the drivers below it."""
    core = given.get("DEFAULT", "core_plugin", "ml2")
    if core not in ML2:
        yield (
            Severity.ERROR,
            f"neutron's core_plugin is {core}, which no code here moves",
            "Only ml2 is moved",
        )
    for name in given.listed("ml2", "mechanism_drivers"):
        if name not in DRIVERS:
            yield (
                Severity.ERROR,
                f"neutron's mechanism driver {name} is not moved",
                f"Only {', '.join(DRIVERS[:2])} are; take {name} out once no port is bound by it",
            )


def _absent(context: Context, recipe: Recipe, given: Options) -> Iterator[Told]:
    """Plugins of neutron that the target's release does not have: it would not start with them."""
    if recipe.project != "neutron":
        return
    wanted = [
        (group, option, name)
        for group, section, option in PLUGGED
        for name in given.listed(section, option)
    ]
    for host in context.target.controllers:
        for (_, option, name), there in zip(wanted, _loads(context, host, wanted), strict=True):
            if not there:
                yield (
                    Severity.ERROR,
                    f"neutron's {option} names {name}, which {host.name} cannot load",
                    f"Take {name} out once nothing uses it; the target has neutron alone",
                )


def _loads(context: Context, host: Host, wanted: list[tuple[str, str, str]]) -> list[bool]:
    asked = json.dumps([(group, name) for group, _, name in wanted])
    answer: list[bool] = json.loads(host.run(f"{context.venv}/bin/python", "-c", PLUGINS, asked))
    return answer


# by project: the program whose files say it, and who judges them
JUDGES: dict[str, tuple[str, Callable[[Recipe, Options], Iterator[Told]]]] = {
    "cinder": ("cinder-volume", volumes),
    "glance": ("glance-api", images),
    "neutron": ("neutron-server", networks),
}
CHECK = Check(NAME, "back ends of volumes, images and networks", run)
