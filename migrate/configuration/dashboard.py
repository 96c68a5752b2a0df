"""Horizon's settings: the values that count on the source, written as plain values for the target.

The source's files are programs (they import, compute and override each other), so they are not
translated line by line: Django on the source says what each name that they set came to, and Django
on the target what it makes of the file that comes of it.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from migrate.cloud import addresses
from migrate.cloud.host import Host
from migrate.cloud.installation import Installation
from migrate.cloud.python_source import parsed
from migrate.configuration.files import File
from migrate.engine.finding import Finding, error, filled, info, warning
from migrate.errors import CommandError, PreconditionError
from migrate.onhost import call
from migrate.onhost.dashboard import shown, written

PATH = "/etc/horizon/local_settings.py"

PYTHON = "/usr/bin/python3"

# The target's own, which the static files were made with: never the source's.
OURS = {"STATIC_ROOT": "'/var/lib/horizon/static'", "COMPRESS_OFFLINE": "True"}
# What belongs to the source's host or package, and why it stays there.
LEFT = {
    "LOCAL_PATH": "a path of the source's package",
    "LOGGING": "the target's units log to their own files",
    "STATIC_URL": "it follows from WEBROOT",
    "POLICY_FILES_PATH": "the release brings its own policies",
    "POLICY_DIRS": "the release brings its own policies",
    "DEFAULT_POLICY_DIRS": "the release brings its own policies",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, or one `key` of it where the rest of it is the release's own.

    `value` is its Python text: a secret, perhaps; None where it is no plain value.
    """

    name: str
    key: str
    path: str
    line: int
    value: str | None

    def __repr__(self) -> str:
        return f"Setting({self.path}:{self.line} {self.shown})"

    @property
    def shown(self) -> str:
        return shown(self.name, self.key)


@dataclass(frozen=True, slots=True)
class DjangoSettings:
    """What Django on the source says.

    `wrong` are file, line and what cannot be followed there; `code` programs that values name,
    `apps` those that serve pages, `policies` rules of horizon's own, by file.
    """

    settings: tuple[Setting, ...]
    wrong: tuple[tuple[str, int, str], ...] = ()
    code: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    policies: Mapping[str, list[str]] = field(default_factory=dict)


def read(host: Host, python: str = PYTHON) -> DjangoSettings:
    """What is set on *host*; PreconditionError where Django cannot tell."""
    try:
        told = call(host, "dashboard.read", interpreter=["nice", python], timeout=300)
    except CommandError as failure:
        why = failure.stderr.strip().splitlines()[-1:] or ["it does not say why"]
        raise PreconditionError(
            f"{host.name}: horizon's settings cannot be read by {python}: {why[0][:300]}; mend "
            "them, or take horizon out of sidestep:services"
        ) from failure
    return DjangoSettings(
        tuple(Setting(*one) for one in told["set"]),
        tuple((path, line, what) for path, line, what in told["wrong"]),
        tuple(told["code"]),
        tuple(told["apps"]),
        told["policies"],
    )


def known(host: Host, installation: Installation) -> frozenset[str]:
    """Names of settings that the dashboard of *installation* reads."""
    return frozenset(call(host, "dashboard.known", interpreter=[installation.python], timeout=120))


def translate(
    settings: DjangoSettings, source: str, by: addresses.Mapping, names: frozenset[str]
) -> tuple[File, list[Finding]]:
    """The target's settings file, and what is not carried. *names*: what the target reads."""
    carried: list[list[Any]] = []
    findings = [_wrong(source, *one) for one in settings.wrong]
    for one in sorted(settings.settings, key=lambda setting: (setting.name, setting.key)):
        if one.name in OURS:
            continue
        where = f"{source}:{one.path}:{one.line}"
        findings += filled(_judged_setting(one, names), where=where)
        if one.value is None or one.name in LEFT:
            continue
        carried.append([one.name, one.key, one.path, one.line, by.replaced(one.value)])
    carried += [[name, "", PATH, 0, value] for name, value in OURS.items()]
    text = f"# Written by sidestep from the settings of {source}.\n" + written(carried)
    return File(PATH, text, 0o640, "root:horizon"), findings


def _judged_setting(one: Setting, names: frozenset[str]) -> Iterator[Finding]:
    """What there is to say about one setting, if anything."""
    read_there = not names or one.name in names
    if one.name in LEFT:
        yield info(f"{one.name} is not carried: {LEFT[one.name]}", "Nothing to do")
    elif one.value is None:
        yield (error if read_there else warning)(
            f"{one.shown} has no plain value and cannot be carried",
            "Write it as text, numbers, lists or mappings of such, or take it out",
        )
    elif not read_there:
        yield info(
            f"{one.name} is not read by the target's dashboard; it was carried",
            "Read the release notes for what replaces it",
        )


def _wrong(source: str, path: str, line: int, what: str) -> Finding:
    remedy = "Write what it comes to into local_settings.py as plain values, or take it out"
    if not path:
        what = f"{what} is set in a way that cannot be followed"
    where = f"{source}:{path or 'horizon'}" + (f":{line}" if line else "")
    return error(what, remedy, where)


def judged(
    host: Host, installation: Installation, settings: DjangoSettings, file: File, source: str
) -> list[Finding]:
    """What Django there makes of *file*: each value, each program that one names."""
    code = [one for one in settings.code if repr(one) in file.text]
    asked = (file.text, code, list(settings.apps))
    said = call(host, "dashboard.trial", *asked, interpreter=[installation.python], timeout=300)
    return list(filled(objections(file.text, said, settings.policies), where=f"{source}:horizon"))


def objections(
    text: str, said: dict[str, Any], policies: Mapping[str, list[str]]
) -> Iterator[Finding]:
    """What of *said*, the target's answer to *text*, is no good."""
    if failed := said.get("failed"):
        remedy = "Change in the source's settings what it names, or take it out"
        yield error(f"the target's dashboard would not start with them: {failed}", remedy)
        return
    for one in said["lost"]:
        remedy = "Name what the new release has, or install it in the target's environment"
        yield error(f"name {one}, which the target does not have", remedy)
    for one in said["apps"]:
        remedy = "Install it in the target's environment after the move, where it is wanted"
        yield warning(f"{one} has pages here and is not installed on the target", remedy)
    for name, rules in policies.items():
        if said["policies"].get(name) != rules:
            remedy = f"Copy it to openstack_dashboard/conf/{name} in the target's environment"
            yield error(f"{name} has rules of this site, the target's has others", remedy)
    for name, key, value in _assigned(text):
        whole = said["values"].get(name)
        there = whole.get(key) if key and isinstance(whole, dict) else whole
        if there != value:
            remedy = "Write it so that both releases read it alike, or take it out"
            yield error(f"{shown(name, key)} comes to another value on the target", remedy)


def _assigned(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, key and value of each line of a file of ours."""
    for node in parsed(text).body:
        if isinstance(node, ast.Assign):
            (at,) = node.targets
            name = at.value if isinstance(at, ast.Subscript) else at
            key = ast.literal_eval(at.slice) if isinstance(at, ast.Subscript) else ""
            if isinstance(name, ast.Name):
                yield name.id, key, repr(ast.literal_eval(node.value))
