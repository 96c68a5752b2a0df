"""What horizon's settings are on this host, asked of Django itself and not guessed from the files.

Run by the python that has `openstack_dashboard`, and nothing is written. Needs nothing but horizon
and Python's standard library.
"""

import ast
import glob
import importlib
import importlib.abc
import importlib.util
import os
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

from migrate.onhost import disk
from migrate.onhost.apart import apart

LOCAL = "local.local_settings"  # as openstack_dashboard.settings imports it
SNIPPETS = "local/local_settings.d"
DEFAULTS = (
    *("openstack_dashboard.defaults", "horizon.defaults", "openstack_auth.defaults"),
    "django.conf.global_settings",
)
CODE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
PLAIN = (str, int, float, bool, bytes, type(None))


def read() -> dict[str, Any]:
    """What the operator's files come to, and what of it cannot be carried.

    {"set": [["HORIZON_CONFIG", "help_url", "/etc/.../local_settings.py", 7, "'http://...'"]],
     "wrong": [["/etc/.../local_settings.py", 9, "reads its environment ..."]],
     "code": ["django.core.cache.backends.redis.RedisCache"], "apps": ["heat_dashboard"],
     "policies": {"keystone_policy.yaml": ["\"identity:list_users\": \"role:support\""]}}

    A value is None where it is no plain one; the second word is "" for a whole setting.
    """
    _preload()
    real: dict[str, Any] = apart(_real)
    bare: dict[str, Any] = apart(lambda: _with("SECRET_KEY = 'x'\n"))
    found = []
    for name, (path, line) in real["touched"].items():
        value = real["values"].get(name)
        before = bare["values"].get(name)
        if isinstance(value, dict) and isinstance(before, dict):  # with programs of the release's
            changed = {key: one for key, one in value.items() if before.get(key, "") != one}
            found += [[name, key, path, line, one] for key, one in changed.items()]
        elif name in real["values"]:  # else Django knows nothing of it
            found.append([name, "", path, line, None if isinstance(value, dict) else value])
    wrong = real["wrong"]
    if not wrong and all(one[-1] is not None for one in found):
        again: dict[str, Any] = apart(lambda: _with(written(found)))
        one, other = real["values"], again["values"]
        differing = [n for n in {*one, *other} if one.get(n, "") != other.get(n, "")]
        wrong = [["", 0, name] for name in sorted(differing)]
    strings = [text for one in found if one[-1] for text in _strings(ast.literal_eval(one[-1]))]
    apps = ast.literal_eval(real["values"]["INSTALLED_APPS"])
    code = apart(lambda: _code(strings))
    return {"set": found, "wrong": wrong, "code": code, "apps": apps, "policies": real["policies"]}


def trial(text: str, code: list[str], apps: list[str]) -> dict[str, Any]:
    """What Django here makes of *text* as its local settings, and which of *code* it lacks.

    {"values": {"WEBROOT": "'/horizon/'"}, "lost": [...], "apps": [...], "policies": {...}}, or
    {"failed": "..."}
    """
    os.chdir("/")
    _preload()
    lost: list[str] = apart(lambda: [one for one in code if one not in _code(code)])
    try:
        told: dict[str, Any] = apart(lambda: _started(f"SECRET_KEY = 'x'\n{text}"))
        return {**told, "lost": lost, "apps": _missing(apps)}
    except RuntimeError as error:
        return {"failed": str(error)}


def known() -> list[str]:
    """Names of the settings that this dashboard, its libraries and its own files read."""
    names: set[str] = set()
    for module in DEFAULTS:
        names.update(name for name in vars(importlib.import_module(module)) if name.isupper())
    folder = os.path.dirname(str(importlib.import_module("openstack_dashboard").__file__))
    for path in ("settings.py", "local/local_settings.py.example"):
        tree = ast.parse(disk.content(os.path.join(folder, path)))
        named = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
        names.update(name for name in named if name.isupper())
    return sorted(names)


def written(found: list[list[Any]]) -> str:
    """The settings of *found* as a file that sets them."""
    lines = []
    for name, key, _, _, value in found:
        if key:  # as the operator's files reach what the release has set before them
            lines += [f"from openstack_dashboard.settings import {name}\n"]
        lines += [f"{shown(name, key)} = {value}\n"]
    return "".join(dict.fromkeys(lines))


def shown(name: str, key: str) -> str:
    """A setting, or one key of it, as a file of settings names it."""
    return f"{name}[{key!r}]" if key else name


def touched(tree: ast.AST) -> dict[str, int]:
    """Names in capitals that a file sets or changes while it is read, each with its last line."""
    found: dict[str, int] = {}
    for node in _at_once(tree):
        name = None
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            if isinstance(node.value.func, ast.Attribute):
                name = _base(node.value)
        elif isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
            name = _base(node)
        if isinstance(name, ast.Name) and name.id.isupper():
            found[name.id] = node.lineno  # type: ignore[attr-defined]
    return found


def literal(value: Any) -> str | None:
    """*value* as Python text that reads back equal, or None."""
    try:
        text = repr(_plain(value))
        return text if ast.literal_eval(text) == _plain(value) else None
    except (ValueError, SyntaxError, TypeError, AttributeError):
        return None


def _plain(value: Any) -> Any:
    """*value* with lazy translations as text; raises ValueError where it is no literal."""
    if type(value).__module__.startswith("django.utils.functional"):
        kept = getattr(value, "_proxy____args", None) or value._args
        return str(kept[0])  # translating needs the whole dashboard started
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set)):
        return type(value)([_plain(one) for one in value])
    if type(value) in PLAIN:
        return value
    raise ValueError(type(value).__name__)


def _at_once(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when the file is read: not the insides of its functions and classes."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            yield child
            yield from _at_once(child)


def _base(node: ast.AST) -> ast.AST:
    while isinstance(node, (ast.Subscript, ast.Attribute, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def _real() -> dict[str, Any]:
    """As the dashboard itself is started: the values, and what its files do."""
    values = _values()
    folder = os.path.dirname(str(importlib.import_module("openstack_dashboard.local").__file__))
    main = os.path.join(folder, "local_settings.py")
    paths = [main] if os.path.exists(main) else []
    paths += sorted(glob.glob(os.path.join(folder, "local_settings.d", "**/*.py"), recursive=True))
    names: dict[str, tuple[str, int]] = {}
    wrong: list[list[Any]] = []
    for path in paths:
        real = os.path.realpath(path)
        try:
            tree = ast.parse(disk.content(path))
        except SyntaxError as error:  # the dashboard passes over it with a line in its log
            told = "is no Python, and the dashboard passes over it"
            wrong.append([real, error.lineno or 0, told])
            continue
        for name, line in _imported(path, main, tree).items():
            names[name] = (real, line)
        for name, line in touched(tree).items():
            names[name] = (real, line)
        wrong += [
            [real, node.lineno, "reads its environment, which the dashboard alone knows"]
            for node in ast.walk(tree)
            if getattr(node, "attr", getattr(node, "id", "")) in ("environ", "getenv")
            and isinstance(node, (ast.Attribute, ast.Name))
        ]
    return {"values": values, "touched": names, "wrong": wrong, "policies": _policies()}


def _imported(path: str, main: str, tree: ast.AST) -> dict[str, int]:
    """What a file has from another by `from ... import *`; that of a snippet is not known."""
    stars = [
        node.lineno
        for node in _at_once(tree)
        if isinstance(node, ast.ImportFrom) and any(one.name == "*" for one in node.names)
    ]
    if path != main or not stars or LOCAL not in sys.modules:
        return {}
    imports = [node for node in _at_once(tree) if isinstance(node, ast.ImportFrom)]
    named = {one.name for node in imports for one in node.names}
    return {
        one: stars[-1] for one in vars(sys.modules[LOCAL]) if one.isupper() and one not in named
    }


class _Given(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Local settings that stand in no file."""

    def __init__(self, text: str) -> None:
        self.text = text

    def find_spec(self, name: str, *_: Any) -> Any:
        return importlib.util.spec_from_loader(name, self) if name == LOCAL else None

    def exec_module(self, module: types.ModuleType) -> None:
        exec(self.text, module.__dict__)  # noqa: S102  what this program wrote


def _with(text: str) -> dict[str, Any]:
    """The values with *text* in the place of all of the operator's files."""
    sys.meta_path.insert(0, _Given(text))
    walk = os.walk

    def others(top: Any, *args: Any, **kwargs: Any) -> Any:
        return iter(()) if str(top).endswith(SNIPPETS) else walk(top, *args, **kwargs)

    os.walk = others
    return {"values": _values()}


def _started(text: str) -> dict[str, Any]:
    told = _with(text)
    importlib.import_module("django").setup()
    return {**told, "policies": _policies()}


def _policies() -> dict[str, list[str]]:
    """Files with horizon's own rules by their name in the dashboard; the package's have none."""
    settings: Any = importlib.import_module("django.conf").settings
    folder = settings.POLICY_FILES_PATH
    folders = [os.path.join(folder, one) for some in settings.POLICY_DIRS.values() for one in some]
    paths = [os.path.join(folder, one) for one in settings.POLICY_FILES.values()]
    paths += [path for one in folders for path in sorted(glob.glob(f"{one}/*"))]
    found = {}
    for path in filter(os.path.isfile, paths):
        lines = [line.strip() for line in disk.text(path).split("\n")]
        rules = [line for line in lines if line and line[0] != "#"]
        if rules:
            found[os.path.relpath(path, folder)] = rules
    return found


def _values() -> dict[str, Any]:
    """Every setting as text that reads back equal; a mapping that has none by its keys."""
    settings: Any = importlib.import_module("django.conf").settings
    found: dict[str, Any] = {}
    for name in dir(settings):
        if name.isupper():
            value = getattr(settings, name)
            text = literal(value)
            if text is None and isinstance(value, dict):
                found[name] = {str(key): literal(one) for key, one in value.items()}
            else:
                found[name] = text
    return found


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings([*value, *value.values()])
    elif isinstance(value, (list, tuple, set)):
        for one in value:
            yield from _strings(one)


def _code(texts: list[str]) -> list[str]:
    """Those of *texts* that name a module, or something in one, that is here."""
    return sorted({one for one in texts if CODE.fullmatch(one) and _is_code(one)})


def _is_code(text: str) -> bool:
    module, _, name = text.rpartition(".")
    for whole in (text, module):
        try:
            if importlib.util.find_spec(whole.partition(".")[0]) is None:
                return False
            found = importlib.import_module(whole)
        except ImportError:
            continue
        except Exception:  # it is there, and wants the whole dashboard started
            return True
        return whole == text or hasattr(found, name)
    return False


def _missing(apps: list[str]) -> list[str]:
    return [one for one in apps if importlib.util.find_spec(one.partition(".")[0]) is None]


def _preload() -> None:
    """What all of the processes need, once; a key is read and never made."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "openstack_dashboard.settings"
    sys.dont_write_bytecode = True
    for module in ("django", "openstack_dashboard.defaults", "openstack_dashboard.enabled"):
        importlib.import_module(module)
    importlib.import_module("openstack_dashboard.utils.settings")
    secret: Any = importlib.import_module("horizon.utils.secret_key")
    secret.generate_or_read_from_file = _key


def _key(key_file: str = ".secret_key", key_length: int = 64) -> str:
    try:
        with open(key_file, encoding="utf-8") as stream:
            return stream.readline()
    except FileNotFoundError:
        raise LookupError(f"{key_file} is not made yet: open the dashboard once") from None
