"""Programs that run on the cloud's own hosts: standard library only, Python 3.8 or later.

They act where we cannot wait for ssh, and one of them reopens the source when the operator is dead.
`call` sends them along with each call; nothing has to be installed before.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from typing import Any

from migrate.cloud import hosts
from migrate.cloud.host import Host

# each may use those before it
MODULES = (
    "configured",
    "record",
    "systemd",
    "kernel",
    "sockets",
    "runs",
    "listening",
    "knock",
    "haproxy",
    "trial",
    "certificates",
    "units",
    "mariadb",
    "manager",
    "reopen",
    "agents",
    "waiting",
    "daemons",
    "ends",
    "arp",
    "look",
)

LOADER = """
import signal, sys, types
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # who is interrupted still tidies up
for parent in ("migrate", "migrate.onhost"):
    sys.modules[parent] = types.ModuleType(parent)
for name, text in payload["program"]:
    module = types.ModuleType("migrate.onhost." + name)
    sys.modules[module.__name__] = module
    setattr(sys.modules["migrate.onhost"], name, module)
    exec(compile(text, module.__name__, "exec"), module.__dict__)
module = sys.modules["migrate.onhost." + payload["module"]]
result = getattr(module, payload["function"])(*payload["arguments"])
"""


def program() -> dict[str, str]:
    """The source of every module by its name, in the order in which they need each other."""
    return {name: source(name) for name in MODULES}


def source(name: str) -> str:
    """The text of the module *name*, to stand before a program that uses its functions."""
    return resources.files(__package__).joinpath(f"{name}.py").read_text()


def call(host: Host, function: str, *arguments: Any, timeout: float = 60) -> Any:
    """The result of *function*, e.g. "units.fence", of the module here, run on *host* as root."""
    module, _, name = function.partition(".")
    needed = list(program().items())[: MODULES.index(module) + 1]
    payload = {"program": needed, "module": module, "function": name, "arguments": arguments}
    # errors show the first line
    return host.python(f"# {function}\n{LOADER}", payload, timeout=timeout)


def call_each(those: Iterable[Host], function: str, *arguments: Any, timeout: float = 60) -> Any:
    """A list of what `call` gives on each of *those*; who fails is told as `hosts.gather` does."""
    return hosts.gather(those, lambda host: call(host, function, *arguments, timeout=timeout))
