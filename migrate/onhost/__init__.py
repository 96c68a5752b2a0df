"""Programs that run on the cloud's own hosts: standard library only, Python 3.8 or later.

They act where we cannot wait for ssh, and one of them reopens the source when the operator is dead.
`call` sends a module and those that it imports along with each call; nothing has to be installed
before. One that needs what a service is installed with is run by that service's own interpreter.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Protocol

LOADER = """
import signal, sys, types
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # who is interrupted still tidies up
for parent in ("migrate", "migrate.onhost"):
    sys.modules[parent] = types.ModuleType(parent)
for name, text in payload["sources"].items():
    module = types.ModuleType("migrate.onhost." + name)
    sys.modules[module.__name__] = module
    setattr(sys.modules["migrate.onhost"], name, module)
    exec(compile(text, module.__name__, "exec"), module.__dict__)
del sys.modules["migrate"]  # old services import a package of that name, sqlalchemy-migrate's
try:
    result = getattr(module, payload["function"])(*payload["arguments"])
except RuntimeError as error:  # a sentence for the operator
    if type(error) is not RuntimeError:
        raise
    sys.exit(str(error))
"""
# Python 3.8 evaluates no annotation of what begins so; on its first line, so that lines keep theirs
FUTURE = "from __future__ import annotations"
# by text, not by ast: that may not be asked by two threads at once
IMPORTS = re.compile(rf"(?m)^\s*from {__package__}(?:\.(\w+))? import (\([^)]*\)|.*)$")


class Machine(Protocol):
    """What `call` needs of a host."""

    def python(
        self,
        source: str,
        payload: object = None,
        timeout: float = 60,
        interpreter: Sequence[str] = ("python3",),
    ) -> Any:
        """Run *source* by *interpreter*; it reads `payload` and sets `result` (JSON both).

        Only `call` uses it: programs stand in modules here, where they are checked.
        """
        ...


def source(name: str) -> str:
    """The text of the module *name*, as it is sent."""
    text = resources.files(__package__).joinpath(f"{name}.py").read_text()
    return f"{FUTURE}; {text.replace(FUTURE, '')}"


@cache
def sources(name: str) -> Mapping[str, str]:
    """The texts of *name* and of every module here that it needs, each after those it needs."""
    text = source(name)
    found: dict[str, str] = {}
    for other in _imported(text):
        found.update(sources(other))
    return MappingProxyType({**found, name: text})


def _imported(text: str) -> Iterator[str]:
    for inside, names in IMPORTS.findall(text):
        yield from [inside] if inside else re.findall(r"\w+", names)


def call(
    host: Machine,
    function: str,
    *arguments: Any,
    interpreter: Sequence[str] = ("python3",),
    timeout: float = 60,
) -> Any:
    """The result of *function*, e.g. "fence.lift", of the module here, run on *host* as root."""
    module, _, name = function.partition(".")
    payload = {"sources": dict(sources(module)), "function": name, "arguments": arguments}
    # errors show the first line
    return host.python(f"# {function}\n{LOADER}", payload, timeout, interpreter)
