"""Horizon's settings: the values that count on the source, written as plain values for the target.

The source's files are programs (they import, compute and override each other), so they are not
translated line by line: Django on the source says what each name that they assign came to.
"""

from __future__ import annotations

import json
from importlib import resources

from migrate.checks.finding import Finding, Severity
from migrate.configuration.files import File
from migrate.configuration.mapping import Mapping
from migrate.errors import CommandError
from migrate.host import Host

PATH = "/etc/horizon/local_settings.py"
SHOW = resources.files("migrate.onhost").joinpath("dashboard.py").read_text()
CHECK = "configuration"

# The target's own, which the static files were made with: never the source's.
OURS = {
    "STATIC_ROOT": "'/var/lib/horizon/static'",
    "COMPRESS_OFFLINE": "True",
}
# What belongs to the source's host or package, and why it stays there.
LEFT = {
    "LOCAL_PATH": "a path of the source's package",
    "LOGGING": "the target's units log to their own files",
    "STATIC_URL": "it follows from WEBROOT",
    "POLICY_DIRS": "the release brings its own policies",
    "DEFAULT_POLICY_DIRS": "the release brings its own policies",
}

Told = dict[str, tuple[str, int, str | None]]


def read(host: Host, python: str = "/usr/bin/python3") -> Told | None:
    """What is set on *host*, or None where it has no dashboard."""
    try:
        text = host.run("nice", python, "-", stdin=SHOW, timeout=120)
    except CommandError as error:
        if "No module named 'openstack_dashboard'" in error.stderr:
            return None
        raise
    told = json.loads(text.splitlines()[-1])
    return {name: (where, line, value) for name, (where, line, value) in told.items()}


KNOWN = """
import ast, importlib, json
import openstack_dashboard
names = set()
for module in ("openstack_dashboard.defaults", "horizon.defaults", "openstack_auth.defaults",
               "django.conf.global_settings"):
    names.update(name for name in vars(importlib.import_module(module)) if name.isupper())
folder = openstack_dashboard.__path__[0]
for path in ("settings.py", "local/local_settings.py.example"):
    with open(folder + "/" + path) as stream:
        names.update(node.id for node in ast.walk(ast.parse(stream.read()))
                     if isinstance(node, ast.Name) and node.id.isupper())
print(json.dumps(sorted(names)))
"""


def known(host: Host, venv: str) -> frozenset[str]:
    """Names of settings that the dashboard in *venv* reads."""
    return frozenset(json.loads(host.run(f"{venv}/bin/python", "-", stdin=KNOWN, timeout=120)))


def translate(
    told: Told, source: str, mapping: Mapping, names: frozenset[str]
) -> tuple[File, list[Finding]]:
    """The target's settings file, and what is not carried. *names*: what the target reads."""
    lines, findings = [], []
    for name, (path, number, value) in sorted(told.items()):
        where = f"{source}:{path}:{number}"
        if name in OURS:
            continue
        if name in LEFT:
            message = f"{name} is not carried: {LEFT[name]}"
            findings.append(Finding(CHECK, Severity.INFO, message, "Nothing to do", where))
            continue
        if value is None:
            message = f"{name} is computed and has no plain value; it was left out"
            remedy = f"If the dashboard needs it, set it in {PATH} on the target by hand"
            findings.append(Finding(CHECK, Severity.WARNING, message, remedy, where))
            continue
        if names and name not in names:
            message = f"{name} is not read by the target's dashboard; it was carried"
            remedy = "Read the release notes for what replaces it"
            findings.append(Finding(CHECK, Severity.INFO, message, remedy, where))
        lines.append(f"{name} = {mapping.replaced(value)}\n")
    lines += [f"{name} = {value}\n" for name, value in OURS.items()]
    head = f"# Written by sidestep from the settings of {source}.\n"
    return File(PATH, head + "".join(lines), 0o640, "root:horizon"), findings
