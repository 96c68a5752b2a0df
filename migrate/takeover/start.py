"""The target's services: started and enabled when their data is ready, and waited for.

Going back stops them when the virtual IP is home; what they ask for it still finds the target's own
address (isolation.py), never the source's.
"""

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.errors import StepError
from migrate.onhost import call
from migrate.services.base import Recipe

START_SECONDS = 90.0
# the target is closed to users, and what is still written there is given up: kill what is slower
STOP_SECONDS = 2.0


def start(context: Context, recipe: Recipe) -> None:
    """Enable, start, wait until each API answers on the own address and each unit lives."""

    def act(host: Host) -> None:
        asked = (_units(context, recipe, host), _urls(recipe, host.address), START_SECONDS)
        if wrong := call(host, "start.begin", *asked, timeout=2 * START_SECONDS + 60):
            raise StepError(
                f"{host.name}: {recipe.project} of {context.target.release} does not serve: "
                f"{'; '.join(wrong)}. See /var/log/{recipe.user} there"
            )

    hosts.gather(context.target.controllers, act)


def serves(context: Context, recipe: Recipe) -> bool:
    """Whether all units are enabled, alive, and every API answers."""

    def ask(host: Host) -> bool:
        asked = (_units(context, recipe, host), _urls(recipe, host.address))
        return not call(host, "start.missing", *asked)

    return all(hosts.gather(context.target.controllers, ask))


def stop(context: Context, recipe: Recipe) -> None:
    """Stop and disable, proven by processes."""
    units = list(recipe.target_units)

    def act(host: Host) -> None:
        known = list(call(host, "systemd.show", units))
        if not known:
            return
        host.run("systemctl", "disable", "--quiet", *known)
        call(host, "systemd.stop", known, STOP_SECONDS)
        if alive := call(host, "systemd.state", known)["alive"]:
            raise StepError(f"{host.name}: {', '.join(alive)} did not stop; stop it by hand")

    hosts.gather(context.target.controllers, act)


def _units(context: Context, recipe: Recipe, host: Host) -> list[str]:
    """The units of *recipe* that serve on *host*."""
    return list(recipe.units_of(first=host.address == context.target.once.address))


def _urls(recipe: Recipe, address: str) -> list[str]:
    return [f"http://{address}:{api.own}{api.path}" for api in recipe.apis]
