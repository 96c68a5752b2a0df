"""The hosts run the releases that the stack file says."""

from __future__ import annotations

from functools import partial

from migrate.checks.check import Check
from migrate.cloud import Context, hosts, installation, releases
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, Severity
from migrate.errors import MigrateError
from migrate.onhost import call

NAME = "release"


def run(context: Context) -> list[Finding]:
    """Hosts of another release, and computes too old for the target."""
    findings: list[Finding] = []
    projects = {one.project: one.distribution or one.project for one in context.recipes}
    for cloud, remedy in (
        (context.source, "Correct sidestep:source.release, or finish the upgrade under way there"),
        (context.target, "Run `pulumi up`: it installs the release that the stack file names"),
    ):
        ask = partial(installed, release=cloud.release, projects=projects)
        answers = hosts.gather(cloud.controllers, ask)
        for host, versions in zip(cloud.controllers, answers, strict=True):
            findings += _judge(host, versions, cloud.release, remedy)
    ask = partial(installed, release=context.source.release, projects={"nova": "nova"})
    answers = hosts.gather(context.source.computes, ask)
    for host, versions in zip(context.source.computes, answers, strict=True):
        findings += _compute(context, host, versions)
    return findings


def installed(host: Host, release: str, projects: dict[str, str]) -> dict[str, str]:
    """Version by project, of the release's environment there, else of the system's packages.

    *projects* are given with the name of their distribution.
    """
    python = installation.found(host, release).python
    answer: dict[str, str] = call(host, "packages.versions", projects, interpreter=[python])
    return answer


def _judge(host: Host, versions: dict[str, str], release: str, remedy: str) -> list[Finding]:
    if not versions:
        message = f"nothing of OpenStack {release} is installed"
        return [_error(message, remedy, host.name)]
    findings = []
    for project, version in versions.items():
        actual = releases.of_version(project, version)
        if actual != release:
            says = f"of {actual}" if actual else "of no release that releases.yaml knows"
            findings.append(
                _error(
                    f"{project} {version} is {says}, the stack file says {release}",
                    remedy,
                    host.name,
                )
            )
    return findings


def _compute(context: Context, host: Host, versions: dict[str, str]) -> list[Finding]:
    version = versions.get("nova", "")
    actual = releases.of_version("nova", version)
    if actual is None:
        return [
            _error(
                f"no nova of a known release is installed (found {version or 'none'})",
                "Take the host out of sidestep:source.computes, or correct its packages",
                host.name,
            )
        ]
    try:
        oldest = releases.release(context.target.release).oldest_compute
    except MigrateError:
        return []  # an unknown target is told by the check of the path
    names = [one.name for one in releases.known()]
    here = releases.release(actual).name
    if oldest in names and names.index(here) < names.index(oldest):
        return [
            _error(
                f"its nova-compute is of {actual}, too old for conductors of "
                f"{context.target.release} (at least {oldest})",
                f"Upgrade that compute to {context.source.release} first",
                host.name,
            )
        ]
    return []


def _error(message: str, remedy: str, where: str = "") -> Finding:
    return Finding(NAME, Severity.ERROR, message, remedy, where)


CHECK = Check(NAME, "the releases that are installed", run)
