"""A host is kept, made anew by a real command, made itself again and put back; what is refused."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context, login
from migrate.cloud.admission import Run
from migrate.cloud.api import Api
from migrate.cloud.settings import Ceph, Reinstall
from migrate.computes import draining, installers, operators, proof, versions
from migrate.computes.draining import move, turns
from migrate.computes.installers import in_place, reinstall, standing
from migrate.computes.reinstalling import anew, keeping, silent
from migrate.computes.reinstalling.kept import KEPT as KEPT_THERE
from migrate.computes.reinstalling.packages import NAMES, OF_CEPH
from migrate.engine import state_lock
from migrate.engine.cancellation import Cancellation
from migrate.engine.finding import Severity
from migrate.errors import JournalError, LockedError, PreconditionError, StepError, UnreachableError
from migrate.onhost import record
from migrate.phases.plan import settled
from tests.unit import fakes, nova
from tests.unit.test_in_place import AGENT, NOVA, ROOTWRAP, VENV

OLD = {"nova-compute": NOVA, "neutron-openvswitch-agent": AGENT}
COMMAND = """#!/bin/sh
cp "$3" {folder}/list.json
test -e {folder}/broken && { echo no such image >&2; exit 3; }
test -e {folder}/idle || cat "$3" >{folder}/systems/$(ls {folder}/systems | wc -l)
"""
KEPT = "/var/lib/migrate/kept/c1"


class Machine(fakes.FakeHost):
    """A host as a command of the operator's makes it anew: each file in *systems* is one."""

    def __init__(self, name: str, systems: Path) -> None:
        super().__init__(name)
        self.systems, self.seen = systems, 0
        self.guests: dict[str, Any] = {}
        self.disk: dict[str, str] = {"why": "it lies on the system's own disk"}
        self.missing: list[str] = []
        self.board = ["product_uuid 4c4c"]
        self.conf = "[DEFAULT]\n"
        self.ceph: list[str] = []
        self.looked: list[str] = []
        self.changed: list[str] = []
        self.lying: list[str] = []
        self.keys: set[str] = set()
        self.damaged: list[str] = []
        self.kept = self.own = False
        self.running: dict[str, Any] = {}
        self.begin()
        self.running = dict(OLD)

    def begin(self) -> None:
        """A system of which nothing is known yet."""
        self.records: dict[str, Any] = {}
        self.packages: set[str] = set()
        self.environment = ""
        self.running = {}
        self.units: set[str] = set()
        self.masked: set[str] = set()
        self.own = False

    def shell(self, script: str, *args: str, timeout: float = 60) -> str:
        if "apt-get" in script:
            self.packages |= set(args)
        return super().shell(script, *args)

    def read(self, path: str) -> str:
        return ROOTWRAP if path.endswith("rootwrap.conf") else super().read(path)

    def answer(self, function: str, payload: Any) -> Any:
        made = sorted(self.systems.iterdir())
        if self.name == "c1" and len(made) > self.seen:
            self.begin()
            self.seen = len(made)
            if json.loads(made[-1].read_text())["back"]:
                self.units = set(OLD)
        self._note(function)
        assert isinstance(payload, dict)
        module, _, name = function.partition(".")
        act = getattr(self, f"_{module}_{name}", None)
        return act(*payload["arguments"]) if act else None

    def _record_load(self, name: str) -> Any:
        return self.records.get(name)

    def _record_every(self, prefix: str) -> Any:
        return {name: one for name, one in self.records.items() if name.startswith(prefix)}

    def _record_save(self, name: str, value: Any) -> None:
        self.records[name] = value

    def _record_forget(self, name: str) -> None:
        self.records.pop(name, None)

    def _away_sent(self) -> Any:
        return self.records.get("away", {})

    def _away_add(self, server: str, action: str) -> None:
        self.records["away"] = {**self._away_sent(), server: action}

    def _away_drop(self, servers: list[str]) -> None:
        self.records["away"] = {k: v for k, v in self._away_sent().items() if k not in servers}

    def _away_forget(self) -> None:
        self.records.pop("away", None)

    def _notes_left(self, _: Any) -> Any:
        return [f"{name}.json" for name in self.records]

    def _files_existing(self, paths: list[str]) -> Any:
        return [one for one in paths if one in self.keys]

    def _guests_running(self) -> Any:
        return self.guests

    def _kept_gather(self, *given: Any) -> Any:
        self.wanted = given[1]
        rows = [{"path": one.paths[0]} for one in KEPT_THERE if one.must]
        return {"system": self._kept_system(), "rows": rows}

    def _hardware_identity(self) -> Any:
        return self.board

    def _kept_system(self) -> Any:
        token = self.records.get("reinstall", {"token": ""})["token"]
        return {"boot": f"boot {self.seen}", "token": token}

    def _kept_mark(self, token: str) -> None:
        self.records["reinstall"] = {"token": token}

    def _kept_manifest(self, _: str) -> Any:
        return {"units": OLD, "rows": []}

    def _kept_changed(self, *_: Any) -> Any:
        return self.changed

    def _kept_wrong_in(self, _: str) -> Any:
        self.kept = True
        return self.damaged

    def _kept_remove(self, _: str) -> None:
        self.kept = False

    def _kept_missing(self, _: Any) -> Any:
        return self.missing

    def _kept_disks(self, path: str) -> Any:
        self.looked.append(path)
        return self.lying

    def _kept_own_disk(self, path: str) -> Any:
        self.looked.append(path)
        return self.disk

    def _kept_daemons_of_ceph(self) -> Any:
        return self.ceph

    def _hypervisor_settings(self, *_: Any) -> Any:
        return {"program": "", "texts": {"/etc/nova/nova.conf": self.conf}, "given": {}}

    def _configured_read(self, _: Any) -> Any:
        return {"texts": {"/etc/nova/nova.conf": self.conf} if self.own else {}, "given": {}}

    def _addresses_facts(self) -> Any:
        return {"name": self.name, "aliases": [], "addresses": []}

    def _addresses_resolved(self, names: list[str]) -> Any:
        return {name: [] for name in names}

    def _reach_ports(self, asked: list[list[Any]]) -> Any:
        return ["open"] * len(asked)

    def _knock_tls(self, asked: list[list[Any]]) -> Any:
        return [False] * len(asked)

    def _kept_put_back(self, folder: str, spared: list[str]) -> None:
        assert folder == KEPT
        self.own, self.spared = True, spared

    def _machine_installed(self) -> Any:
        return {"packages": sorted(self.packages)}

    def _exchange_running(self, names: list[str]) -> Any:
        return {name: one for name, one in self.running.items() if name in names}

    def _exchange_forward(self, note: str, rows: Any, found: Any, _: float) -> Any:
        assert self.own
        assert self.environment
        self.records[note] = {"entries": [{"kind": "file", "path": row[0]} for row in rows]}
        self.files = {row[0]: row[1] for row in rows}
        self.units |= {name for name in OLD if f"/etc/systemd/system/{name}.service" in self.files}
        for name in found:
            self.running[name] = {**OLD[name], "program": f"{VENV}/bin/{name}"}
        return []

    def _systemd_show(self, names: list[str]) -> Any:
        return {
            f"{name}.service": {"LoadState": "masked" if name in self.masked else "loaded"}
            for name in names
            if name in self.units
        }

    def _systemd_stop(self, names: list[str], _: float) -> None:
        for name in names:
            self.running.pop(name.removesuffix(".service"), None)

    def _systemd_mask(self, names: list[str]) -> None:
        self.masked |= {name.removesuffix(".service") for name in names}

    def _systemd_unmask(self, names: list[str]) -> None:
        self.masked -= {name.removesuffix(".service") for name in names}

    def _agents_restart(self, names: list[str], _: float) -> Any:
        self.running = {name: OLD[name] for name in names}
        return []

    def _environment_stamp(self, *_: Any) -> str:
        return "1a2b" if self.name == "new" else self.environment

    def _environment_size(self, _: str) -> int:
        return 9

    def _environment_claim(self, *_: Any) -> Any:
        return []

    def _environment_finish(self, *_: Any) -> Any:
        self.environment = "1a2b"
        return []


class Lab:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **decided: Any) -> None:
        systems = folder / "systems"
        systems.mkdir()
        command = folder / "anew"
        command.write_text(COMMAND.replace("{folder}", str(folder)))
        command.chmod(0o755)
        self.folder, self.nova = folder, nova.Nova()
        self.host, self.keeper = Machine("c1", systems), Machine("new", systems)
        found = nova.context(
            folder, by="reinstall", reinstall=Reinstall(command=(str(command),)), **decided
        )
        self.context: Context = replace(
            found,
            source=replace(found.source, computes=(self.host, *found.source.computes[1:])),
            target=replace(found.target, controllers=(self.keeper,)),
        )
        for module, name, value in (
            (login, "api", lambda _: Api(nova.Connection(self.nova))),
            (proof, "look", lambda *_: {"at": "now"}),
            (proof, "wait_until_heard", lambda *_: None),
            (versions, "heartbeats", lambda *_: 0),
            (move, "PAUSE", 0.0),
            (turns, "LOOK_SECONDS", 0.01),
            (anew, "ANSWER_SECONDS", 0.0),
        ):
            monkeypatch.setattr(module, name, value)
        for row in self.nova.services.values():
            row["updated_at"] = "now"
        draining.share(self.context, Cancellation())
        self.steps = {one.id.partition(".")[2]: one for one in settled("c1", reinstall)}

    def over(self, *only: str) -> None:
        for name in only or ("close", "drain", *(one.name for one in reinstall.ACTS)):
            step = self.steps[name]
            assert not step.done(self.context) or name == "drain", name
            step.apply(self.context)
            assert step.done(self.context), name

    @property
    def stage(self) -> str:
        return keeping.stage(self.context, self.host)

    @property
    def told(self) -> Any:
        """What the command was given."""
        return json.loads((self.folder / "list.json").read_text())

    def made(self) -> int:
        """How often the command has made a system."""
        return len(list(self.host.systems.iterdir()))

    def errors(self) -> list[str]:
        return [one.message for one in reinstall.findings(self.context, [self.host])]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


def test_a_client_of_ceph_is_one_again(lab: Lab) -> None:
    clients = lab.context.settings.model_copy(update={"ceph": Ceph(clients=True)})
    lab.context = replace(lab.context, settings=clients)
    (warned,) = reinstall.findings(lab.context, [lab.host])
    assert warned.severity is Severity.WARNING
    assert "no reinstall was shown" in warned.message
    lab.over()
    assert lab.host.packages == {*NAMES, *OF_CEPH}


def test_it_is_the_same_host_after_it_with_the_release_s_units(lab: Lab) -> None:
    lab.over()
    assert lab.host.packages == set(NAMES)
    assert lab.host.own
    unit = lab.host.files["/etc/systemd/system/nova-compute.service"]
    command = f"ExecStart={VENV}/bin/nova-compute --config-file=/etc/nova/nova.conf "
    assert command in unit
    assert "--config-file /etc/nova/sidestep.conf\n" in unit
    assert "User=nova\n" in unit
    assert reinstall.renewed(lab.context, lab.host)
    assert (lab.told["host"], lab.told["address"], lab.told["back"]) == ("c1", "c1", False)
    assert lab.keeper.kept  # until it is put back, or for good
    assert lab.nova.services["c1"]["status"] == "disabled"


def test_its_units_are_told_the_virtual_ip_where_its_files_name_an_old_controller(lab: Lab) -> None:
    lab.host.conf = "[DEFAULT]\ntransport_url = rabbit://nova:x@old:5672/\n"
    lab.over()
    ours = lab.host.files["/etc/nova/sidestep.conf"]
    assert "transport_url = rabbit://nova:x@10.0.0.9:5672/\n" in ours


def test_its_steps_come_in_the_order_of_the_night() -> None:
    names = [one.id.partition(".")[2] for one in settled("c1", reinstall)]
    assert names == [
        *("close", "drain", "keep", "reinstall", "packages", "own", "environment", "renew"),
        *("proof", "open", "home"),
    ]


def test_who_has_left_comes_home_to_a_host_that_had_forgotten_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch, home=True)
    lab.nova.add("web")
    lab.over()
    assert lab.nova.where == {"web": "c2"}
    lab.steps["home"].apply(lab.context)
    assert lab.nova.where == {"web": "c1"}
    reinstall.restore(lab.context, lab.host)
    assert lab.nova.where == {"web": "c2"}
    assert draining.bring(lab.context, lab.host) == []
    assert lab.nova.where == {"web": "c1"}


def test_between_two_systems_it_is_not_asked_who_has_left(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.over("close", "drain", "keep", "reinstall")
    lab.host.dead = True
    assert lab.steps["close"].done(lab.context)
    assert lab.steps["drain"].done(lab.context)
    assert lab.steps["keep"].done(lab.context)


def test_a_run_that_died_goes_on_and_makes_nothing_anew_twice(lab: Lab) -> None:
    lab.over()
    for name in ("keep", "reinstall", "packages", "own", "environment", "renew"):
        assert lab.steps[name].done(lab.context), name
    assert lab.host.seen == 1
    keeping.note(lab.context, lab.host, stage=keeping.Stage.ANEW)  # killed before it was noted
    assert lab.steps["reinstall"].done(lab.context)
    assert not lab.steps["own"].done(lab.context)


def test_servers_leave_first_and_one_that_runs_forbids_it(lab: Lab) -> None:
    lab.nova.add("web")
    lab.over("close", "drain")
    assert lab.nova.where == {"web": "c2"}
    lab.host.guests = {"another": {"process": 1}}
    with pytest.raises(StepError, match="c1: another runs there"):
        lab.steps["keep"].apply(lab.context)
    assert lab.stage == ""


def test_one_that_stays_by_the_policy_needs_a_disk_that_outlasts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch, otherwise="stopStart")
    lab.nova.add("off", status="SHUTOFF")
    (told,) = lab.errors()
    assert "the off would stay there with a disk of its own, and it lies on the system's" in told
    lab.over("close", "drain")
    assert lab.nova.where == {"off": "c1"}
    with pytest.raises(StepError, match="move it away by a rule"):
        lab.steps["keep"].apply(lab.context)
    lab.host.disk = {"mount": "/var/lib/nova/instances", "uuid": "6f", "line": "UUID=6f ..."}
    assert lab.errors() == []
    lab.over("keep", "reinstall")
    assert lab.told["fileSystems"] == [lab.host.disk]
    assert "/etc/fstab" not in lab.told["kept"]  # it is the fresh system's own
    assert ["/etc/fstab", "aside"] in lab.host.wanted
    assert "kept.plant" in lab.host.asked
    lab.over("packages", "own")
    acts = ("kept.mount_again", "kept.put_back", "kept.pull_out")
    assert [one for one in lab.host.asked if one in acts] == list(acts)
    lab.over("environment", "renew")
    reinstall.restore(lab.context, lab.host)
    planted = [one for one in lab.host.asked if one in ("kept.plant", "kept.mount_again")]
    assert planted == ["kept.plant", "kept.mount_again"] * 2


@pytest.mark.parametrize(
    ("conf", "place"),
    [
        ("", "/var/lib/nova/instances"),
        ("instances_path = /srv/guests/", "/srv/guests"),
        ("state_path = /data/nova", "/data/nova/instances"),
        ("instances_path = $state_path/i", "/var/lib/nova/i"),
    ],
)
def test_servers_data_are_where_its_own_nova_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conf: str, place: str
) -> None:
    lab = Lab(tmp_path, monkeypatch, otherwise="stopStart")
    lab.host.conf = f"[DEFAULT]\n{conf}\n"
    lab.nova.add("off", status="SHUTOFF")
    lab.host.disk = {"mount": "/srv", "uuid": "6f", "line": "UUID=6f ..."}
    lab.over("close", "drain", "keep", "reinstall")
    assert set(lab.host.looked) == {place}
    assert [f"{place}/", "back"] in lab.host.wanted


def test_disks_that_are_no_files_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch, otherwise="stopStart")
    lab.host.conf = "[libvirt]\nimages_type = lvm\nimages_volume_group = vg\n"
    (told,) = lab.errors()
    assert "servers' disks lie in no directory there" in told
    lab.host.conf = "[libvirt]\nimages_type = rbd\n"
    (told,) = lab.errors()
    assert "images_type = rbd" in told
    assert "no reinstall of such a host was shown" in told
    lab.nova.add("off", status="SHUTOFF")
    _, told = lab.errors()
    assert "the off would stay there" in told
    assert "images_type = rbd" in told
    lab.over("close", "drain")
    with pytest.raises(StepError, match=r"images_type = rbd\): move it away by a rule"):
        lab.steps["keep"].apply(lab.context)


def test_a_key_to_move_servers_by_is_kept_or_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch)
    uri = "[libvirt]\nlive_migration_uri = qemu+ssh://nova@%s/system?keyfile="
    for path in ("/var/lib/nova/.ssh/id_ed25519", "/root/.ssh/id_rsa", "/etc/nova/migration/key"):
        lab.host.conf, lab.host.keys = f"{uri}{path}\n", {path}
        assert lab.errors() == []
    lab.host.conf = f"{uri}/srv/keys/nova&no_tty=1\n"
    assert lab.errors() == []
    lab.host.keys = {"/srv/keys/nova"}
    (told,) = lab.errors()
    assert "names /srv/keys/nova, which would not be there again" in told
    settle = lab.context.settings.settle
    named = settle.reinstall.model_copy(update={"keep": ("/srv/keys",)})
    settings = lab.context.settings.model_copy(
        update={"settle": settle.model_copy(update={"reinstall": named})}
    )
    context = replace(lab.context, settings=settings)
    assert [*reinstall.findings(context, [lab.host])] == []


def test_one_that_carries_daemons_of_ceph_is_refused_by_name(lab: Lab) -> None:
    lab.host.ceph = ["osd.3"]
    (told,) = lab.errors()
    assert told.startswith("osd.3 is there, whose data")


def test_one_that_is_to_be_left_running_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch, otherwise="leave")
    lab.nova.add("pet")
    lab.over("close")
    with pytest.raises(StepError, match="to be left running by the policy, which no reinstall"):
        lab.steps["drain"].apply(lab.context)
    assert lab.nova.services["c1"]["status"] == "enabled"


def test_a_copy_that_is_not_equal_makes_nothing_anew(lab: Lab) -> None:
    lab.over("close", "drain")
    lab.keeper.damaged = ["/etc/nova/nova.conf"]
    with pytest.raises(StepError, match="did not reach new whole"):
        lab.steps["keep"].apply(lab.context)
    with pytest.raises(StepError, match="nothing of it is kept"):
        lab.steps["reinstall"].apply(lab.context)
    assert lab.host.seen == 0


def test_a_command_that_fails_leaves_the_host_closed_and_may_be_repeated(lab: Lab) -> None:
    lab.over("close", "drain", "keep")
    (lab.folder / "broken").touch()
    with pytest.raises(StepError, match=r"exited 3; .*reinstall-c1.log; the host stays closed"):
        lab.steps["reinstall"].apply(lab.context)
    assert lab.nova.services["c1"]["status"] == "disabled"
    assert not lab.steps["reinstall"].done(lab.context)
    (lab.folder / "broken").unlink()
    lab.over("reinstall")


def test_a_command_is_not_believed(lab: Lab) -> None:
    lab.over("close", "drain", "keep")
    (lab.folder / "idle").touch()
    with pytest.raises(StepError, match="the system is the one that it was"):
        lab.steps["reinstall"].apply(lab.context)


def test_a_command_that_another_desk_has_begun_is_given_its_time_to_end(lab: Lab) -> None:
    """That desk was taken over: its command may wake up, and take the host that came over."""
    lab.over("close", "drain", "keep")
    assert keeping.read(lab.context, lab.host).get("command", {}) == {}
    begun = {"place": "another:/srv", "at": time.time() - 60}
    keeping.note(lab.context, lab.host, stage="anew", command=begun)
    told = r"c1: its command was started from another:/srv and .* or wait 35[34]\d s"
    with pytest.raises(StepError, match=told):
        lab.steps["reinstall"].apply(lab.context)
    assert lab.made() == 0
    keeping.note(lab.context, lab.host, command={**begun, "at": time.time() - 3601})
    lab.over("reinstall")
    assert keeping.read(lab.context, lab.host)["command"] == {}


def test_one_that_this_desk_has_begun_was_ended_by_the_run_that_comes_after(lab: Lab) -> None:
    lab.over("close", "drain", "keep")
    begun = {"place": state_lock.place(lab.context.home), "at": time.time()}
    keeping.note(lab.context, lab.host, stage="anew", command=begun)
    lab.over("reinstall")


def test_while_it_runs_others_are_told_where(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def run(context: Context, *_: object) -> str:
        told.append(keeping.read(context, lab.host)["command"]["place"])
        raise LockedError("taken over meanwhile")

    monkeypatch.setattr(operators, "run", run)
    lab.over("close", "drain", "keep")
    with pytest.raises(LockedError):
        lab.steps["reinstall"].apply(lab.context)
    assert told == [state_lock.place(lab.context.home)]


def test_another_machine_at_its_address_is_given_nothing_of_its_own(lab: Lab) -> None:
    lab.over("close", "drain", "keep")
    for board in (["product_uuid other"], []):
        lab.host.board = board
        with pytest.raises(StepError, match=r"another machine answers at c1: .*product_uuid 4c4c"):
            lab.steps["reinstall"].apply(lab.context)
        assert not lab.steps["reinstall"].done(lab.context)
        assert lab.nova.services["c1"]["status"] == "disabled"
        assert not lab.host.own
    lab.host.board = ["product_uuid 4c4c"]
    assert lab.steps["reinstall"].done(lab.context)


def test_one_that_nothing_tells_from_another_is_refused(lab: Lab) -> None:
    lab.host.board = []
    assert [one for one in lab.errors() if "by which it is told from another" in one]


def test_what_goes_while_all_is_copied_makes_nothing_anew(lab: Lab) -> None:
    lab.over("close", "drain")
    lab.host.missing = ["/var/lib/nova/compute_id"]
    with pytest.raises(StepError, match="c1: /var/lib/nova/compute_id is missing"):
        lab.steps["keep"].apply(lab.context)
    with pytest.raises(StepError, match="nothing of it is kept"):
        lab.steps["reinstall"].apply(lab.context)


def test_what_was_changed_since_it_was_kept_is_kept_anew_before_the_system_goes(lab: Lab) -> None:
    lab.over("close", "drain", "keep")
    lab.host.changed = ["/etc/nova/nova.conf"]
    with pytest.raises(StepError, match=r"nova.conf was changed since it was kept; the same again"):
        lab.steps["reinstall"].apply(lab.context)
    assert not lab.made()
    assert not lab.steps["keep"].done(lab.context)
    lab.host.changed = []
    lab.over("keep")
    lab.host.changed = ["/etc/nova/nova.conf"]  # another day
    assert not lab.steps["keep"].done(lab.context)
    lab.host.changed = []
    (lab.folder / "broken").touch()
    with pytest.raises(StepError, match="exited 3"):
        lab.steps["reinstall"].apply(lab.context)
    lab.host.changed = ["/etc/nova/nova.conf"]  # while its command was mended
    with pytest.raises(StepError, match="was changed since it was kept"):
        lab.steps["reinstall"].apply(lab.context)


def test_nothing_of_a_server_goes_with_the_system(lab: Lab) -> None:
    """It is asked at the last moment, on the way there and back: users work meanwhile."""
    lab.over("close", "drain", "keep")
    lab.host.lying = ["/var/lib/nova/instances/web_resize/disk"]
    with pytest.raises(StepError, match="web_resize/disk would be lost"):
        lab.steps["reinstall"].apply(lab.context)
    lab.host.lying, lab.host.guests = [], {"web": {"process": 7}}
    with pytest.raises(StepError, match="web runs there"):
        lab.steps["reinstall"].apply(lab.context)
    assert not lab.made()
    lab.host.guests = {}
    lab.over("reinstall", "packages", "own", "environment", "renew")
    lab.host.lying = ["/var/lib/nova/instances/new/disk"]
    with pytest.raises(StepError, match="new/disk would be lost"):
        reinstall.restore(lab.context, lab.host)
    assert lab.made() == 1


def test_a_host_that_does_not_come_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.over("close", "drain", "keep")

    def dead(*_: str, **__: Any) -> str:
        raise UnreachableError("c1 is away", "c1")

    monkeypatch.setattr(lab.host, "run", dead)
    with pytest.raises(StepError, match="was made anew and does not answer; the host stays closed"):
        lab.steps["reinstall"].apply(lab.context)


def test_it_goes_back_with_what_was_kept_and_then_nothing_is_kept(lab: Lab) -> None:
    lab.over()
    lab.nova.services["c1"]["status"] = "enabled"
    lab.nova.add("since", "c1")
    reinstall.restore(lab.context, lab.host)
    assert lab.host.running == OLD
    assert lab.host.own
    assert lab.told["back"] is True
    assert lab.told["release"] == "2025.1"
    assert lab.nova.where == {"since": "c2"}
    for step in reversed(lab.steps.values()):
        if step.revert:
            step.revert(lab.context)
    assert not lab.keeper.kept
    assert lab.stage == ""
    assert lab.host.running == OLD


def test_back_without_packages_of_the_old_release_is_told(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.over()
    monkeypatch.setattr(lab.host, "_systemd_show", lambda _: {})
    with pytest.raises(StepError, match=r"has no nova-compute, .*backCommand is to bring"):
        reinstall.restore(lab.context, lab.host)
    assert lab.stage == keeping.Stage.RETURNING


def test_what_was_never_made_anew_is_only_forgotten(lab: Lab) -> None:
    lab.over("close", "drain", "keep")
    reinstall.restore(lab.context, lab.host)
    lab.steps["keep"].revert(lab.context)  # type: ignore[misc]
    assert (lab.stage, lab.keeper.kept, lab.host.running) == ("", False, OLD)


def test_one_whose_command_did_nothing_is_not_made_anew_to_go_back(lab: Lab) -> None:
    lab.over("close", "drain", "keep")
    (lab.folder / "broken").touch()
    with pytest.raises(StepError):
        lab.steps["reinstall"].apply(lab.context)
    reinstall.restore(lab.context, lab.host)
    lab.steps["keep"].revert(lab.context)  # type: ignore[misc]
    assert (lab.host.seen, lab.stage, lab.keeper.kept) == (0, "", False)
    assert lab.host.running == OLD


def test_on_the_way_back_of_the_whole_its_units_are_silent_and_it_is_named(lab: Lab) -> None:
    lab.over()
    installers.keep(lab.context, ["c1"], "reinstall", begun=[])
    lab.host.records["agents"] = {"units": list(OLD), "state": "reconnected"}
    for name in ("renew", "own", "reinstall", "keep"):
        lab.steps[name].revert(lab.context)  # type: ignore[misc]
    assert lab.host.running == {}
    assert lab.host.masked == set(OLD)
    assert "agents" not in lab.host.records  # nothing is to be started again there
    assert lab.keeper.kept  # the only copy of what it was
    assert reinstall.left(lab.context) == ["c1"]


def test_what_is_down_there_when_the_whole_goes_back_is_masked_too(lab: Lab) -> None:
    lab.over()
    del lab.host.running["nova-compute"]  # systemd is about to start it again
    for _ in range(2):
        lab.steps["renew"].revert(lab.context)  # type: ignore[misc]
        assert (lab.host.running, lab.host.masked) == ({}, set(OLD))
    assert lab.host.asked.count("systemd.mask") == 1


def test_what_it_would_not_be_itself_without_is_named(lab: Lab) -> None:
    lab.host.missing = ["/var/lib/nova/compute_id"]
    assert [one for one in lab.errors() if "compute_id is missing: without it" in one]


def test_before_the_target_stands_the_plan_is_shown_all_the_same(lab: Lab) -> None:
    lab.keeper.dead = True
    (told,) = reinstall.findings(lab.context, [lab.host])
    assert (told.severity, told.where) == ("warning", "new")


def test_one_in_the_middle_is_not_asked_what_it_has_against_it(lab: Lab) -> None:
    lab.over("close", "drain", "keep", "reinstall")
    assert lab.errors() == []
    assert lab.host.running == {}


def test_without_a_command_it_is_refused_before(lab: Lab) -> None:
    decided = lab.context.settings.settle.model_copy(update={"reinstall": Reinstall()})
    settings = lab.context.settings.model_copy(update={"settle": decided})
    (told,) = reinstall.findings(replace(lab.context, settings=settings), [])
    assert "sidestep:settle.reinstall.command" in told.message


def test_between_two_systems_it_is_silent_to_the_way_back_unless_the_old_one_stands(
    lab: Lab,
) -> None:
    lab.over("close", "drain", "keep")
    assert silent.passing(lab.context).source.computes[0] is lab.host
    (lab.folder / "broken").touch()
    with pytest.raises(StepError):
        lab.steps["reinstall"].apply(lab.context)
    assert silent.passing(lab.context).source.computes[0] is lab.host
    (lab.folder / "broken").unlink()
    lab.over("reinstall")
    told: list[str] = []
    passing = silent.passing(lab.context, lambda _, text: told.append(text))
    with pytest.raises(UnreachableError, match="settle --back --host c1 --execute") as caught:
        passing.source.computes[0].run("true")
    assert caught.value.hosts == {"c1"}
    assert "what was its own is kept in /var/lib/migrate/kept/c1 on new" in told[0]
    assert reinstall.left(passing) == []


def test_who_was_stopped_for_it_is_named_while_only_its_keeper_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch, otherwise="stopStart")
    lab.nova.add("web")
    lab.host.disk = {"mount": "/var/lib/nova/instances", "uuid": "6f", "line": "UUID=6f ..."}
    lab.over("close", "drain", "keep", "reinstall")
    assert draining.left_off(lab.context) == []
    (told,) = silent.left_off(silent.passing(lab.context))
    assert (told["id"], told["host"], told["why"]) == ("web", "c1", "stopped")
    assert "openstack server reboot --hard web" in told["what"]


def with_controllers(lab: Lab, *those: Machine) -> Context:
    return replace(lab.context, target=replace(lab.context.target, controllers=those))


def test_two_controllers_keep_it_and_either_is_enough_in_whatever_order(lab: Lab) -> None:
    second, third = Machine("new2", lab.host.systems), Machine("new3", lab.host.systems)
    lab.context = with_controllers(lab, lab.keeper, second, third)
    lab.over("close", "drain", "keep", "reinstall")
    assert (lab.keeper.kept, second.kept, third.kept) == (True, True, False)
    lab.context = with_controllers(lab, third, second, lab.keeper)
    assert lab.stage == keeping.Stage.ANEW
    lab.keeper.dead = True
    assert lab.stage == keeping.Stage.ANEW
    assert keeping.holder(lab.context, lab.host) is second
    lab.over("packages", "own")
    second.dead, lab.keeper.dead = True, False  # it knows less than this desk
    with pytest.raises(UnreachableError, match="new2 does not answer, which may know how far c1"):
        keeping.stage(lab.context, lab.host)


def test_a_keeper_that_is_not_named_any_more_is_asked_for(lab: Lab) -> None:
    lab.over("close", "drain", "keep", "reinstall")
    other = with_controllers(lab, Machine("another", lab.host.systems))
    with pytest.raises(PreconditionError, match=r"kept on new, which is not among"):
        keeping.stage(other, lab.host)
    lab.keeper.dead = True
    with pytest.raises(UnreachableError):
        keeping.stage(lab.context, lab.host)


def without_state(lab: Lab, by: str = installers.IN_PLACE) -> Context:
    """As a desk has it that has lost its state directory, and whose stack file says *by*."""
    home = lab.folder / f"another-desk-{len(list(lab.folder.iterdir()))}"
    home.mkdir()
    decided = lab.context.settings.settle.model_copy(update={"by": by})
    settings = lab.context.settings.model_copy(update={"settle": decided})
    return replace(lab.context, settings=settings, home=home)


def learned(lab: Lab, by: str = installers.IN_PLACE) -> dict[str, str]:
    return standing.learn(without_state(lab, by), [lab.host])


@pytest.mark.parametrize("dead", ["host", "keeper", "nobody"])
def test_that_a_host_was_reinstalled_is_known_by_itself_and_by_who_keeps_what_was_its_own(
    lab: Lab, dead: str
) -> None:
    lab.over()
    if dead != "nobody":
        getattr(lab, dead).dead = True
    context = without_state(lab)
    assert standing.learn(context, [lab.host]) == {"c1": "reinstall"}
    assert installers.of(context, "c1") is reinstall
    assert standing.learn(context, [lab.host]) == {}  # it is known now


def test_one_that_is_only_kept_so_far_and_one_between_two_systems_are_known_too(lab: Lab) -> None:
    assert learned(lab) == {}
    lab.over("close", "drain", "keep")
    assert learned(lab) == {"c1": "reinstall"}
    lab.over("reinstall")
    assert learned(lab) == {"c1": "reinstall"}


@pytest.mark.parametrize("note", ["settle-units", "settle-environment"])
def test_one_in_place_is_known_where_the_stack_file_says_otherwise(lab: Lab, note: str) -> None:
    assert learned(lab, "reinstall") == {}
    lab.host.records[note] = {}
    assert learned(lab, "reinstall") == {"c1": "in-place"}
    assert learned(lab, "in-place") == {}


def test_machines_say_more_than_a_desk_that_another_has_gone_on_without(lab: Lab) -> None:
    context = without_state(lab)
    installers.keep(context, ["c1"], "reinstall", begun=())
    lab.host.records["settle-environment"] = {}  # by a reinstall, too
    assert standing.learn(context, [lab.host]) == {}
    lab.host.records["settle-units"] = {}
    assert standing.learn(context, [lab.host]) == {"c1": "in-place"}


def test_a_full_disk_does_not_hinder_the_way_back(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the host taken for another: what runs there would be started a second time."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    lab.over()
    context = without_state(lab)
    with monkeypatch.context() as here:
        here.setattr(os, "fsync", full)
        assert standing.learn(context, [lab.host]) == {"c1": "reinstall"}
        assert installers.of(context, "c1") is reinstall
        with pytest.raises(JournalError, match="cannot be written"):  # what is begun has to be kept
            installers.keep(context, ["c1"], "reinstall", begun=())
    installers.keep(context, ["c1"], "in-place", begun=())
    assert installers.of(context, "c1") is in_place


def test_an_installer_of_others_is_what_this_desk_has_noted(lab: Lab) -> None:
    context = without_state(lab)
    installers.keep(context, ["c1"], "by-hand", begun=())
    lab.host.records["settle-units"] = {}
    assert standing.learn(context, [lab.host]) == {}
    assert installers.chosen(context, "c1") == "by-hand"


def test_a_run_that_begins_is_let_in_by_a_fresh_system(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed in the middle: the file there names a run that is dead."""
    fresh, asking = fakes.FakeHost("c1"), []

    def trusting(context: Context, *_: Any) -> fakes.FakeHost:
        asking.append(context.run)
        return fresh

    monkeypatch.setattr(anew, "trusting", trusting)
    (lab.context.home / "fresh-c1.known_hosts").write_text("c1 ssh-ed25519 AAAA")
    anew.let_in(replace(lab.context, run=Run(id="next")), lab.context.source.computes)
    assert [one for one in fresh.asked if one.startswith("runs.")] == ["runs.admit"]
    assert asking == [None]  # a marked command would be shut out
    assert "runs.admit" not in lab.host.asked


def test_how_far_all_hosts_are_is_asked_of_each_controller_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, machines = fakes.context(tmp_path, "new2")
    computes = tuple(fakes.FakeHost(f"c{n}") for n in range(5))
    context = replace(context, source=replace(context.source, computes=computes))
    noted = {"stage": "itself", "keepers": ["new"]}
    every = {f"reinstall-{one.name}": noted for one in computes[1:]}
    monkeypatch.setitem(fakes.ANSWERS, "record.every", every)
    assert keeping.stages(context) == dict.fromkeys(("c1", "c2", "c3", "c4"), "itself")
    assert machines["new"].asked == ["record.every"]


def test_records_are_found_by_how_their_names_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "none"))
    assert record.every("reinstall-") == {}
    for name in ("reinstall", "reinstall-c1", "kernel"):
        record.save(name, {"stage": name})
    assert record.every("reinstall-") == {"reinstall-c1": {"stage": "reinstall-c1"}}
