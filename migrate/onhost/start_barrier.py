"""Put before the first line of a service of the target: it imports, waits, and then begins.

Python runs this file by itself, as `sitecustomize`, where PYTHONPATH leads to it. The service's own
program runs as ever up to where it would read its configuration: so far it has only imported, in
its own order, and knows nobody. There it waits for `<unit>.go` beside this file, which says in
`<unit>.ready` that it does. Where it may go already, or has no name, nothing is different. When
packages are installed meanwhile it ends, and systemd starts it with the new ones.
"""

import importlib
import importlib.util
import json
import os
import sys
import sysconfig
import time
from typing import Any

FOLDER = os.path.dirname(os.path.abspath(__file__))
CONFIGURATION = "oslo_config.cfg"
PACKAGES = sysconfig.get_paths()["purelib"]


def installed() -> float:
    """When a package was last installed or removed."""
    return os.stat(PACKAGES).st_mtime


IMPORTED = installed()


class Finder:
    """Notices the import of oslo.config, which every service calls before it does anything."""

    def __init__(self, unit: str) -> None:
        self.unit = unit

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """None but for oslo.config, which is found as ever and gets a barrier."""
        if name != CONFIGURATION:
            return None
        sys.meta_path.remove(self)
        spec: Any = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def executed(module: Any) -> None:
            execute(module)
            barrier(module.ConfigOpts, self.unit)

        spec.loader.exec_module = executed
        return spec


def barrier(kind: Any, unit: str) -> None:
    """The first configuration that is read in this process is waited before."""
    read = kind.__call__

    def once(self: Any, *arguments: Any, **named: Any) -> Any:
        kind.__call__ = read
        wait(unit)
        return read(self, *arguments, **named)

    kind.__call__ = once


def wait(unit: str) -> None:
    """Import what the service would import later, then wait until it may go."""
    go = os.path.join(FOLDER, unit + ".go")
    if os.path.exists(go):
        return
    with open(os.path.join(FOLDER, "modules.json")) as stream:
        modules = json.load(stream).get(unit, [])
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception:  # names change between releases, and only cost time
            sys.stderr.write(f"not preloaded: {name}\n")
    with open(os.path.join(FOLDER, unit + ".ready"), "w") as stream:
        stream.write(str(os.getpid()))
    while not os.path.exists(go):
        time.sleep(0.05)
        if installed() != IMPORTED:
            os._exit(1)


# what the service starts itself is none of this
os.environ.pop("PYTHONPATH", None)
if os.environ.get("MIGRATE_EARLY"):
    sys.meta_path.insert(0, Finder(os.environ.pop("MIGRATE_EARLY")))
