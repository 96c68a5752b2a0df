"""The hosts run the releases that the stack file says."""

from collections.abc import Iterable, Iterator
from functools import partial

from migrate.cloud import Context, installation, releases
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error, on_each
from migrate.errors import MigrateError
from migrate.onhost import call
from migrate.services.base import Recipe


def run(context: Context) -> Iterator[Finding]:
    """Hosts of another release, and computes too old for the target."""
    for cloud, remedy in (
        (context.source, "Correct sidestep:source.release, or finish the upgrade under way there"),
        (context.target, "Run `pulumi up`: it installs the release that the stack file names"),
    ):
        projects = _projects(context.recipes)
        ask = partial(_controller, release=cloud.release, projects=projects, remedy=remedy)
        yield from on_each(cloud.controllers, ask)
    yield from on_each(context.source.computes, partial(_compute, context))
    ask = partial(
        _controller,
        release=context.source.release,
        projects=_projects(one for one in context.recipes if one.network_units),
        remedy="Take the host out of sidestep:source.networkHosts, or correct its packages",
    )
    yield from on_each(context.source.network_hosts, ask)


def _projects(recipes: Iterable[Recipe]) -> dict[str, str]:
    return {one.project: one.distribution or one.project for one in recipes}


def installed(host: Host, release: str, projects: dict[str, str]) -> dict[str, str]:
    """Version by project, of the release's environment there, else of the system's packages.

    *projects* are given with the name of their distribution.
    """
    python = installation.found(host, release).python
    return dict(call(host, "packages.versions", projects, interpreter=[python]))


def _controller(
    host: Host, release: str, projects: dict[str, str], remedy: str
) -> Iterator[Finding]:
    versions = installed(host, release, projects)
    if not versions:
        yield error(f"nothing of OpenStack {release} is installed", remedy)
    for project, version in versions.items():
        actual = releases.of_version(project, version)
        if actual != release:
            says = f"of {actual}" if actual else "of no release that releases.yaml knows"
            yield error(f"{project} {version} is {says}, the stack file says {release}", remedy)


def _compute(context: Context, host: Host) -> Iterator[Finding]:
    version = installed(host, context.source.release, {"nova": "nova"}).get("nova", "")
    actual = releases.of_version("nova", version)
    if actual is None:
        yield error(
            f"no nova of a known release is installed (found {version or 'none'})",
            "Take the host out of sidestep:source.computes, or correct its packages",
        )
        return
    try:
        oldest = releases.release(context.target.release).oldest_compute
    except MigrateError:
        return  # an unknown target is told by the check of the path
    names = [one.name for one in releases.known()]
    here = releases.release(actual).name
    if oldest in names and names.index(here) < names.index(oldest):
        yield error(
            f"its nova-compute is of {actual}, too old for conductors of {context.target.release} "
            f"(at least {oldest})",
            f"Upgrade that compute to {context.source.release} first",
        )
