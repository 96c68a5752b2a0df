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
        units = _units(context, recipe, host)
        host.run("systemctl", "enable", "--quiet", *units)
        call(host, "preload.open_barrier", units)
        wrong = call(host, "systemd.start", units, START_SECONDS, timeout=START_SECONDS + 30)
        urls = _urls(recipe, host.address)
        unanswered = call(host, "start.unanswered", urls, START_SECONDS, timeout=START_SECONDS + 60)
        wrong += [f"{url}: {said}" for url, said in unanswered.items()]
        wrong += [] if wrong else _dead(context, recipe, host)
        if wrong:
            raise StepError(
                f"{host.name}: {recipe.project} of {context.target.release} does not serve: "
                f"{'; '.join(wrong)}. See /var/log/{recipe.user} there"
            )

    hosts.gather(context.target.controllers, act)


def serves(context: Context, recipe: Recipe) -> bool:
    """Whether all units are enabled, alive, and every API answers."""

    def ask(host: Host) -> bool:
        units = _units(context, recipe, host)
        return (
            host.succeeds("systemctl", "is-enabled", "--quiet", *units)
            and not _dead(context, recipe, host)
            and not call(host, "start.unanswered", _urls(recipe, host.address), 0)
        )

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


def _dead(context: Context, recipe: Recipe, host: Host) -> list[str]:
    """Units on *host* that are not active or have no process."""
    units = _units(context, recipe, host)
    state = call(host, "systemd.state", units)
    wrong = [
        f"{unit} is {one['ActiveState']}"
        for unit, one in state["units"].items()
        if one["ActiveState"] != "active" or unit not in state["alive"]
    ]
    if missing := len(units) - len(state["units"]):
        wrong.append(f"{missing} unit(s) of {recipe.project} are not installed")
    return wrong


def _units(context: Context, recipe: Recipe, host: Host) -> list[str]:
    """The units of *recipe* that serve on *host*."""
    return list(recipe.units_of(first=host.address == context.target.once.address))


def _urls(recipe: Recipe, address: str) -> list[str]:
    return [f"http://{address}:{api.own}{api.path}" for api in recipe.apis]
