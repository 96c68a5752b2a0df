"""The target's own validator on the translated files: what it alone objects to is a finding."""

import re
from collections.abc import Iterable

from migrate.cloud.host import Host
from migrate.cloud.ini import Ini, Line
from migrate.cloud.installation import Installation
from migrate.configuration.options import Options
from migrate.configuration.translate import Translation, plugins, together_with
from migrate.engine.finding import Finding, warning
from migrate.onhost import call
from migrate.services.rules import Rules

OBJECTION = re.compile(r"(?P<section>[^/]+)/(?P<name>\S+) is not part of the sample config")

Output = dict[str, list[list[str]]]


def ask(
    host: Host, installation: Installation, options: Options, rules: Rules, files: dict[str, str]
) -> Output:
    """What oslo-config-validator of *installation* says of *files*, by path; nothing is written."""
    groups = rules.groups([Ini.parse(text) for text in files.values()])
    told: Output = call(
        *(host, "validate.ask", options.path, files, _spellings(files, groups)),
        interpreter=[installation.python],
        timeout=300,
    )
    return told


def objections(
    said: Output, translation: Translation, options: Options, rules: Rules, host: str
) -> list[Finding]:
    """Errors of the validator that are neither known to be false nor found by the translation.

    It knows no options of authentication plugins, and no group whose name an operator chose.
    """
    known = {(finding.message.split(" is ")[0]) for finding in translation.findings}
    found = []
    for path, lines in said.items():
        ini = Ini.parse(translation.files[path])
        takers = plugins(together_with(path, translation.files), options, rules)
        for level, message in lines:
            if level != "ERROR":
                continue
            match = OBJECTION.fullmatch(message)
            line = _line(ini, match["section"], match["name"]) if match else None
            if line is None:
                found.append(_finding(f"{host}:{path}", "the validator cannot read the file"))
                continue
            plugin = takers.get(line.section)
            if plugin and options.plugin_has(line.name, plugin):
                continue
            if f"[{line.section}] {line.name}" not in known:
                told = f"[{line.section}] {line.name} is not accepted by oslo-config-validator"
                found.append(_finding(f"{host}:{path}:{ini.position(line)}", told))
    return found


def _finding(where: str, message: str) -> Finding:
    return warning(message, "Look the option up in the release's configuration reference", where)


def _line(ini: Ini, section: str, name: str) -> Line | None:
    wanted = section if section == "DEFAULT" else section.lower(), name.replace("-", "_")
    return next((one for one in ini.options() if (one.section, one.name) == wanted), None)


def _spellings(files: dict[str, str], groups: Iterable[str]) -> list[str]:
    """The groups as the files write them: the validator compares letter by letter."""
    wanted = set(groups)
    written = {one for text in files.values() for one in re.findall(r"(?m)^\[([^\]]+)\]", text)}
    return sorted(one for one in written if one.lower() in wanted)
