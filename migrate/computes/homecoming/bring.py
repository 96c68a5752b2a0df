"""Stop what may not run on, through the target where it answers, and prove that nothing does."""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial

from migrate.cloud import Context, hosts, login, wait
from migrate.cloud.api import Api, ApiError
from migrate.cloud.host import Host
from migrate.computes.homecoming import reading
from migrate.computes.homecoming.decision import (
    Act,
    Why,
    busy,
    decide,
    helpless,
    leftovers,
    unproven,
    wrong,
)
from migrate.computes.homecoming.facts import Facts
from migrate.database import connection
from migrate.errors import MigrateError, PreconditionError, StepError, UnreachableError
from migrate.onhost import call

REST_SECONDS = 180.0  # for what users began before the target was closed
TARGET_SECONDS = 200.0  # nova asks a guest for 160 s to give up a volume, and 60 s to shut down
GUEST_SECONDS = 60.0  # what we give it on its host
PAUSE = 2.0

Remark = Callable[[str, str], None]


def bring_home(context: Context, remark: Remark) -> None:
    """No server runs where the source would not find it; StepError names what cannot be helped.

    Each is named before it is stopped. Killed anywhere and called again it asks what still runs.
    """
    read = partial(reading.read, context)
    if (facts := read()).now is None:
        remark("servers", "the target's database cannot be asked: only what runs is compared")
    elif busy(facts):
        wait.while_any(lambda: busy(read()), REST_SECONDS, PAUSE)
        facts = read()
    for text in (*_dead(facts), *unproven(facts)):
        remark("dead", text)
    if acts := decide(facts):
        for act in acts:
            remark("servers", str(act))
        if asked := _ask_target(context, _known(acts, facts), remark):
            wait.while_any(
                lambda: asked & {act.server for act in decide(read())}, TARGET_SECONDS, PAUSE
            )
        _stop_on_hosts(context, remark)
        facts = read()
    _unplug(context, facts)
    prove(context)


def foresee(context: Context) -> None:
    """PreconditionError, before anything is closed, where no act of ours will help."""
    told = list(helpless(reading.read(context)))
    if context.target.controllers:
        told += _mute(context.target.database)
    if told:
        raise PreconditionError(
            f"the source may not come back yet: {'; '.join(told)}. Nothing was begun: mend that, "
            "then the same again"
        )


def _mute(database: Host) -> Iterator[str]:
    """A database that cannot be asked on a machine that lives: its copy could not be let go."""
    try:
        with connection.session(database):
            pass
    except UnreachableError:
        pass  # it is dead, and passed over
    except MigrateError as error:
        yield f"{error}; start it, or switch {database.name} off, which goes back without it"


def prove(context: Context) -> None:
    """StepError where a server runs, or holds something, that the source has otherwise."""
    if told := list(wrong(reading.read(context))):
        raise StepError(
            f"the source may not come back yet: {'; '.join(told)}. Stop what runs on its host "
            "(`virsh -c qemu:///system destroy <id>`; start libvirtd where it does not tell), wait "
            "for what is in the middle of something or restart nova-compute there, which gives it "
            "up. Users are shut out of both sides meanwhile: the same again goes on"
        )


def _dead(facts: Facts) -> list[str]:
    return [f"{one}: passed over, nobody knows what runs there" for one in facts.silent]


def _known(acts: Iterable[Act], facts: Facts) -> list[Act]:
    """Those of which the target's nova knows that they run where they do.

    Of two that run it would stop the one that it knows, which may be at home.
    """
    now = facts.now or {}
    return [act for act in acts if act.server in now and now[act.server].host == act.host]


def _ask_target(context: Context, acts: Collection[Act], remark: Remark) -> set[str]:
    """Servers for which the target took the request; what it refuses is done on the host."""
    if not acts:
        return set()
    try:
        api = login.api(context, context.target.api)
    except login.LoginError as error:
        remark("servers", f"the target's API cannot be asked: {error}")
        return set()
    return {act.server for act in acts if _asked(api, act)}


def _asked(api: Api, act: Act) -> bool:
    where = f"/servers/{act.server}"
    try:
        if act.why is not Why.ATTACHED:
            api.send("POST", "compute", f"{where}/action", {"os-stop": None})
        for volume in act.volumes:
            api.send("DELETE", "compute", f"{where}/os-volume_attachments/{volume}")
        for port in act.ports:
            api.send("DELETE", "compute", f"{where}/os-interface/{port}")
    except ApiError:
        return False
    return True


def _stop_on_hosts(context: Context, remark: Remark) -> None:
    """By libvirt, what still runs; nova, if it lives, finds it off."""
    wanted: dict[str, list[str]] = {}
    for act in decide(reading.read(context)):
        wanted.setdefault(act.host, []).append(act.server)
        remark("servers", f"{act.name} ({act.server}) is stopped on {act.host} itself")

    def stop(host: Host) -> None:
        timeout = GUEST_SECONDS + 120
        call(host, "domains.stop", wanted[host.name], GUEST_SECONDS, timeout=timeout)

    hosts.living([one for one in context.source.computes if one.name in wanted], stop)


def _unplug(context: Context, facts: Facts) -> None:
    left = leftovers(facts)
    hosts.living(
        [one for one in context.source.computes if one.name in left],
        lambda host: call(host, "domains.unplug", left[host.name]),
    )
