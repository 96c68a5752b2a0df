"""What is installed for the Python that runs this: the release's own, or the system's."""

import importlib.metadata
import importlib.util
import os


def versions(names: dict[str, str]) -> dict[str, str]:
    """The version of each distribution that is installed, by the key of its name in *names*."""
    found = {}
    for key, name in names.items():
        try:
            found[key] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def folders(names: list[str]) -> dict[str, str]:
    """Where the package of each of *names* lies, for those that there are."""
    found = {name: importlib.util.find_spec(name) for name in names}
    return {
        name: os.path.dirname(os.path.dirname(spec.origin))
        for name, spec in found.items()
        if spec and spec.origin
    }


def loadable(asked: list[list[str]]) -> list[bool]:
    """Whether each of *asked*, a group of entry points and a name or a class, can be loaded."""
    every = (one.entry_points for one in importlib.metadata.distributions())
    points = {(point.group, point.name) for some in every for point in some}
    return [(group, name) in points or _importable(name) for group, name in asked]


def _importable(name: str) -> bool:
    try:
        return "." in name and importlib.util.find_spec(name.rpartition(".")[0]) is not None
    except ImportError:
        return False
