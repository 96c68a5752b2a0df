"""Before the source comes back no server runs that it would run, or give away, a second time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from migrate.cli.output import Screen
from migrate.cli.terminal import TERMINAL
from migrate.cloud import Context, login
from migrate.cloud.admission import Run
from migrate.cloud.api import Api, ApiError
from migrate.computes import installers, service, versions
from migrate.computes.draining import move, turns
from migrate.computes.homecoming import bring, moved, reading
from migrate.computes.homecoming.decision import (
    Why,
    busy,
    decide,
    leftovers,
    unlisted,
    unproven,
    wrong,
)
from migrate.computes.homecoming.facts import Domain, Facts, Home, Row
from migrate.computes.installers import in_place, reinstall
from migrate.computes.reinstalling import keeping
from migrate.computes.versions import Versions
from migrate.database.service_databases import ServiceDatabase
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Plan
from migrate.errors import (
    CommandError,
    HostKeyError,
    PassedOverError,
    PreconditionError,
    RefusedError,
    StepError,
    UnreachableError,
)
from migrate.onhost import domains, guests
from migrate.phases import renew, rollback
from migrate.phases.plan import compose, settled
from migrate.phases.session import Session
from migrate.takeover import going_live
from migrate.verify import losses
from tests.unit import fakes, network
from tests.unit.network import Answer
from tests.unit.nova import Connection, Nova

# decisions


def domain(server: str, host: str, *volumes: str, ports: Sequence[str] = ()) -> Domain:
    return Domain(server, f"name-{server}", host, frozenset(volumes), frozenset(ports))


HOMES = {
    "web": Home("c1", frozenset({"v1"}), frozenset({"p1"})),
    "off": Home("c1"),
    "shelved": Home(""),
}
TABLE = {
    "as it was": (domain("web", "c1", "v1", ports=["p1"]), None),
    "detached since": (domain("web", "c1"), None),
    "started since": (domain("off", "c1"), None),
    "moved": (domain("web", "c2", "v1", ports=["p1"]), (Why.MOVED, (), ())),
    "moved and attached": (domain("web", "c2", "v1", "v2"), (Why.MOVED, (), ())),
    "unshelved": (domain("shelved", "c1"), (Why.MOVED, (), ())),
    "new": (domain("made", "c1", "v1"), (Why.NEW, (), ())),
    "volume attached": (domain("web", "c1", "v1", "v2"), (Why.ATTACHED, ("v2",), ())),
    "port attached": (domain("web", "c1", "v1", ports=["p1", "p2"]), (Why.ATTACHED, (), ("p2",))),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_becomes_of_a_server(case: str) -> None:
    runs, wanted = TABLE[case]
    acts = decide(Facts(homes=HOMES, domains=(runs,)))
    found = [(act.why, act.volumes, act.ports) for act in acts]
    assert found == ([] if wanted is None else [wanted])


def test_of_two_that_run_the_one_away_from_home_is_stopped() -> None:
    both = (domain("web", "c1", "v1"), domain("web", "c2", "v1"))
    assert [act.host for act in decide(Facts(homes=HOMES, domains=both))] == ["c2"]


def test_an_operation_of_before_the_move_is_waited_for_by_nobody() -> None:
    now = {
        "web": Row("web", "c2", "migrating"),
        "stuck": Row("stuck", "c1", "powering-off"),
        "lost": Row("lost", "dead", "rebuilding"),
        "going": Row("going", "c1", "deleting"),
        "coming": Row("coming", "", "scheduling"),
    }
    homes = {**HOMES, "stuck": Home("c1", task="powering-off")}
    assert busy(Facts(homes=homes, now=now, silent=("dead",))) == [
        "server coming (coming) on no host yet: scheduling",
        "server web (web) on c2: migrating",
    ]
    assert busy(Facts(homes=homes)) == []


def test_what_may_run_on_a_dead_host_is_named() -> None:
    now = {"web": Row("web", "c2"), "off": Row("off", "c1")}
    assert unproven(Facts(homes=HOMES, now=now, silent=("c2",), hosts=("c1", "c2"))) == [
        "server web (web) may run on c2, which is dead"
    ]


def test_what_came_to_a_host_that_nobody_can_ask_is_named() -> None:
    now = {"web": Row("web", "c9"), "far": Row("far", "c8"), "shelved": Row("shelved", "")}
    homes = {**HOMES, "far": Home("c8")}
    facts = Facts(homes=homes, now=now, hosts=("c1", "c2"))
    told = "server web (web) is on c9, which is not in sidestep:source.computes"
    assert unlisted(facts) == list(wrong(facts)) == [f"{told}: name that host there"]


def test_ports_are_left_over_where_the_source_has_no_such_server() -> None:
    idle = {"c1": {"web": ("tap1",), "made": ("tap2",)}, "c2": {"web": ("tap1",)}}
    assert leftovers(Facts(homes=HOMES, idle=idle)) == {"c1": ["made"], "c2": ["web"]}


# carried out


class Killed(BaseException):
    pass


@dataclass
class World:
    """Two computes; what users did on the target stands in `now` and in what runs."""

    source: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)
    now: dict[str, tuple[str, str, str, str]] | None = field(default_factory=dict)
    volumes: list[tuple[str, str]] = field(default_factory=list)
    runs: dict[str, dict[str, set[str]]] = field(default_factory=dict)  # volumes, by host, server
    idle: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    refuses: bool = False  # the target's API
    stubborn: bool = False  # libvirt
    events: list[str] = field(default_factory=list)
    dies_at: int = -1

    def happens(self, what: str) -> None:
        self.events.append(what)
        if len(self.events) == self.dies_at:
            raise Killed(what)

    def stop(self, host: str, server: str) -> None:
        if self.runs[host].pop(server, None) is not None:
            self.idle.setdefault(host, {})[server] = [f"tap-{server}"]

    def send(self, method: str, service: str, path: str, body: object = None) -> dict[str, Any]:
        self.happens(f"{method} {path}")
        assert service == "compute"
        if self.refuses:
            raise ApiError(path, 409, "not now")
        server = path.split("/")[2]
        for host in list(self.runs):
            if method == "POST":
                self.stop(host, server)
            elif server in self.runs[host]:
                self.runs[host][server].discard(path.rsplit("/", maxsplit=1)[-1])
        return {}

    def get(self, service: str, path: str, **_: str) -> dict[str, Any]:
        raise ApiError(path, 404, "nobody is brought home here")

    def rows(self, link: Any, statement: str, *_: Any) -> Any:
        table = re.findall(r"`(\w+)`\.`(\w+)`", statement)[0][1]
        if table == "services":
            return [("c1.example.org",), ("c2",)]
        if table == "block_device_mapping":
            return self.volumes
        if table == "ports":
            return []
        if link.name == "new" and self.now is None:
            raise StepError("new: MariaDB is away")
        return (self.source if link.name == "old" else self.now or {}).values()


class Compute(fakes.FakeHost):
    def __init__(self, name: str, world: World) -> None:
        super().__init__(name)
        self.world = world

    def python(
        self, source: str, payload: Any = None, timeout: float = 60, interpreter: Any = ()
    ) -> Any:
        function = source.splitlines()[0].lstrip("# ")
        self._note(function)
        if function.startswith("away."):
            return self._away(function, payload)
        world = self.world
        if function == "domains.running":
            runs = {
                server: {"name": server, "volumes": sorted(volumes), "ports": []}
                for server, volumes in world.runs.get(self.name, {}).items()
            }
            idle = world.idle.get(self.name, {})
            return {"name": self.name, "domains": runs, "idle": idle}
        servers = payload["arguments"][0]
        world.happens(f"{self.name}: {function} {' '.join(servers)}")
        for server in servers:
            if function == "domains.unplug":
                world.idle[self.name].pop(server)
            elif not world.stubborn:
                world.stop(self.name, server)
        return []


Make = Callable[[World], tuple[Context, dict[str, Compute]]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr(bring, "TARGET_SECONDS", 0.02)
    monkeypatch.setattr(bring, "REST_SECONDS", 0.02)
    monkeypatch.setattr(bring, "PAUSE", 0.01)

    def build(world: World) -> tuple[Context, dict[str, Compute]]:
        @contextmanager
        def session(host: Any) -> Iterator[Any]:
            yield host

        named = [
            ServiceDatabase("nova", "nova", "nova", "nova", ""),
            ServiceDatabase("nova", "nova_api", "nova_api", "nova", ""),
            ServiceDatabase("neutron", "neutron", "neutron", "neutron", ""),
        ]
        monkeypatch.setattr(reading.connection, "session", session)  # type: ignore[attr-defined]
        monkeypatch.setattr(reading.connection, "rows", world.rows)  # type: ignore[attr-defined]
        monkeypatch.setattr(reading, "known", lambda _: named)
        monkeypatch.setattr(reading, "service_databases", lambda *_: named)
        monkeypatch.setattr(login, "api", lambda *_: world)
        context, _ = fakes.context(tmp_path)
        computes = {name: Compute(name, world) for name in ("c1", "c2")}
        source = replace(context.source, computes=tuple(computes.values()))
        return replace(context, source=source), computes

    return build


def row(server: str, host: str, task: str = "") -> tuple[str, str, str, str]:
    return server, server, host, task


def busy_world() -> World:
    """One at home, one moved, one new, one with a volume attached since."""
    return World(
        source={
            "home": row("home", "c1.example.org"),
            "web": row("web", "c1.example.org"),
            "db": row("db", "c2"),
        },
        now={
            "home": row("home", "c1.example.org"),
            "web": row("web", "c2"),
            "db": row("db", "c2"),
            "made": row("made", "c2"),
        },
        volumes=[("db", "v1")],
        runs={"c1": {"home": set()}, "c2": {"web": set(), "db": {"v1", "v2"}, "made": set()}},
    )


def home(world: World) -> None:
    assert world.runs == {"c1": {"home": set()}, "c2": {"db": {"v1"}}}
    assert not any(world.idle.values())


def brought(context: Context) -> list[str]:
    said: list[str] = []
    bring.bring_home(context, lambda _, text: said.append(text))
    return said


def test_through_the_target_and_nothing_else_is_touched(make: Make) -> None:
    world = busy_world()
    context, _ = make(world)
    said = brought(context)
    home(world)
    assert world.events == [
        "DELETE /servers/db/os-volume_attachments/v2",
        "POST /servers/made/action",
        "POST /servers/web/action",
        "c2: domains.unplug made web",
    ]
    assert [one.partition(":")[0] for one in said] == [
        *("server db (db) on c2", "server made (made) on c2", "server web (web) on c2")
    ]
    world.events.clear()
    assert brought(context) == []
    assert world.events == []


@pytest.mark.parametrize("refuses", [True, False])
def test_on_the_host_where_the_target_refuses_or_is_dead(make: Make, refuses: bool) -> None:
    world = busy_world()
    world.refuses = refuses
    world.now = world.now if refuses else None
    context, _ = make(world)
    brought(context)
    assert world.runs == {"c1": {"home": set()}, "c2": {}}
    assert any(one.startswith("POST") for one in world.events) is refuses
    assert "c2: domains.stop db made web" in world.events


def test_killed_anywhere_it_goes_on(make: Make) -> None:
    whole = busy_world()
    brought(make(whole)[0])
    for at in range(1, len(whole.events) + 1):
        world = busy_world()
        world.dies_at = at
        context, _ = make(world)
        with pytest.raises(Killed):
            brought(context)
        brought(context)
        home(world)


def test_what_runs_on_is_named_and_the_source_stays_away(make: Make) -> None:
    world = busy_world()
    world.refuses = world.stubborn = True
    with pytest.raises(StepError, match=r"web \(web\) on c2: moved.*virsh .*destroy"):
        brought(make(world)[0])


def test_what_is_in_the_middle_of_something_forbids_it(make: Make) -> None:
    world = World(
        source={"web": row("web", "c2")},
        now={"web": row("web", "c2", "migrating")},
        runs={"c2": {"web": set()}},
    )
    with pytest.raises(StepError, match=r"web \(web\) on c2: migrating"):
        brought(make(world)[0])


def test_a_dead_host_holds_nothing_up_and_is_named(make: Make) -> None:
    world = busy_world()
    context, computes = make(world)
    computes["c2"].dead = True
    said = brought(context)
    assert said[0] == "c2: passed over, nobody knows what runs there"
    assert "server web (web) may run on c2, which is dead" in said
    assert world.events == []


def test_a_host_that_does_not_let_us_in_is_not_dead(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(host: Any, _: str) -> None:
        if host.name == "c2":
            raise RefusedError("c2: ssh refused the key", "c2")

    context, _ = make(busy_world())
    monkeypatch.setattr(Compute, "_note", refused)
    with pytest.raises(UnreachableError, match="c2: ssh refused"):
        brought(context)


def test_a_database_that_cannot_be_asked_on_a_machine_that_lives_is_foreseen(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = make(busy_world())
    bring.foresee(context)

    @contextmanager
    def session(host: Any) -> Iterator[Any]:
        if host.name != "new":
            yield host
        elif host.dead:
            raise UnreachableError("new is away", "new")
        else:
            raise PreconditionError("new: MariaDB does not let root in")

    monkeypatch.setattr(reading.connection, "session", session)  # type: ignore[attr-defined]
    with pytest.raises(PreconditionError, match="let root in; start it, or switch new off"):
        bring.foresee(context)
    context.target.database.dead = True  # type: ignore[attr-defined]
    bring.foresee(replace(context, target=context.target.without(["new"])))


def test_a_host_that_nova_calls_otherwise_is_refused_not_emptied(make: Make) -> None:
    world = World(source={"web": row("web", "other")}, runs={"c1": {"web": set()}})
    context, computes = make(world)
    computes["c1"].name = "renamed"
    world.runs = {"renamed": {"web": set()}}
    with pytest.raises(PreconditionError, match=r"renamed: servers run there.*no nova-compute"):
        brought(context)
    assert world.events == []


# who was moved


@pytest.fixture
def nova(monkeypatch: pytest.MonkeyPatch) -> Nova:
    """`busy_world`, with a nova that moves servers; the source calls c1 by a longer name."""
    found = Nova()
    found.services["c1.example.org"] = found.services.pop("c1")
    for name, host in (("home", "c1.example.org"), ("web", "c2"), ("db", "c2"), ("made", "c2")):
        found.add(name, host)
    monkeypatch.setattr(move, "PAUSE", 0.0)
    monkeypatch.setattr(turns, "LOOK_SECONDS", 0.01)
    return found


class Following(dict[str, tuple[str, str, str, str]]):
    """What the target's database says of servers, each with the task that *nova* has it at."""

    def __init__(self, nova: Nova, now: dict[str, tuple[str, str, str, str]]) -> None:
        super().__init__(now)
        self.nova = nova

    def values(self) -> Any:
        tasks = {one: it["OS-EXT-STS:task_state"] for one, it in self.nova.servers.items()}
        return [
            (*one[:3], "migrating" if tasks.get(one[0]) else one[3]) for one in super().values()
        ]


def went_home(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch, *but: str, **more: Any
) -> list[str]:
    world = replace(busy_world(), **more)
    world.now = Following(nova, world.now) if world.now is not None else None
    context, _ = make(world)
    monkeypatch.setattr(login, "api", lambda *_: Api(Connection(nova)))
    said: list[str] = []
    moved.go_home(context, but, lambda _, text: said.append(text))
    named = [one for one in said if one.endswith("is to come home to c1")]
    assert said[: len(named)] == named
    asked = {one.split()[1] for one in nova.events} & nova.servers.keys()
    assert {one.split()[1] for one in named} >= asked
    return said[len(named) :]


def test_one_that_was_moved_is_live_migrated_home_and_nobody_else_is_touched(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert went_home(nova, make, monkeypatch) == []
    assert nova.events == ["os-migrateLive web"]
    assert nova.where["web"] == "c1.example.org"
    assert nova.where["db"] == nova.where["made"] == "c2"


def test_a_host_that_settle_has_closed_takes_its_own_again(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that somebody else has closed stays so, and nova sends nobody there."""
    home = nova.services["c1.example.org"]
    home |= {"status": "disabled", "disabled_reason": "its fan is loud"}
    (told,) = went_home(nova, make, monkeypatch)
    assert "not brought home" in told
    home["disabled_reason"] = service.REASON
    assert went_home(nova, make, monkeypatch) == []
    assert nova.where["web"] == "c1.example.org"


def unconfirmed(nova: Nova, source: str, kind: str = "resize") -> None:
    """The server web came from *source* to c2, and waits for its user's word."""
    nova.servers["web"]["status"] = "VERIFY_RESIZE"
    told = {"source_compute": source, "dest_compute": "c2", "status": "finished"}
    nova.migrations.append({"instance_uuid": "web", "migration_type": kind, **told})


@pytest.mark.parametrize("kind", ["resize", "migration"])
def test_a_resize_or_a_move_that_nobody_has_confirmed_is_reverted(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Not confirmed, as a move of ours is: its host of before has its disk still."""
    unconfirmed(nova, "c1.example.org", kind)
    assert went_home(nova, make, monkeypatch) == []
    assert nova.events == ["revertResize web"]
    assert (nova.where["web"], nova.how["web"]) == ("c1.example.org", "ACTIVE")


def test_one_that_is_off_goes_home_with_its_disk(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    nova.servers["web"]["status"] = "SHUTOFF"
    runs = {"c1": {"home": set[str]()}, "c2": {"db": set[str](), "made": set[str]()}}
    assert went_home(nova, make, monkeypatch, runs=runs) == []
    assert nova.events == ["migrate web", "confirmResize web"]
    assert nova.where["web"] == "c1.example.org"


def test_one_that_was_killed_on_its_way_home_is_waited_for_and_not_asked_again(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    nova._os_migratelive(nova.servers["web"], {"host": "c1.example.org"})
    assert went_home(nova, make, monkeypatch) == []
    assert nova.events == []
    assert nova.where["web"] == "c1.example.org"


def test_one_that_its_user_has_just_sent_away_is_waited_for_and_comes_home(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    nova._os_migratelive(nova.servers["home"], {"host": "c2"})
    monkeypatch.setattr(move, "GRACE_SECONDS", 0.5)  # its first record never ends here
    assert went_home(nova, make, monkeypatch) == []
    assert sorted(nova.events) == ["os-migrateLive home", "os-migrateLive web"]
    assert nova.where["home"] == nova.where["web"] == "c1.example.org"


def test_where_nova_has_no_record_of_its_host_the_way_back_goes_on(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_record(*_: Any) -> dict[str, Any]:
        raise PreconditionError("nova has 0 records of nova-compute on c1")

    monkeypatch.setattr(moved.service, "of", no_record)  # type: ignore[attr-defined]
    assert went_home(nova, make, monkeypatch) == [
        "not brought home: servers of c1: nova has 0 records of nova-compute on c1"
    ]


def test_one_that_hangs_is_aborted_when_the_time_of_all_is_over(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    nova.script["web"] = "hangs"
    monkeypatch.setattr(moved, "SECONDS", 0.2)
    (told,) = went_home(nova, make, monkeypatch)
    assert "aborted" in told
    assert (nova.where["web"], nova.how["web"]) == ("c2", "ACTIVE")


def test_one_that_nova_does_not_let_go_of_is_told_while_users_are_still_served(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source could not come back meanwhile, and nobody would be served by either side."""
    nova.script["web"] = "stuck"
    monkeypatch.setattr(moved, "SECONDS", 0.2)
    monkeypatch.setattr(moved, "REST_SECONDS", 0.1)
    monkeypatch.setattr(move, "GRACE_SECONDS", 0.1)
    with pytest.raises(
        PreconditionError, match=r"web \(web\) on c2: migrating.*restart nova-compute"
    ):
        went_home(nova, make, monkeypatch)
    nova._rest(nova.servers["web"], status="ACTIVE")
    nova.script.clear()
    nova.migrations.clear()
    monkeypatch.setattr(moved, "SECONDS", 10.0)
    assert went_home(nova, make, monkeypatch) == []


@pytest.mark.parametrize("dies_at", range(4))
def test_killed_anywhere_on_the_way_home_the_same_again_brings_them(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """One runs, one waits for its user's word on another size, one is off."""
    known = busy_world()
    ids = ("web", "sized", "off")
    homes = {one: row(one, "c1.example.org") for one in ids}
    now = {**(known.now or {}), **{one: row(one, "c2") for one in ids}}
    runs = {"c1": {"home": set[str]()}, "c2": {"web": set[str](), "sized": set[str]()}}
    nova.add("sized", "c2", "VERIFY_RESIZE")
    nova.add("off", "c2", "SHUTOFF")
    told = {"source_compute": "c1.example.org", "dest_compute": "c2", "status": "finished"}
    nova.migrations.append({"instance_uuid": "sized", "migration_type": "resize", **told})
    more = {"source": {**known.source, **homes}, "now": now, "runs": runs}
    nova.dies_at = dies_at
    with pytest.raises(network.Killed):
        went_home(nova, make, monkeypatch, **more)
    nova.dies_at = None
    nova.events.clear()
    assert went_home(nova, make, monkeypatch, **more) == []
    assert {nova.where[one] for one in ids} == {"c1.example.org"}


def test_of_two_that_run_the_target_is_not_asked_to_stop_the_one_at_home(make: Make) -> None:
    world = World(
        source={"web": row("web", "c1.example.org")},
        now={"web": row("web", "c1.example.org")},
        runs={"c1": {"web": set()}, "c2": {"web": set()}},
    )
    brought(make(world)[0])
    assert world.runs == {"c1": {"web": set()}, "c2": {}}
    assert not any(one.startswith("POST") for one in world.events)


@pytest.mark.parametrize("fate", ["nowhere", "error"])
def test_one_that_cannot_go_home_is_told_and_runs_on_until_it_is_stopped(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    nova.script["web"] = fate
    (told,) = went_home(nova, make, monkeypatch)
    assert told.startswith("not brought home: the web (web): ")
    assert (nova.where["web"], nova.how["web"]) == ("c2", "ACTIVE")


def test_nobody_goes_home_once_the_time_for_it_is_over(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moved, "SECONDS", -1.0)
    (told,) = went_home(nova, make, monkeypatch)
    assert told.endswith("the time for it is over")
    assert nova.events == []


def test_once_it_is_interrupted_nobody_else_is_sent_on_the_way(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = make(busy_world())
    run = Run()
    run.interrupted.set()
    monkeypatch.setattr(login, "api", lambda *_: Api(Connection(nova)))
    with pytest.raises(StepError, match="interrupted"):
        moved.go_home(replace(context, run=run), (), lambda *_: None)
    assert nova.events == []


def test_a_resize_is_not_reverted_onto_a_host_whose_nova_compute_is_down(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nova would shut it down where it runs, and wait for that host for ever."""
    unconfirmed(nova, "c1.example.org")
    nova.services["c1.example.org"]["state"] = "down"
    (why,) = went_home(nova, make, monkeypatch)
    assert "nova-compute on c1.example.org is down" in why
    assert nova.events == []
    assert (nova.where["web"], nova.how["web"]) == ("c2", "VERIFY_RESIZE")


def test_one_that_was_moved_and_then_resized_comes_home_by_both(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    unconfirmed(nova, "c3")
    assert went_home(nova, make, monkeypatch) == []
    assert nova.events == ["revertResize web", "os-migrateLive web"]
    assert nova.where["web"] == "c1.example.org"


def test_a_nova_that_is_silent_is_not_asked_for_each_once_the_time_is_over(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at one that hangs takes minutes."""
    asked: list[str] = []

    def silent(url: str, method: str, **_: Any) -> Any:
        asked.append(f"{method} {url}")
        return Answer(504, {})

    monkeypatch.setattr(nova, "request", silent)
    monkeypatch.setattr(moved, "SECONDS", -1.0)
    (told,) = went_home(nova, make, monkeypatch)
    assert told == "not brought home: servers of c1: the time for it is over"
    assert asked == []


def test_once_the_time_is_over_who_waits_for_a_turn_is_not_even_looked_at(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at a nova that hangs takes minutes."""
    known = busy_world()
    more = {"zed": row("zed", "c2")}
    nova.add("zed", "c2")
    nova.script["web"] = "hangs"
    monkeypatch.setattr(moved, "SECONDS", 0.2)
    monkeypatch.setattr(turns, "share", lambda *_: None)  # one at a time
    source = {**known.source, "zed": row("zed", "c1.example.org")}
    told = went_home(nova, make, monkeypatch, source=source, now={**(known.now or {}), **more})
    assert "not brought home: zed: its turn did not come in time" in told
    assert "zed" not in nova.looks


def test_one_on_a_host_of_which_nova_has_no_record_keeps_nobody_else_away(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = busy_world()
    nova.add("lost", "c9")
    answering = nova.request

    def without(url: str, method: str, **more: Any) -> Any:
        if url.endswith("os-services") and (more.get("params") or {}).get("host") == "c9":
            return Answer(200, {"services": []})
        return answering(url, method, **more)

    monkeypatch.setattr(nova, "request", without)
    source = {**known.source, "lost": row("lost", "c1.example.org")}
    now = {**(known.now or {}), "lost": row("lost", "c2")}
    (told,) = went_home(nova, make, monkeypatch, source=source, now=now)
    assert told.startswith("not brought home: the lost (lost): nova has 0 records of nova-compute")
    assert nova.where["web"] == "c1.example.org"


def test_nobody_goes_to_a_host_that_does_not_come_back_itself(
    nova: Nova, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert went_home(nova, make, monkeypatch, "c1") == []
    assert went_home(nova, make, monkeypatch, now=None) == []
    assert nova.events == []


# where it is called


@pytest.fixture
def session(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Session]:
    """After going live, with one step to undo; the target cannot be listed."""
    context, _ = make(world := busy_world())
    monkeypatch.setattr(going_live, "written", lambda _: True)
    monkeypatch.setattr(versions, "read", lambda _: Versions({"c1": 68, "c2": 68}, 72))
    for function, told in (("switch.noted", False), ("handed_over.noted", {})):
        monkeypatch.setitem(fakes.ANSWERS, function, told)
    monkeypatch.setattr(rollback, "_found", lambda *_, **__: losses.unknown("test", 0.0, "away"))
    monkeypatch.setattr(rollback.close, "close_target", lambda _: None)  # type: ignore[attr-defined]
    note = lambda _: world.happens("undone")  # noqa: E731
    (step,) = [one for one in compose(context) if one.id == going_live.POINT]
    journal = Journal(tmp_path / "journal", "test")
    yield Session(context, Plan.of([replace(step, needs=(), revert=note)]), journal)
    journal.close()


def events(session: Session) -> list[str]:
    return next(h.world.events for h in session.context.source.computes if isinstance(h, Compute))


def test_nothing_is_undone_before_every_server_is_as_the_source_has_it(session: Session) -> None:
    rollback.rollback(session, lambda *_: None)
    assert events(session)[-2:] == ["c2: domains.unplug made web", "undone"]
    (kept,) = session.home.glob("losses-*.json")
    assert [one["id"] for one in json.loads(kept.read_text())["servers"]] == ["db", "made", "web"]


def test_who_was_moved_goes_home_before_users_are_shut_out(
    session: Session, nova: Nova, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shut(_: Context) -> None:
        raise Killed("closed to users")

    monkeypatch.setattr(login, "api", lambda *_: Api(Connection(nova)))
    monkeypatch.setattr(rollback.close, "close_target", shut)  # type: ignore[attr-defined]
    with pytest.raises(Killed):
        rollback.rollback(session, lambda *_: None)
    assert nova.events == ["os-migrateLive web"]


def test_a_host_between_two_systems_is_named_and_everything_else_goes_back(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Renewed(Compute):
        def _note(self, what: str) -> None:
            raise HostKeyError(f"{self.name}: its ssh host key has changed", self.name)

    note = {"stage": "anew", "token": "of the old"}
    monkeypatch.setitem(fakes.ANSWERS, "record.every", {"reinstall-c2": note})
    monkeypatch.setattr(keeping, "read", lambda *_: note)
    c2 = next(one for one in session.context.source.computes if one.name == "c2")
    monkeypatch.setattr(c2, "__class__", Renewed)
    with pytest.raises(StepError, match=r"all else is undone.*settle --back --host c2 --execute"):
        rollback.rollback(with_step_of("c2", session), lambda *_: None)
    assert events(session)[-1] == "undone"
    told = [one.text for one in session.journal.remarks() if one.kind == "hosts"]
    assert any("c2: it stands between two systems" in one for one in told)


def with_step_of(name: str, session: Session) -> Session:
    installers.keep(session.context, [name], installers.REINSTALL, begun=())
    (silenced,) = [one for one in settled(name, reinstall) if one.id == f"{name}.renew"]
    mine = replace(silenced, needs=())
    session.journal.record(mine.phase, mine.id, State.STARTED)
    plan = Plan.of([*session.plan, mine])
    for step in session.plan:
        session.journal.record(step.phase, step.id, State.STARTED)
    return replace(session, plan=plan)


def test_a_reinstalled_host_is_silenced_though_this_desk_takes_it_for_one_in_place(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the release's units there were started again, and would join the source's cloud."""

    def composed(context: Context) -> Plan:
        each = [s for name in ("c1", "c2") for s in settled(name, installers.of(context, name))]
        return Plan.of(replace(one, needs=()) for one in each if one.id.endswith(".renew"))

    class Reinstalled(Compute):
        def python(self, source: str, *given: Any, **more: Any) -> Any:
            if source.lstrip("# ").startswith("notes.left"):
                return ["settle-reinstalled.json"]
            return super().python(source, *given, **more)

    c1, c2 = session.context.source.computes
    monkeypatch.setattr(c2, "__class__", Reinstalled)
    monkeypatch.setattr(renew, "compose", composed)
    rollback.rollback(replace(session, plan=composed(session.context)), lambda *_: None)
    asked = {
        one.name: [o.split()[1] for o in events(session) if o.startswith(one.name)]
        for one in (c1, c2)
    }
    assert "exchange.back" in asked["c1"]
    assert "exchange.back" not in asked["c2"]
    told = [one.text for one in session.journal.remarks() if one.kind == "hosts"]
    assert told == ["c2 has come over by reinstall, as machines say"]


def renewed_elsewhere(session: Session) -> Session:
    """This desk knows of the window; hosts came over by another's hand."""
    hosts = [s for name in ("c1", "c2") for s in settled(name, in_place)]
    mine = [replace(one, needs=()) for one in hosts if one.id.endswith(".renew")]
    for step in session.plan:
        session.journal.record(step.phase, step.id, State.DONE)
    return replace(session, plan=Plan.of([*session.plan, *mine]))


class InPlace(Compute):
    def python(self, source: str, *given: Any, **more: Any) -> Any:
        if source.lstrip("# ").startswith("notes.left"):
            return [f"{in_place.NOTE}.json"]
        return super().python(source, *given, **more)


def test_what_another_desk_has_renewed_is_put_back_too_and_no_other_host(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would go on with the release's units, in the source's cloud."""
    c2 = session.context.source.computes[1]
    monkeypatch.setattr(c2, "__class__", InPlace)
    session = renewed_elsewhere(session)
    papers = sorted(path.name for path in session.home.iterdir())
    shown = [one.id for one in rollback.undone(session)]
    assert shown == ["c2.renew", going_live.POINT]
    assert sorted(path.name for path in session.home.iterdir()) == papers
    rollback.rollback(session, lambda *_: None)
    asked = [one.split()[:2] for one in events(session) if "exchange.back" in one]
    assert asked == [["c2:", "exchange.back"]]
    assert session.journal.state("c2.renew") is State.REVERTED


def test_one_that_is_dead_and_new_by_nova_s_word_is_named(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    c2 = session.context.source.computes[1]
    assert isinstance(c2, Compute)
    c2.dead = True
    monkeypatch.setattr(versions, "read", lambda _: Versions({"c1": 68, "c2": 72}, 72))
    with pytest.raises(PassedOverError, match=r"not c2.renew: c2 is away.*boots into the target"):
        rollback.rollback(renewed_elsewhere(session), lambda *_: None)


def test_what_cannot_be_stopped_forbids_the_way_back(session: Session) -> None:
    for host in session.context.source.computes:
        assert isinstance(host, Compute)
        host.world.refuses = host.world.stubborn = True
    with pytest.raises(StepError, match="may not come back yet"):
        rollback.rollback(session, lambda *_: None)
    assert "undone" not in events(session)


def test_what_would_be_stopped_is_told_before(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rollback.find_losses(session)
    assert events(session) == []
    assert found
    assert "servers stopped or rid of what was attached: 3" in found.summary()
    Screen().losses(found)
    TERMINAL.flush()
    told = "".join(capsys.readouterr())
    assert "servers that going back stops" in told
    assert "the source has it on c1; it is stopped where nova does not bring it there" in told


def test_that_nobody_can_tell_is_a_loss_of_its_own(session: Session) -> None:
    for host in session.context.source.computes:
        host.__class__ = Mute
    assert rollback.find_losses(session).unknown == [
        "away",
        "which servers would be stopped: c1: nobody can tell what runs there (c1: virsh exited 1): "
        "mend that, or switch the host off, then the same again; c2: nobody can tell what runs "
        "there (c2: virsh exited 1): mend that, or switch the host off, then the same again",
    ]


class Mute(Compute):
    def python(self, *_: Any, **__: Any) -> Any:
        raise CommandError(self.name, "virsh", 1, "")


# on a host

DOMAIN = """<domain><name>instance-1</name><metadata>
<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
<nova:name>web</nova:name></nova:instance></metadata>
<devices><disk><target dev="vda"/></disk><disk><serial>v1</serial></disk></devices></domain>"""


class Libvirt:
    """A host with domains by id; QEMU ends at the word that `ends_at` names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ends_at: str = "shutdown") -> None:
        self.there = {"s1": DOMAIN, "s2": "<domain/>", "s3": ""}
        self.asked: list[str] = []
        self.ends_at = ends_at
        ports = {"s1": {"tap1": "p1"}, "gone": {"tap9": "p9"}}
        monkeypatch.setattr(guests, "running", lambda: dict.fromkeys(self.there))
        monkeypatch.setattr(guests, "plugged", lambda: ports)
        monkeypatch.setattr(domains, "run", self.run)
        monkeypatch.setattr(domains, "END_SECONDS", 0.0)

    def run(self, *argv: str, check: bool = True) -> str:
        self.asked.append(" ".join(argv).removeprefix("virsh -c qemu:///system "))
        if argv[3] == "dumpxml":
            return self.there[argv[4]]
        if argv[3] == self.ends_at:
            self.there.pop(argv[4])
        return ""


def test_what_runs_is_told_by_processes_and_what_is_open_by_libvirt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Libvirt(monkeypatch)
    told = domains.running()
    assert told["domains"] == {
        "s1": {"name": "web", "volumes": ["v1"], "ports": ["p1"]},
        "s3": {"name": "s3", "volumes": None, "ports": []},  # unknown to libvirt
    }
    assert told["idle"] == {"gone": ["tap9"]}


@pytest.mark.parametrize(
    ("ends_at", "verbs", "left"),
    [
        ("shutdown", ["shutdown s1"], []),
        ("destroy", ["shutdown s1", "destroy s1"], []),
        ("never", ["shutdown s1", "destroy s1"], ["s1"]),
    ],
)
def test_a_guest_that_does_not_listen_is_ended(
    monkeypatch: pytest.MonkeyPatch, ends_at: str, verbs: list[str], left: list[str]
) -> None:
    libvirt = Libvirt(monkeypatch, ends_at)
    assert domains.stop(["s1", "gone"], 0.0) == left
    assert libvirt.asked == verbs


def test_ports_of_what_runs_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    libvirt = Libvirt(monkeypatch)
    domains.unplug(["s1", "gone", "none"])
    assert libvirt.asked == ["ovs-vsctl --if-exists del-port tap9"]
