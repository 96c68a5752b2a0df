"""Policies: rules that operators set are carried; the release's own validator judges them."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

import yaml

from migrate.cloud.host import Host
from migrate.cloud.ini import Ini
from migrate.cloud.installation import Installation
from migrate.cloud.values import Values
from migrate.configuration import files
from migrate.engine.finding import Finding, error, warning
from migrate.errors import PreconditionError
from migrate.onhost import call
from migrate.services.base import Recipe

OPTIONS = ("policy_file", "policy_dirs")
PATTERNS = ("policy.yaml", "policy.json", "policy.d/*")
# What the validator prints, what that means, and what to do. A name without a colon is a rule that
# operators defined for their own rules to refer to: unknown to the release, and right.
VALIDATOR_MESSAGES = (
    (
        re.compile(r"Unknown rule found in policy file: (\S*:\S*)"),
        warning,
        "the release has no policy {!r}; it was carried and has no effect",
        "Read the release notes for the policy that took its place",
    ),
    (
        re.compile(r"Failed to parse rule: (.+)"),
        error,
        "{!r} is no rule: it would forbid everything",
        "Correct it in the source's file",
    ),
    (
        re.compile(r"Policies \['([^']+)'.*\] reference a rule that is not defined"),
        error,
        "policy {!r} refers to a rule that neither the file nor the release defines",
        "Define that rule in the source's file",
    ),
    (
        re.compile(r"Policies \['([^']+)'.*\] are part of a cyclical reference"),
        error,
        "policy {!r} refers to itself in a circle",
        "Correct it in the source's file",
    ),
)


def carried(
    source: Host, recipe: Recipe, configured: Mapping[str, str]
) -> tuple[dict[str, str], list[Finding]]:
    """Texts by their path on the target: of every policy file that sets a rule.

    *configured* are the service's files: they may name the file and the folders of its policies.
    """
    found: dict[str, str] = {}
    named, findings = patterns(source, recipe, configured)
    places = [*(f"{recipe.folder}/{one}" for one in PATTERNS), *named]
    texts = files.read(source, places, exact=True)
    for path, text in texts.items() if recipe.policy else ():
        where = f"{source.name}:{path}"
        try:
            rules = yaml.safe_load(text)
        except yaml.YAMLError as failure:
            mark = getattr(failure, "problem_mark", None)
            where += f":{mark.line + 1}" if mark else ""
            findings.append(error("is not YAML", "Mend it", where))
            continue
        if not rules:
            continue  # the packages bring files in which every rule is a comment
        if not isinstance(rules, dict):
            findings.append(error("is no mapping of rules", "Mend it", where))
            continue
        found[path if path in named else _place(path, texts)] = text
    return found, findings


def patterns(
    source: Host, recipe: Recipe, configured: Mapping[str, str]
) -> tuple[list[str], list[Finding]]:
    """Where oslo.policy looks because *configured* says so; in a folder it reads every file."""
    found, findings = [], []
    sound = {p: t for p, t in sorted(configured.items()) if not Ini.parse(t).broken()}
    values = Values(sound, {"state_path": f"/var/lib/{recipe.project}"})
    for option in values:
        if option.section == "oslo_policy" and option.name in OPTIONS:
            try:
                path = str(recipe.folder / values.seen(option))
            except PreconditionError as failure:
                findings.append(error(str(failure), "Write the path as it is", source.name))
            else:
                found.append(f"{path}/*" if option.name == "policy_dirs" else path)
    return found, findings


def judged(
    target: Host, installation: Installation, recipe: Recipe, policies: dict[str, str], source: str
) -> list[Finding]:
    """What oslopolicy-validator there says of the rules in *policies*; nothing is written."""
    if not policies:
        return []
    program = installation.tool("oslopolicy-validator")
    said: dict[str, str] = call(
        target, "policies.ask", program, recipe.policy, policies, timeout=300
    )
    return [
        finding
        for path, output in said.items()
        for finding in objections(f"{source}:{path}", policies[path], output)
    ]


def objections(where: str, text: str, output: str) -> list[Finding]:
    """What the validator's *output* means for the file with *text*, each thing once."""
    findings = []
    for pattern, tell, message, remedy in VALIDATOR_MESSAGES:
        for named in dict.fromkeys(pattern.findall(output)):
            lines = enumerate(text.splitlines(), 1)
            number = next((number for number, line in lines if named in line), 0)
            place = f"{where}:{number}" if number else where
            findings.append(tell(message.format(named), remedy, place))
    return findings


def _place(path: str, all_paths: dict[str, str]) -> str:
    """policy.json is not read by default any more, and JSON is YAML too."""
    if not path.endswith("/policy.json"):
        return path
    yaml_path = str(PurePosixPath(path).with_suffix(".yaml"))
    return path if yaml_path in all_paths else yaml_path
