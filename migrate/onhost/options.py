"""What options a release knows, by its own generator: names and kinds only, its JSON is large."""

import hashlib
import importlib
import json
import os
import subprocess
import tempfile
from typing import Any

from migrate.onhost import disk


def known(folder: str, program: str, namespaces: list[str]) -> dict[str, Any] | None:
    """What the generator *program* says of *namespaces*; None where there is none.

    {"path": its JSON, "options": {"DEFAULT": {"debug": [type, min, max, choices]}},
     "renamed": [[group, name, new group, new name]]}

    That JSON is kept in *folder*; without one nothing is left behind.
    """
    os.umask(0o077)
    os.environ["XDG_CACHE_HOME"] = "/dev/null"  # or stevedore leaves a cache in root's home
    if not os.path.exists(program):
        return None
    if folder:
        os.makedirs(folder, exist_ok=True)
        return _answer(folder, [program], namespaces)
    with tempfile.TemporaryDirectory() as place:
        return _answer(place, ["nice", program], namespaces)  # the source's, which serves


def _answer(place: str, argv: list[str], namespaces: list[str]) -> dict[str, Any]:
    generator = os.stat(argv[-1])
    key = json.dumps([namespaces, argv[-1], generator.st_mtime_ns, generator.st_ino])
    path = os.path.join(place, hashlib.sha256(key.encode()).hexdigest()[:16] + ".json")
    if not os.path.exists(path):
        staged = f"{path}.{os.getpid()}"
        _generate(argv, namespaces, staged)
        os.rename(staged, path)
    return {"path": path, **_reduced(json.loads(disk.text(path)))}


def _generate(argv: list[str], namespaces: list[str], path: str) -> None:
    asked = [word for one in namespaces for word in ("--namespace", one)]
    done = subprocess.run(
        [*argv, "--format", "json", "--output-file", path, *asked],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{argv[-1]} exited {done.returncode}: {done.stderr.strip()[-1500:]}")


def _reduced(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "options": {
            group: {
                (one["dest"] or one["name"]).replace("-", "_"): [
                    *(one["type"], one["min"], one["max"]),
                    [choice[0] for choice in one["choices"]],
                ]
                for one in about["opts"]
            }
            for group, about in document["options"].items()
        },
        "renamed": [
            [group, one["name"], one["replacement_group"], one["replacement_name"]]
            for group, names in document["deprecated_options"].items()
            for one in names
        ],
    }


def plugins() -> dict[str, list[str]]:
    """Options of each authentication plugin; run by the Python that has them."""
    os.environ["XDG_CACHE_HOME"] = "/dev/null"
    os.chdir("/")
    loading: Any = importlib.import_module("keystoneauth1.loading")
    names = {}
    for plugin, loader in loading.get_available_plugin_loaders().items():
        options = [o for option in loader.get_options() for o in [option, *option.deprecated]]
        names[plugin] = sorted({one.dest for one in options})
    return names
