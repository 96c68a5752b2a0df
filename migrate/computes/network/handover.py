"""A router changes hosts while it forwards: its old name space stays until the new one is whole.

A live agent that loses a router tears its name space down first, and the router is dark until the
other host has built one: 3 to 12 s. So the old agent rests meanwhile, for a few routers side by
side, since changes to its other ones wait. So does the Open vSwitch agent there, which takes a port
out of service as soon as neutron says that it belongs to another host; a restart could cost other
ports their flows, so it only stands still. While both name spaces stand, the same addresses on the
same MAC, the one that announced itself last wins; that is why the old one goes two seconds after.
A timer on that host lets both agents work again, should we die meanwhile.
"""

import ipaddress
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass

from migrate.cloud import Context
from migrate.cloud.api import Api, ApiError
from migrate.cloud.host import Host
from migrate.computes.network import reading, timings
from migrate.computes.network.assignment import assign
from migrate.computes.network.facts import L3, ROUTERS, SWITCH, Agent
from migrate.errors import JournalError, MigrateError, StepError
from migrate.onhost import call

AT_ONCE = 4
GRACE_SECONDS = 15.0
BUILD_SECONDS, SLICE_SECONDS = 900.0, 30.0
OVERLAP_SECONDS = 2.0  # the new one announces its addresses more than once
START_SECONDS = 120.0
REST_SECONDS, RENEW_SECONDS = 180.0, 60.0  # how long agents rest when nobody says so again
MEND_SECONDS = 3600.0  # the same when a router is not whole: its old host forwards meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """One on its way. `devices` are its devices on the old host, as they were noted."""

    id: str
    name: str
    agent: Agent  # who is to have it
    host: Host  # where that is
    devices: tuple[str, ...]

    @property
    def space(self) -> str:
        return f"qrouter-{self.id}"


def run(context: Context, api: Api, old: Host, routers: list[Router]) -> None:
    """Hand *routers* over from *old*, a few at a time; its agent runs again while it has others."""
    for number in range(0, len(routers), AT_ONCE):
        some = routers[number : number + AT_ONCE]
        began = time.monotonic()
        call(old, "agent_units.arm", REST_SECONDS, L3, SWITCH)
        call(old, "agent_units.stop", [L3], GRACE_SECONDS, timeout=120)
        call(old, "agent_units.freeze", SWITCH)
        with ThreadPoolExecutor(len(some)) as pool:
            built = _results(old, [pool.submit(_build, api, old, one) for one in some])
        time.sleep(OVERLAP_SECONDS)
        for router, seconds in zip(some, built, strict=True):
            cleared = call(old, "namespaces.clear", router.space, list(router.devices))
            if seconds is not None:
                with suppress(JournalError):  # a full disk must not keep an agent frozen
                    timings.keep(
                        context,
                        router=router.id,
                        name=router.name,
                        old=old.name,
                        new=router.host.name,
                        built=seconds,
                        cleared=cleared,
                        rested=time.monotonic() - began,
                    )
        call(old, "agent_units.thaw", SWITCH)
        _go_on(api, old)
        call(old, "agent_units.disarm")


def _results(old: Host, builds: list[Future[float | None]]) -> list[float | None]:
    """What became of *builds*; the agents rest as long as they take."""
    while wait(builds, RENEW_SECONDS).not_done:
        call(old, "agent_units.arm", REST_SECONDS, L3, SWITCH)
    try:
        return [one.result() for one in builds]
    except MigrateError:
        call(old, "agent_units.arm", MEND_SECONDS, L3, SWITCH)
        raise


def _build(api: Api, old: Host, router: Router) -> float | None:
    """Give *router* away and wait until it is whole; how long it was half made on its new host.

    None where it does not exist any more.
    """
    wanted = call(old, "namespaces.addresses", router.space)
    vain = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        # asked while neutron is: the first address counts from when it is there
        watching = pool.submit(_watch, api, router, wanted, vain)
        try:
            given = assign(api, ROUTERS, router.id, router.agent)
        except BaseException:
            vain.set()
            raise
        return watching.result() if given else None


def _watch(api: Api, router: Router, wanted: list[str], vain: threading.Event) -> float:
    """Wait until *router* has those of the *wanted* addresses that neutron still knows."""
    deadline = time.monotonic() + BUILD_SECONDS
    first: float | None = None
    while True:
        some = SLICE_SECONDS
        seen = call(router.host, "namespaces.watch", router.space, wanted, some, timeout=some + 60)
        first = seen["first"] if first is None else first
        if not seen["missing"]:
            return float(seen["whole"] - first) if first is not None else 0.0
        if time.monotonic() > deadline or vain.is_set():
            raise StepError(
                f"router {router.name} lacks {', '.join(seen['missing'])} on {router.host.name} "
                f"after {BUILD_SECONDS:.0f} s; its old name space still forwards, and the agents "
                f"there rest for {MEND_SECONDS / 60:.0f} min at most: see neutron-l3-agent's log, "
                "then the same again"
            )
        wanted = _still(api, router.id, wanted)


def _still(api: Api, router: str, wanted: list[str]) -> list[str]:
    """Those of *wanted* that neutron gives the router now: users change it meanwhile."""
    try:
        ports = api.pages("network", "/ports", "ports", device_id=router)
        floating = api.pages("network", "/floatingips", "floatingips", router_id=router)
    except ApiError:  # it answers again, or the deadline tells
        return wanted
    known = {one["ip_address"] for port in ports for one in port["fixed_ips"]}
    known |= {one["floating_ip_address"] for one in floating}
    return [one for one in wanted if one in {str(ipaddress.ip_address(a)) for a in known}]


def _go_on(api: Api, old: Host) -> None:
    """The old agent runs again where it still has routers, and was heard before it rests again."""
    facts = reading.read(api)
    agents = facts.at([old.name], L3)
    if not any(facts.held[one.id] for one in agents):
        return
    if wrong := call(old, "systemd.start", [L3], START_SECONDS, timeout=200):
        raise StepError(f"{old.name}: {'; '.join(wrong)}. Start it, then the same again")
    reading.await_agents(api, [old.name], [L3], agents)
