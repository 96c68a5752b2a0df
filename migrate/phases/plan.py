"""The night: every step, in its order, with what it waits for and what users notice meanwhile.

Read it from top to bottom. `follow` makes the target ready while the source serves; `cutover`
closes the source, brings what is left over, and lets users in on the target; `accept` is the
operator's word. Parts say what a step does: `done` asks the machines, `apply` does it, `revert`
undoes it. Here stands the order: steps that do not wait for each other run side by side, and the
way back is the same page, read upwards.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from migrate import finish
from migrate.cloud import Context, transfer
from migrate.cloud.host import Host
from migrate.computes import closing, draining, installers, network, proof
from migrate.computes.installers import Act, Installer, in_place, reinstall
from migrate.computes.network import carried
from migrate.computes.reinstalling import osds
from migrate.configuration import broker, carry, keys
from migrate.database import (
    baseline,
    compare,
    copied_urls,
    copy,
    ownership,
    rehearsed,
    schema,
    sizes,
    warm,
)
from migrate.database.replication import proven, proving, replica
from migrate.engine.plan import Action, Check, Impact, Phase, Plan, Step, nothing, step
from migrate.services.base import Recipe
from migrate.storage.ceph import attachments, joining, leaving, members, old_address, stored
from migrate.storage.images import image_passes
from migrate.storage.rbd import client_files
from migrate.storage.volumes import policy, volume_proof
from migrate.takeover import (
    agents,
    backends,
    fence,
    first_calls,
    front,
    gate,
    going_live,
    hand_over,
    isolation,
    preload,
    proxy,
    start,
    virtual_ip,
)
from migrate.takeover.gate import close, drain, reopen_timer
from migrate.verify import probe, renewed_host, views

R = TypeVar("R")

_follow = partial(step, Phase.FOLLOW, Impact.NONE)
_serving = partial(step, Phase.CUTOVER, Impact.NONE)
_closed = partial(step, Phase.CUTOVER, Impact.API_CLOSED)
_storage = partial(step, Phase.STORAGE, Impact.NONE)
_settle = partial(step, Phase.SETTLE, Impact.NONE)

# follow: the source serves

KEY = _follow(
    "transfer.key",
    "Let the target's controllers pull data from the source's",
    (transfer.ready, transfer.allow, transfer.forbid),
    seconds=2,
)
PRIVATE_ADDRESS = _follow(
    "isolation.private-address",
    "Carry the virtual IP privately on the target",
    (isolation.carried, isolation.carry, isolation.drop),
    seconds=1.5,
)
FILTER = _follow(
    "isolation.filter",
    "Filter what would leave for the source's database, broker and cache",
    (isolation.filtered, isolation.filter_out, isolation.unfilter),
    after=[PRIVATE_ADDRESS],
    seconds=0.5,
)
BROKER_ACCOUNTS = _follow(
    "broker.accounts",
    "Make the broker's accounts on the target",
    (broker.made, broker.make, broker.remove),
    seconds=6,
)
# with the address not private yet, HAProxy would offer what the source offers
PROXY = _follow(
    "proxy.config",
    "HAProxy and keepalived of the target",
    (proxy.configured, proxy.configure, proxy.remove),
    after=[PRIVATE_ADDRESS],
    seconds=1,
)
FRONT = _follow(
    "front.stand",
    "Stand before the source's proxy; calls pass",
    (front.stands, front.stand, front.leave),
    seconds=3,
)
IMAGES = _follow(
    image_passes.FIRST,
    "Copy the images while the cloud serves, and hash them on the target",
    (
        image_passes.followed,
        image_passes.follow,
        partial(image_passes.discard, step=image_passes.FIRST),
    ),
    after=[KEY],
    seconds=30,
    grows=True,
)
TOOLS = _follow(
    "database.tools",
    "Start the target's schema tools, to wait for the window",
    (schema.tools_wait, schema.await_tools, warm.stop),
    seconds=60,
)
FIRST_PASS = _follow(
    "database.first-pass",
    "Copy the databases a first time while the source serves",
    (copy.passed, replica.seed, ownership.discard),
    after=[KEY],
    seconds=10,
    grows=True,
)
REPLICA = _follow(
    "database.replica",
    "Follow the source's databases, where its binary log allows it",
    (replica.follows, replica.begin, replica.end),
    after=[FIRST_PASS],
    seconds=3,
)
PROOF = _follow(
    "database.proof",
    "Prove the followed databases equal while the source serves",
    (proving.proved, proving.prove, proven.forget),
    after=[REPLICA],
    seconds=5,
    grows=True,
)
# a service that waits could reach the source, were it not for the filter
PRELOAD = _follow(
    "services.preload",
    "Start the target's services, to wait for the window",
    (preload.wait_or_serve, preload.begin, preload.end),
    after=[FILTER],
    seconds=20,
)


def _config(recipe: Recipe) -> Step:
    return _follow(
        f"{recipe.project}.config",
        f"Translate the configuration of {recipe.project}",
        (_of(carry.carried, recipe), _of(carry.carry, recipe), _of(carry.restore, recipe)),
        seconds=3,
    )


def _keys(recipe: Recipe) -> Step:
    return _follow(
        f"{recipe.project}.keys",
        f"Carry the keys of {recipe.project}",
        (_of(keys.carried, recipe), _of(keys.carry, recipe), _of(keys.give_back, recipe)),
        seconds=1,
    )


def _protected(held: policy.Held, config: Step) -> Step:
    """Before the service that has them has ever started."""
    return _follow(
        held.step,
        "Hold calls that would destroy what both sides share",
        (
            partial(policy.protected, of=held),
            partial(policy.protect, of=held),
            partial(policy.unprotect, of=held),
        ),
        after=[config],
        seconds=6,
    )


# of a cloud whose Ceph comes over: one after the other, each quorum whole before the next

CEPH_JOINS = "ceph.monitor-"  # and the name of the machine


def _ceph_joins(names: Sequence[str], gateways: Sequence[str]) -> list[Step]:
    """Monitors, then who hears of them, then managers and gateways, which need one beside them."""
    found: list[Step] = []

    def then(id_: str, title: str, seconds: float, *act: Callable[..., Any], **of: str) -> None:
        done, do, undo = (partial(one, **of) for one in act)
        found.append(_follow(id_, title, (done, do, undo), after=found[-1:], seconds=seconds))

    for name in names:
        title = f"Let a monitor of Ceph on {name} join the old ones"
        act = joining.joined, joining.join, joining.leave
        then(f"{CEPH_JOINS}{name}", title, 11, *act, name=name)
    title = "Name the new monitors in every ceph.conf, beside the old ones"
    then("ceph.addresses", title, 1, joining.told, joining.tell, joining.forget)
    for name in names:
        title = f"Let a manager of Ceph on {name} stand by"
        act = joining.stands_by, joining.stand_by, joining.stand_down
        then(f"ceph.manager-{name}", title, 20, *act, name=name)
    for name in gateways:
        title = f"Let a gateway of Ceph on {name} stand beside the old one"
        act = joining.stands_beside, joining.stand_beside, joining.stand_away
        then(f"ceph.gateway-{name}", title, 15, *act, name=name)
    return found


# of a cloud on Ceph's RBD, where nothing is copied
CEPH_CLIENTS = _follow(
    "ceph.clients",
    "Carry Ceph's configuration and the keys of the services that use it",
    (client_files.carried, client_files.carry, client_files.restore),
    seconds=1,
)


def _volumes_read(recipe: Recipe) -> Step:
    return _follow(
        f"{recipe.project}.volumes",
        "Prove the volumes by the target's own client, and read those that nobody writes to",
        (
            _of(volume_proof.read_once, recipe),
            _of(volume_proof.first, recipe),
            partial(volume_proof.forget, recipe=recipe, read=True),
        ),
        after=[CEPH_CLIENTS],
        seconds=60,
        grows=True,
    )


# cutover: first what can still be done while the source serves

ISOLATED = _serving(
    "isolation.proof",
    "Ask every URL of the target who is at its other end",
    (isolation.proven, isolation.prove, isolation.forget_proof),
    seconds=0.5,
)
REOPEN_TIMER = _serving(
    going_live.ARM,
    "Arm the watch that reopens the source",
    (reopen_timer.armed, reopen_timer.arm, reopen_timer.remove),
    after=[ISOLATED],
    seconds=0.5,
)
# going back, agents are restarted once the source is open: that is why this is before it closes
AGENTS_NOTED = _serving(
    "agents.record",
    "Note which agents and computes run",
    (agents.noted, agents.note, agents.forget),
    after=[REOPEN_TIMER],
    seconds=0.5,
)
# what users do from here to the second listing shows there, which is all that the window pays for
USERS_LISTED = _serving(
    views.USERS_LISTED,
    "List what each project's own users see, and keep a token of each",
    (views.users_listed, views.keep_users, views.forget_users),
    seconds=5,
    grows=True,
)

# what is written from here on is all that the window compares
LAST_PROOF = _serving(
    "database.last-proof",
    "Prove what the databases' binary log names since then",
    (proving.proved, proving.prove, nothing),
    after=[ISOLATED],
    seconds=2,
    grows=True,
)

# the window

CLOSED_TO_USERS = _closed(
    going_live.CLOSE,
    "Close the source to users; its own hosts pass",
    (gate.closed_to_users, gate.close_to_users, close.reopen),
    after=[REOPEN_TIMER, AGENTS_NOTED, USERS_LISTED, LAST_PROOF],
    seconds=0.6,
)
DRAINED = _closed(
    "gate.drain",
    "Wait until nothing is in flight",
    (drain.drained, drain.drain, nothing),
    after=[CLOSED_TO_USERS],
    seconds=2,
)
# when nothing moves any more, and not later: closed to all, services could not ask keystone
# whether our token is good
LISTED = _closed(
    views.ADMIN_LISTED,
    "List every resource of every project",
    (views.listed, views.keep, views.forget),
    after=[DRAINED],
    seconds=2,
    grows=True,
)
CLOSED_TO_ALL = _closed(
    "gate.all",
    "Close the source to everybody",
    (gate.closed_to_all, gate.close_to_all, gate.back_to_users),
    after=[DRAINED, LISTED],
    seconds=0.4,
)
# beside what follows: calls wait already
CLOSED_PROVEN = _closed(
    "gate.proof",
    "Prove by calls that the source is closed",
    (gate.proven_closed, gate.prove_closed, nothing),
    after=[CLOSED_TO_ALL],
    seconds=0.5,
)
# undone it starts what has ended since
CONTROL_FROZEN = _closed(
    "fence.control",
    "Freeze every control unit of the source that acts",
    (fence.control_is_frozen, fence.freeze_control, fence.lift_control),
    after=[CLOSED_TO_ALL],
    seconds=0.5,
)
READ_ONLY = _closed(
    "fence.read-only",
    "Make the source's databases read-only, also after a reboot",
    (fence.database_is_fenced, fence.fence_database, fence.lift_database),
    after=[CONTROL_FROZEN],
    seconds=1,
)
# beside what follows: nobody waits for it
FROZEN_ENDED = _closed(
    "fence.frozen",
    "End what is frozen, and mask it",
    (fence.frozen_is_ended, fence.end_frozen, nothing),
    after=[READ_ONLY],
    seconds=2,
)
# undone last of the three: with it a reboot cannot bring the address back
MANAGER_FENCED = _closed(
    "fence.manager",
    "Mask the holder of the virtual IP on the source",
    (fence.manager_is_fenced, fence.fence_manager, fence.lift_manager),
    after=[CLOSED_TO_ALL],
    seconds=0.5,
)
ARRIVED = _closed(
    "database.arrival",
    "Have all that the source has logged, and follow it no more",
    (replica.arrived, replica.arrive, nothing),
    after=[READ_ONLY],
    seconds=0.5,
)
FINGERPRINT = _closed(
    "database.fingerprint",
    "Fingerprint the fenced databases",
    (baseline.taken, baseline.take, baseline.lift),
    after=[ARRIVED],
    seconds=1,
    grows=True,
)
COPY = _closed(
    "database.copy",
    "Bring what changed in the databases since the first pass",
    (copy.copied, copy.copy, copy.discard_copy),
    after=[FINGERPRINT],
    seconds=2,
    grows=True,
)
COMPARE = _closed(
    "database.compare",
    "Compare every table, definition, account and grant",
    (copy.compared, compare.prove, compare.forget),
    after=[COPY],
    seconds=1,
    grows=True,
)
IMAGES_DELTA = _closed(
    image_passes.DELTA,
    "Copy the images that were made since",
    (
        partial(image_passes.stamped, step=image_passes.DELTA),
        image_passes.catch_up,
        partial(image_passes.discard, step=image_passes.DELTA),
    ),
    after=[COMPARE, IMAGES],
    seconds=1,
    grows=True,
)
IMAGES_PROOF = _closed(
    image_passes.PROOF,
    "Prove every image by its hash",
    (
        partial(image_passes.stamped, step=image_passes.PROOF),
        image_passes.prove,
        partial(image_passes.discard, step=image_passes.PROOF),
    ),
    after=[IMAGES_DELTA],
    seconds=1,
    grows=True,
)


def _volumes_proof(recipe: Recipe) -> Step:
    return _closed(
        f"{recipe.project}.proof",
        "Prove every volume by the target's own client",
        (
            _of(volume_proof.proven, recipe),
            _of(volume_proof.prove, recipe),
            partial(volume_proof.forget, recipe=recipe, read=False),
        ),
        after=[COMPARE],
        seconds=2,
        grows=True,
    )


# the copied data names URLs too, and schema tools follow them
COPIED_URLS = _closed(
    "database.urls",
    "Prove that every URL in the copied data leads to the target",
    (copied_urls.proven, partial(copied_urls.prove, isolated=isolation.prove), copied_urls.forget),
    after=[COMPARE, ISOLATED],
    seconds=1,
    grows=True,
)


def _schema(recipe: Recipe) -> Step:
    return _closed(
        f"{recipe.project}.schema",
        f"Bring {recipe.project}'s databases to the target's release",
        (_of(schema.upgraded, recipe), _of(schema.upgrade, recipe), _of(schema.drop, recipe)),
        after=[COPIED_URLS],
        seconds=3,
        grows=True,
    )


def _synced(schemas: Iterable[Step]) -> Step:
    return _closed(
        "database.synced",
        "Mark the target's databases as upgraded",
        (schema.synced, schema.finish, schema.unmark),
        after=schemas,
        seconds=0.3,
    )


def _start(recipe: Recipe, schemas: dict[str, Step], proofs: dict[str, Step]) -> Step:
    """A service without databases waits for the source to be silent."""
    data = [schemas.get(recipe.project, CONTROL_FROZEN)]
    data += [IMAGES_PROOF] if recipe.images else []
    data += [proofs[recipe.project]] if recipe.project in proofs else []
    return _closed(
        f"{recipe.project}.start",
        f"Start {recipe.project} on the target",
        (_of(start.serves, recipe), _of(start.start, recipe), _of(start.stop, recipe)),
        after=[PRELOAD, *data],
        seconds=6,
    )


def _go_live(synced: Step, starts: Iterable[Step]) -> tuple[Step, ...]:
    """From the first answer on the target to its mark; users come in with the address."""
    daemons = _closed(
        "daemons.answer",
        "See that database, broker, cache and proxy answer",
        (backends.answer, backends.wait, nothing),
        after=[synced, *starts],
        seconds=0.4,
    )
    apis = _closed(
        "apis.answer",
        "See that every API of the target answers the administrator",
        (first_calls.answer, first_calls.wait, nothing),
        after=[daemons],
        seconds=3,
    )
    # the last moment at which the source may reopen by itself: the address moves next
    disarmed = _closed(
        going_live.DISARM,
        "Take the watch away: from here the target decides",
        (going_live.unwatched, going_live.unwatch, reopen_timer.arm),
        after=[CLOSED_PROVEN, apis],
        seconds=0.3,
    )
    # beside the starts: calls wait for what is asked after them
    alone = _closed(
        "vip.alone",
        "See that nobody else answers for the virtual IP",
        (virtual_ip.ours_alone, virtual_ip.refuse_second_holder, nothing),
        after=[synced],
        seconds=1,
    )
    moved = step(
        Phase.CUTOVER,
        Impact.ADDRESS_MOVES,
        going_live.POINT,
        "Let calls through to the target, then take the virtual IP over",
        (virtual_ip.taken, going_live.let_in, going_live.turn_away),
        after=[disarmed, READ_ONLY, FROZEN_ENDED, MANAGER_FENCED, PROXY, apis, alone],
        seconds=5.5,
    )
    reconnected = step(
        Phase.CUTOVER,
        Impact.AGENTS_RECONNECT,
        "agents.reconnect",
        "Reconnect agents and computes to the target",
        (agents.reconnected, agents.reconnect, agents.disconnect),
        after=[moved],
        seconds=6,
    )
    # not in the window, where nobody goes it any more
    unfollowed = _serving(
        "database.unfollow",
        "Take the way to the source's databases away",
        (replica.taken_away, replica.take_away, nothing),
        after=[moved],
        seconds=0.8,
    )
    # the source is fenced still, and nobody waits for its answers
    read_whole = _serving(
        "database.fence-whole",
        "Read whole what the fence's fingerprint took from the proof",
        (baseline.taken_later, baseline.take_later, nothing),
        after=[moved],
        seconds=1.5,
    )
    # beside it: what is in flight may take its time
    quiet = _serving(
        "vip.quiet",
        "Take the virtual IP off its old holder when what it still carries has ended",
        (virtual_ip.quiet, hand_over.settle, nothing),
        after=[moved],
        seconds=1,
    )
    # and at once: users write already
    noted = _serving(
        going_live.NOTE,
        "Mark the target as the cloud that serves",
        (going_live.begun, going_live.begin, going_live.undo),
        after=[moved],
        seconds=0.3,
    )
    return daemons, apis, disarmed, alone, moved, reconnected, unfollowed, read_whole, quiet, noted


# accept: no other command runs this


def _accepted(protected: Iterable[Step], live: Step) -> Step:
    return step(
        Phase.ACCEPT,
        Impact.NONE,
        "storage.accept",
        "Accept the target: going back loses what is done to shared volumes from now on",
        (policy.accepted, policy.accept, policy.hold_again),
        after=[*protected, live],
        seconds=1,
    )


# storage: the target serves; what of Ceph is old goes, monitors before any OSD

CEPH_TOLD = _storage(
    "ceph.told",
    "Name the new monitors in every ceph.conf that came since",
    (joining.told, joining.tell, nothing),
    seconds=1,
)
CEPH_ATTACHMENTS = _storage(
    "ceph.attachments",
    "Name the new monitors in stored attachments of volumes, beside the old ones",
    (attachments.told, attachments.tell, attachments.forget),
    seconds=2,
)
# before anything else comes over: servers are rebooted by the operator, who may take days
CEPH_SERVERS = _storage(
    "ceph.servers",
    "See that every server knows a new monitor",
    (stored.all_know, stored.refuse_others, nothing),
    after=[CEPH_TOLD, CEPH_ATTACHMENTS],
    seconds=1,
)
# these three wait for what `_ceph_leaves` says
CEPH_MANAGER = _storage(
    "ceph.manager",
    "Let a manager of the new release take over, the old one stands by",
    (leaving.is_active, leaving.activate, leaving.hand_back),
    seconds=20,
)
CEPH_GATEWAYS = _storage(
    "ceph.gateways",
    "Let the new gateways serve alone, the old ones rest",
    (leaving.serve_alone, leaving.take_over, leaving.wake),
    seconds=10,
)
CEPH_COMMIT = step(
    Phase.STORAGE,
    Impact.STORAGE_RESTS,
    "ceph.commit",
    "Remove the old monitors, which never start again",
    (leaving.is_committed, leaving.remove_old, leaving.stay),
    seconds=25,
    returns=False,
)
# at once: in between whoever starts by an old address finds no monitor
CEPH_ADDRESS = step(
    Phase.STORAGE,
    Impact.STORAGE_RESTS,
    "ceph.old-address",
    "Let the new monitors take over the addresses of the old ones",
    (old_address.taken, leaving.take_addresses, leaving.stay),
    after=[CEPH_COMMIT],
    seconds=45,
    returns=False,
)
CEPH_BETWEEN = _storage(
    "ceph.between",
    "Name these in attachments that were made in between",
    (attachments.told, attachments.tell, leaving.stay),
    after=[CEPH_ADDRESS],
    seconds=1,
    returns=False,
)


def _ceph_leaves(gateways: Sequence[str], *, keep: bool) -> Iterator[Step]:
    """With *keep* new monitors have the old addresses then, and nobody has to know others."""
    yield CEPH_TOLD
    yield from () if keep else (CEPH_ATTACHMENTS, CEPH_SERVERS)
    known = (CEPH_TOLD if keep else CEPH_SERVERS).id
    yield replace(CEPH_MANAGER, needs=(known,))
    # gateways before: what of them fails is told while all of it goes back
    yield from (replace(CEPH_GATEWAYS, needs=(known,)),) if gateways else ()
    before = (CEPH_MANAGER, CEPH_GATEWAYS) if gateways else (CEPH_MANAGER,)
    yield replace(CEPH_COMMIT, needs=tuple(one.id for one in before))
    yield from (CEPH_ADDRESS, CEPH_BETWEEN) if keep else ()


def storage_host(name: str, after: Sequence[Step]) -> list[Step]:
    """The steps of the host *name*, which has OSDs and runs no server: it is made anew."""
    return _installed(Phase.STORAGE, f"{name}.", name, osds.among(reinstall.OF_SYSTEM), [*after])


def _storage_hosts(names: Iterable[str], after: Step) -> Iterator[Step]:
    """One host after the other: no two are away at a time."""
    before: Sequence[Step] = [after]
    for name in names:
        yield from (mine := storage_host(name, before))
        before = mine[-1:]


# settle: the target serves; a compute host comes over, waiting for no other

# before the first batch and after each: hosts become other ones, so it is not done for good
PROBED = _settle(
    "probe",
    "Try live migration between the hosts as they are, by servers made for it",
    (probe.all_tried, probe.try_all, probe.forget),
    seconds=95,
)


def settled(name: str, installer: Installer) -> tuple[Step, ...]:
    """The steps of the compute host *name*, which comes over, or is updated, by *installer*.

    An update is a phase of its own: what it undoes is not what a host was before it came over.
    """
    phase = Phase.SETTLE if installer.WAY.renews else Phase.UPDATE
    stem = _stem(name, installer)
    quiet = partial(step, phase, Impact.NONE)
    ahead = _installed(phase, stem, name, installer.AHEAD, [])
    closed = quiet(
        f"{stem}close",
        f"Note how {name} is, and close it to the scheduler",
        _on(name, closing.closed, closing.close, closing.forget),
        after=ahead[-1:],
        seconds=2,
    )
    emptied = step(
        phase,
        Impact.SERVERS_MOVE,
        drain_of(name, installer),
        f"Let servers leave {name} that are to, by sidestep:settle",
        _on(name, draining.drained, draining.drain, draining.forget),
        after=[closed],
        seconds=1,
    )
    renewed = _installed(phase, stem, name, installer.ACTS, [emptied])
    # whoever goes on asks again, until it is open: it costs one heartbeat
    proven = quiet(
        f"{stem}proof",
        f"Prove that {name} is what it was, and of the new release",
        _on(name, renewed_host.is_open, proof.prove),
        after=renewed[-1:],
        seconds=28,
    )
    opened = quiet(
        f"{stem}open",
        f"Open {name} as it was, and boot a server there that leaves and comes back",
        _on(name, renewed_host.is_open, renewed_host.open_again),
        after=[proven],
        seconds=77,
    )
    at_home = step(
        phase,
        Impact.SERVERS_MOVE,
        f"{stem}home",
        f"Let servers come home to {name} that are to, and start who was stopped",
        _on(name, draining.at_home, draining.come),
        after=[opened],
        seconds=1,
    )
    return *ahead, closed, emptied, *renewed, proven, opened, at_home


def settled_network(name: str) -> tuple[Step, ...]:
    """The steps of the network host *name*: nothing is closed, and nothing has to leave it."""
    ahead = _installed(Phase.SETTLE, f"{name}.", name, in_place.AHEAD, [])
    noted = _settle(
        f"{name}.note",
        f"Note what {name} carries",
        _on(name, carried.noted, carried.note, carried.forget),
        after=ahead[-1:],
        seconds=2,
    )
    renewed = _installed(Phase.SETTLE, f"{name}.", name, in_place.ACTS, [noted])
    proven = _settle(
        f"{name}.proof",
        f"Prove that {name} carries what it did, by agents of the new release",
        _on(name, carried.proven, carried.prove),
        after=renewed[-1:],
        seconds=40,
    )
    return *ahead, noted, *renewed, proven


def _stem(name: str, installer: Installer) -> str:
    return f"{name}." if installer.WAY.renews else f"{name}.update-"


def drain_of(name: str, installer: Installer) -> str:
    """The step that lets servers leave the host *name*."""
    return f"{_stem(name, installer)}drain"


def _installed(
    phase: Phase, stem: str, name: str, acts: Iterable[Act], after: list[Step]
) -> list[Step]:
    """The steps of an installer, one after the other."""
    made: list[Step] = []
    for one in acts:
        made.append(
            step(
                phase,
                one.impact,
                f"{stem}{one.name}",
                one.title.format(host=name),
                _on(name, one.done, one.apply, one.revert),
                after=made[-1:] or after,
                seconds=one.seconds,
                returns=one.returns,
            )
        )
    return made


def _on(
    name: str,
    done: Callable[[Context, Host], bool],
    apply: Callable[[Context, Host], None],
    revert: Callable[[Context, Host], None] | None = None,
) -> tuple[Check, Action, Action]:
    back = partial(_at, name, revert) if revert else nothing
    return partial(_at, name, done), partial(_at, name, apply), back


def _at(name: str, act: Callable[[Context, Host], R], context: Context) -> R:
    return act(context, context.named(name))


def _of(act: Callable[..., R], recipe: Recipe) -> Callable[[Context], R]:
    return partial(act, recipe=recipe)


def steps(
    recipes: tuple[Recipe, ...],
    *,
    ceph: bool = False,
    monitors: Sequence[str] = (),
    gateways: Sequence[str] = (),
    keep: bool = False,
) -> Iterator[Step]:
    """Every step for a cloud with the services *recipes*, in the order of the night.

    With *ceph* some of them have their data on its RBD; *monitors* are the target's controllers
    that Ceph's own come to, *gateways* those of them that an old gateway does; with *keep* the old
    monitors' addresses do, too.
    """
    images = any(recipe.images for recipe in recipes)
    first_images = replace(IMAGES, needs=(*IMAGES.needs, CEPH_CLIENTS.id)) if ceph else IMAGES
    volumes = [one for one in recipes if one.volumes and ceph]
    proofs = {one.project: _volumes_proof(one) for one in volumes}
    configs = {one.project: _config(one) for one in recipes if one.configs}
    held = [one for one in policy.every(ceph=ceph) if one.project in configs]
    protected = [_protected(one, configs[one.project]) for one in held]
    yield from (KEY, PRIVATE_ADDRESS, FILTER, *configs.values())
    yield from (_keys(recipe) for recipe in recipes if recipe.keys)
    yield from (BROKER_ACCOUNTS, *protected, PROXY, FRONT)
    yield from (joins := _ceph_joins(monitors, gateways) if monitors else [])
    # their ceph.conf names all monitors from the start
    clients = replace(CEPH_CLIENTS, needs=tuple(one.id for one in joins))
    yield from (clients,) if ceph else ()
    yield from (first_images,) if images else ()
    yield from map(_volumes_read, volumes)
    yield from (TOOLS, FIRST_PASS, REPLICA, PROOF, PRELOAD)
    yield from (ISOLATED, REOPEN_TIMER, AGENTS_NOTED, USERS_LISTED, LAST_PROOF)
    yield from (CLOSED_TO_USERS, DRAINED, LISTED, CLOSED_TO_ALL, CLOSED_PROVEN)
    yield from (CONTROL_FROZEN, READ_ONLY, FROZEN_ENDED, MANAGER_FENCED)
    yield from (ARRIVED, FINGERPRINT, COPY, COMPARE)
    yield from (IMAGES_DELTA, IMAGES_PROOF) if images else ()
    yield from proofs.values()
    schemas = {one.project: _schema(one) for one in recipes if one.sync}
    starts = [_start(one, schemas, proofs) for one in recipes]
    live = _go_live(synced := _synced(schemas.values()), starts)
    yield from (COPIED_URLS, *schemas.values(), synced, *starts, *live)
    yield from (_accepted(protected, live[-1]),) if protected else ()
    yield from _ceph_leaves(gateways, keep=keep) if monitors else ()


def compose(context: Context) -> Plan:
    """The whole way over for *context*'s recipes and hosts; asks no machine.

    Databases take what their size and the last rehearsal say; `expected.py` has what ran here.

    Of a command that updates hosts their steps for that are in place of those by which they came.
    """
    hosts = [
        one
        for host in context.source.computes
        for one in settled(host.name, installers.of(context, host.name))
    ]
    carriers = [one for host in context.source.network_hosts for one in settled_network(host.name)]
    settle = (*([PROBED] if hosts else []), *hosts, *carriers, *network.steps(context.recipes))
    own = steps(
        context.recipes,
        ceph=context.settings.ceph.clients,
        monitors=members.joining(context),
        gateways=tuple(members.gateways(context)),
        keep=(keep := members.keeps(context)),
    )
    last = CEPH_ADDRESS if keep else CEPH_COMMIT
    storage = _storage_hosts(members.with_osds_only(context), last)
    finished = finish.steps(context.recipes, monitors=members.moves(context))
    own = sizes.timed(own, sizes.kept(context))
    own = rehearsed.timed(own, rehearsed.kept(context))
    return Plan.of((*own, *storage, *settle, *finished))
