"""Live migration is tried by servers of ours before servers of users are asked to go.

When: before the first host is renewed, and again after each batch. Before the first there is no
renewed host, so only the hosts as they are can be tried: whether this cloud live-migrates at all,
between which of its hosts, and of which make. What a renewed one is to the others shows first with
the canary, which is renewed by itself for that: it is tried with those of the old release before
the next batch begins. Later batches bring something new only where their hosts are of another make;
what works is kept, and not tried again; what does not is tried once more by the next run.

Where a shape has volumes the server gets new ones of the types in use; where it has no other disk
the server boots from the first. All is deleted whatever happens; what a killed run leaves has our
name, and goes first.
"""

from collections.abc import Collection
from contextlib import ExitStack

from migrate.cloud import Context, login
from migrate.cloud.api import Api
from migrate.computes.draining import turns
from migrate.computes.probing import combinations, hypervisors, note
from migrate.computes.probing.combinations import Pair
from migrate.computes.probing.facts import LIKE_NONE, How, Record, Seen, Shape, Tried, Trip
from migrate.errors import StepError
from migrate.verify import boot, new_server, round_trip, volume
from migrate.verify.boot import Booted
from migrate.verify.model import Model, candidates

CHOSEN = "settle-chosen"  # names of the hosts that this run renews
LEFT = "settle-left"  # what of ours, or named so, could not be deleted
OWED = "settle-owed"  # trips that runs before this one have tried in vain, until this one has
NO_ROOM = "no two hosts that show it have room for one more server like those that run"


def begin(context: Context, names: Collection[str]) -> None:
    """From here on only what hosts of *names* have to do with is tried.

    What could not be tried, or has failed, is tried once more.
    """
    context.extras[CHOSEN] = frozenset(names)
    context.extras[OWED] = set(note.read(context).keys() - note.lasting(context).keys())


def all_tried(context: Context) -> bool:
    """Whether each combination that shows now was tried, and no server of ours is left."""
    api = login.api(context)
    return next(boot.left(api), None) is None and not _untried(context, api)


def try_all(context: Context) -> None:
    """Try each that was not; what comes of it is noted, and never an error here."""
    tidy(context)
    api = login.api(context)
    for trip, pairs in _untried(context, api).items():
        _try(context, api, trip, pairs)


def tidy(context: Context) -> None:
    """Delete what a killed run has left of servers of ours; what stays is kept for `LEFT`."""
    context.extras[LEFT] = boot.sweep(context, login.api(context))


def forget(context: Context) -> None:
    """Nothing was tried. A server that a killed run has left is the target's, and goes with it."""
    note.forget(context)


def _untried(context: Context, api: Api) -> dict[Trip, list[Pair]]:
    if not context.settings.settle.probe:
        return {}
    chosen = context.extras.get(CHOSEN, {one.name for one in context.source.computes})
    return combinations.untried(hypervisors.read(context, api), chosen, _record(context))


def _record(context: Context) -> Record:
    """What is not to be tried by this run."""
    owed = context.extras.get(OWED, ())
    return {trip: tried for trip, tried in note.read(context).items() if trip not in owed}


def _try(context: Context, api: Api, trip: Trip, pairs: list[Pair]) -> None:
    """There and back; where it does not come there, another server is tried the other trip."""
    try:
        wrong = _tried(context, api, trip, pairs)
    except StepError as error:  # it did not boot, or is not gone
        if turns.stopped(context):
            raise
        wrong = str(error)
    for one in (trip, trip.back):
        if one not in _record(context):
            note.add(context, one, Tried(How.UNPROVEN, wrong or LIKE_NONE))
        _tried_now(context, one)


def _tried_now(context: Context, trip: Trip) -> None:
    context.extras.get(OWED, set()).discard(trip)


def _tried(context: Context, api: Api, trip: Trip, pairs: list[Pair]) -> str:
    """Why it could not be tried."""
    shown = combinations.shown(hypervisors.read(context, api), trip)
    for here, there in pairs:
        boot.sweep(context, api, here.host)
        boot.sweep(context, api, there.host)
        names, root = (here.host, there.host), trip.shape.boots_from_volume
        models = list(candidates(api, *names, among=shown, from_volume=root))
        if not models:
            continue
        stays = _go(context, api, trip.shape, models, here, there)
        if stays and trip != trip.back:
            _go(context, api, trip.shape, models, there, here)
        return ""
    return NO_ROOM


def _go(
    context: Context, api: Api, shape: Shape, models: list[Model], here: Seen, there: Seen
) -> str:
    """Of one of *models*, with volumes where *shape* has some, `there_and_back`."""
    # in this order: a volume can be deleted when its server is gone
    with ExitStack() as stack:
        volumes = []
        if shape.volumes:
            volumes = stack.enter_context(volume.made(context, api, here.host, models[0]))
        one = stack.enter_context(new_server.booted(context, api, here.host, models))
        if one is None:
            return ""
        for id_ in volumes:
            volume.attach(context, api, one.server, id_)
        return there_and_back(context, api, one, here, there)


def there_and_back(context: Context, api: Api, one: Booted, here: Seen, there: Seen) -> str:
    """Take *one* from *here* to *there* and home; why it did not go, each trip is noted as it ends.

    It is noted for the shape that *one* has: an old server's machine is given to no new one.
    """
    host = next(host for host in context.source.computes if host.name == here.host)
    now = hypervisors.one(context, api, host)
    if now is None or one.server not in now.shapes:
        raise StepError(f"{here.host}: libvirt does not show the new server {one.server}")
    trip = Trip(now.platform, there.platform, now.shapes[one.server])
    for direction, to in ((trip, there), (trip.back, here)):
        wrong = round_trip.move(context, api, host, one, to.host)
        note.add(context, direction, Tried(How.FAILS if wrong else How.WORKS, wrong))
        _tried_now(context, direction)
        if wrong:
            return f"it did not come to {to.host}: {wrong}"
    return ""
