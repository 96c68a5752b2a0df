"""A renewed compute host takes servers again, which a new one proves: it boots there and answers,
and where this cloud live-migrates it goes to another host and comes back.

No new server can be put on a closed host, so it is opened for it, and closed again if that fails.
"""

from collections.abc import Collection, Iterator

from migrate.cloud import Context, login
from migrate.cloud.api import Api
from migrate.cloud.host import Host
from migrate.computes import closing, proof, service
from migrate.computes.probing import hypervisors, note
from migrate.computes.probing.facts import How, Seen
from migrate.errors import StepError
from migrate.verify import boot, new_server, probe
from migrate.verify.model import Model, NoPlaceError, NoServerError, best

UNPROVEN = "settle.unproven"  # {"cmp1": "no new server was booted there: ..."}, for people
BATCH = "settle.batch"  # names of the hosts that are renewed at this moment
PLACES = 3  # hosts that are asked for room
NOT_BOOTED = "no new server was booted there: "
STAYED = "the new server was not live-migrated: "


def is_open(context: Context, host: Host) -> bool:
    """Whether it is proven, and not closed by us: open, or closed by somebody before us."""
    return not closing.midway(context, host)


def open_again(context: Context, host: Host) -> None:
    """Open it and boot a server there; StepError, and it stays closed, where that goes wrong.

    Where no server can be made, or put there, the host is opened by what `proof` has compared, and
    that is kept. So is where the server can go nowhere; where it could and does not come back, that
    is wrong.
    """
    api = login.api(context)
    service.reopen(api, host.name)
    why = f"{NOT_BOOTED}somebody else has closed it"
    if not service.is_closed(service.of(api, host.name)):
        try:
            why = _prove(context, api, host)
        except (NoPlaceError, NoServerError) as error:
            why = f"{NOT_BOOTED}{error}"
        except BaseException:
            service.close(api, host.name)
            raise
    if why:
        context.extras.setdefault(UNPROVEN, {})[host.name] = why
    proof.forget(context, host)  # the last: while it is kept the host is not done


def during(context: Context, names: Collection[str]) -> None:
    """Hosts of *names* are renewed now: no server of ours goes there."""
    context.extras[BATCH] = frozenset(names)


def _prove(context: Context, api: Api, host: Host) -> str:
    """What could not be tried."""
    boot.sweep(context, api, host.name)
    here, places, why = _place(context, api, host)
    to, models = _fitting(api, host, places)
    with new_server.booted(context, api, host.name, models) as one:
        if one is None:
            return f"{NOT_BOOTED}it has no room for one"
        if here is None or to is None:
            return f"{STAYED}{why or 'no other host of its zone has room for it'}"
        wrong = probe.there_and_back(context, api, one, here, to)
    if wrong and _live_migrates(context):
        raise StepError(
            f"{host.name}: the new server works there, but {wrong}. Mend that, or leave live "
            "migration untried by `probe: false` in sidestep:settle"
        )
    return f"{STAYED}{wrong}" if wrong else ""


def _fitting(api: Api, host: Host, places: list[Seen]) -> tuple[Seen | None, list[Model]]:
    """One of *places* and what fits on *host* and there; only the latter where there is no room."""
    for to in places:
        if models := list(best(api, host.name, to.host)):
            return to, models
    return None, list(best(api, host.name))


def _place(context: Context, api: Api, host: Host) -> tuple[Seen | None, list[Seen], str]:
    """*host* as it is, hosts to which a server of it may go, and why there are none."""
    if not context.settings.settle.probe:
        return None, [], "the stack file has probe: false"
    here = hypervisors.one(context, api, host)
    if here is None or here.unready:
        return here, [], here.unready if here else "the host does not answer"
    those = list(_others(context, api, here))
    if not those:
        return here, [], "no other host of its zone is open and takes one"
    return here, those, ""


def _others(context: Context, api: Api, here: Seen) -> Iterator[Seen]:
    """Those that are most like it first: what is between releases is to be shown, not else."""
    busy = context.extras.get(BATCH, frozenset())
    takes = [
        one
        for one in hypervisors.read(context, api)
        if one.open and not one.unready and one.zone == here.zone
        if one.host != here.host and one.host not in busy
    ]
    takes.sort(key=lambda one: one.platform[1:] != here.platform[1:])
    yield from takes[:PLACES]


def _live_migrates(context: Context) -> bool:
    """Whether it worked between hosts of the old release, or nobody has tried."""
    old = context.source.release
    before = [
        tried.how
        for trip, tried in note.read(context).items()
        if trip.source.release == trip.to.release == old
    ]
    return not before or How.WORKS in before
