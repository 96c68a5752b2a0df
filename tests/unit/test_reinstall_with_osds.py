"""A host that runs servers and has OSDs: emptied once, made anew once, both come back."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud.host import Host
from migrate.computes import installers
from migrate.computes.installers import in_place, reinstall, reinstall_with_osds
from migrate.computes.installers.contract import Installer
from migrate.computes.reinstalling import keeping
from migrate.errors import IrreversibleError, PreconditionError
from migrate.phases import renew
from migrate.phases.plan import settled
from migrate.storage.ceph import conf, leaving, osd_host
from tests.unit import ceph_world, test_reinstall
from tests.unit.ceph_hosts import CONF
from tests.unit.ceph_world import NEW, OLD, Cluster

BORROWED = ("ceph", "monitor", "manager", "retired", "osds")


class Both(test_reinstall.Machine):
    """A compute host of test_reinstall that is of the cluster, too."""

    def __init__(self, name: str, systems: Path, cluster: Cluster) -> None:
        self.cluster, self.text = cluster, conf.with_address(CONF, "new")
        super().__init__(name, systems)
        self.ceph = ["osd.0"] if name == "c1" else []

    def begin(self) -> None:
        super().begin()
        self.adopted = False

    @property
    def release(self) -> int:
        """Ceph's, of the system that it has now."""
        made = [json.loads(one.read_text())["back"] for one in sorted(self.systems.iterdir())]
        return NEW[0] if self.name == "new" or (made and not made[-1]) else OLD[0]

    def __getattr__(self, name: str) -> Any:
        if name.startswith(tuple(f"_{one}_" for one in BORROWED)):
            return partial(getattr(ceph_world.Machine, name), self)
        raise AttributeError(name)

    _ids = ceph_world.Machine._ids

    @property
    def notes(self) -> dict[str, Any]:
        return self.records

    def _osds_lacks(self) -> str:
        return "" if "ceph-osd" in self.packages else "there is no ceph-osd"

    def read(self, path: str) -> str:
        return self.text if path == conf.PATH else super().read(path)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> test_reinstall.Lab:
    found = test_reinstall.Lab(tmp_path, monkeypatch)
    for name in ("START_SECONDS", "UP_SECONDS", "STILL_SECONDS", "ACTIVE_SECONDS"):
        monkeypatch.setattr(osd_host, name, 0)
    cluster = Cluster(joined=True)
    cluster.osds = {0: ("c1", OLD), 1: ("osd2", OLD)}
    cluster.monitors, cluster.managers, cluster.active = {"new": NEW}, {"new": NEW}, "new"
    systems = tmp_path / "systems"
    mon, found.host, found.keeper = (Both(one, systems, cluster) for one in ("mon", "c1", "new"))
    found.keeper.records["ceph-committed"] = {"removed": ["mon1"]}
    mon.records["ceph-retired"] = {"monitor": "mon1", "managers": []}
    ceph = found.context.settings.ceph.model_copy(
        update={"monitors": ("mon",), "joins": ("new",), "osd_hosts": ("c1", "osd2")}
    )
    old = found.context
    found.context = replace(
        old,
        settings=old.settings.model_copy(update={"ceph": ceph}),
        source=replace(old.source, computes=(found.host, *old.source.computes[1:])),
        target=replace(old.target, controllers=(found.keeper,)),
        storage=(mon,),
    )
    found.steps = {
        one.id.partition(".")[2]: one for one in settled("c1", installers.of(found.context, "c1"))
    }
    return found


ACTS = [one.name for one in reinstall_with_osds.ACTS]
ORDER = [
    *("keep", "osds-keep", "osds-rest", "reinstall", "packages", "osds-packages", "own"),
    *("osds-adopt", "osds-home", "environment", "renew"),
]


def over(lab: test_reinstall.Lab, *past: str, upto: str = "") -> None:
    """Each step of the host in its turn, up to one."""
    leaving.name_past(lab.context, past)
    for name in ("close", "drain", *ACTS):
        lab.over(name)
        if name == upto:
            return


def test_its_osds_rest_as_short_as_can_be() -> None:
    assert isinstance(reinstall_with_osds, Installer)
    assert ACTS == ORDER
    assert [one for one in ACTS if not one.startswith("osds-")] == [
        one.name for one in reinstall.ACTS
    ]


def test_only_a_host_with_osds_comes_over_so(lab: test_reinstall.Lab) -> None:
    assert installers.bringing(lab.context, "c1", "reinstall") is reinstall_with_osds
    assert installers.bringing(lab.context, "c2", "reinstall") is reinstall
    assert installers.bringing(lab.context, "c1", "in-place") is in_place


def test_it_is_the_same_host_with_the_same_osds(lab: test_reinstall.Lab) -> None:
    over(lab, "c1")
    cluster = lab.host.cluster  # type: ignore[attr-defined]
    assert lab.made() == 1
    assert cluster.osds == {0: ("c1", NEW), 1: ("osd2", OLD)}
    assert (cluster.down, cluster.held) == (set(), set())
    assert reinstall.renewed(lab.context, lab.host)
    assert lab.told["devices"] == ["/dev/sd0"]
    with pytest.raises(IrreversibleError, match="can never open them again"):
        reinstall_with_osds.restore(lab.context, lab.host)
    assert lab.made() == 1


def test_one_that_was_not_named_rests_until_it_is(lab: test_reinstall.Lab) -> None:
    with pytest.raises(IrreversibleError, match="name it"):
        over(lab)
    cluster = lab.host.cluster  # type: ignore[attr-defined]
    assert (cluster.down, cluster.held) == ({0}, {"c1"})
    assert cluster.osds[0] == ("c1", OLD)
    with pytest.raises(IrreversibleError, match=r"OSDs of c1 would be started .* --past c1"):
        renew._apart(lab.context, [["c1", "c2"]], "reinstall", ["c2"])


@pytest.mark.parametrize("upto", ["osds-keep", "osds-rest", "own"])
def test_until_they_are_started_it_goes_back(lab: test_reinstall.Lab, upto: str) -> None:
    over(lab, upto=upto)
    made = lab.made()
    reinstall_with_osds.restore(lab.context, lab.host)
    for name in reversed(ACTS[: ACTS.index(upto) + 1]):
        revert = lab.steps[name].revert
        assert revert
        revert(lab.context)
    cluster = lab.host.cluster  # type: ignore[attr-defined]
    assert lab.made() == 2 * made
    assert (cluster.down, cluster.held) == (set(), set())
    assert cluster.osds[0] == ("c1", OLD)
    assert keeping.stage(lab.context, lab.host) == ""
    assert not [one for one in lab.keeper.records if "c1" in one]


def test_hosts_with_osds_have_a_batch_of_their_own(lab: test_reinstall.Lab) -> None:
    def apart(by: str) -> list[list[str]]:
        return renew._apart(lab.context, [["c1", "c2"], ["osd2"]], by, ["c1", "osd2"])

    assert apart("reinstall") == [["c2"], ["c1"], ["osd2"]]
    assert apart("in-place") == [["c1", "c2"], ["osd2"]]


def test_it_is_refused_whenever_it_was_named(lab: test_reinstall.Lab) -> None:
    assert lab.errors() == ["it has OSDs and runs servers, and no such host was shown to come over"]


def test_before_the_old_monitors_left_none_of_its_steps_begins(lab: test_reinstall.Lab) -> None:
    lab.keeper.records.pop("ceph-committed")
    mon: Host = lab.context.storage[0]
    assert isinstance(mon, Both)
    mon.records.clear()
    with pytest.raises(PreconditionError, match="the old monitors leave before any OSD"):
        over(lab)
    assert lab.made() == 0


def test_a_monitor_there_is_no_osd(lab: test_reinstall.Lab) -> None:
    lab.host.ceph = ["mon.b", "osd.0"]
    monitor, mixed = lab.errors()
    assert monitor.startswith("mon.b is there")
    assert mixed.startswith("it has OSDs")
