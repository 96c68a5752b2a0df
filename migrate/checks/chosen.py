"""The services of the stack file are those of the source: none is missing, none is left behind."""

from collections.abc import Iterator

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error
from migrate.onhost import call
from migrate.services import RECIPES


def run(context: Context) -> Iterator[Finding]:
    """Services that are to be moved but are not there, and those that run but are not named."""
    wanted = [recipe.project for recipe in context.recipes]
    there: set[str] = set()
    running: set[str] = set()
    for on_host, active in hosts.gather(context.source.controllers, installed):
        there |= on_host
        running |= active
    known = [recipe.project for recipe in RECIPES]
    has = ", ".join(project for project in known if project in there) or "nothing that we know"
    for project in wanted:
        if project not in there:
            yield error(
                f"{project} is to be moved, but no source controller has it (they have {has})",
                "Set sidestep:services to the services that this cloud has",
            )
    for project in known:
        if project in running and project not in wanted:
            yield error(
                f"{project} runs on the source, but sidestep:services leaves it out: its users "
                "would lose it when the virtual IP moves",
                f"Add {project} to sidestep:services, or stop and disable it for good",
            )


def installed(host: Host) -> tuple[set[str], set[str]]:
    """The projects that *host* has as a controller, and those of them that run.

    One is there with its main file and one of its units: horizon's is apache2, which serves much.
    """
    paths = [recipe.configs[0].path for recipe in RECIPES if recipe.configs]
    files: list[str] = call(host, "files.existing", paths)
    names = [unit for recipe in RECIPES for unit in recipe.source_control_units]
    states = {
        unit.removesuffix(".service"): state["ActiveState"]
        for unit, state in call(host, "systemd.show", names).items()
        if state["LoadState"] == "loaded"
    }
    there, running = set(), set()
    for recipe in RECIPES:
        own = [states[unit] for unit in recipe.source_control_units if unit in states]
        if own and all(config.path in files for config in recipe.configs[:1]):
            there.add(recipe.project)
            if "active" in own:
                running.add(recipe.project)
    return there, running
