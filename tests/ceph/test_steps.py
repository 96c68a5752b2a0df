"""The plan's own steps on the rig: what joins while the source serves leaves again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.nspawn import access
from migrate.checks import ceph_cluster
from migrate.cloud import Context, connect
from migrate.cloud.host import Host
from migrate.cloud.settings import parse
from migrate.engine.finding import Severity
from migrate.engine.journal import Journal
from migrate.engine.plan import Phase, Plan
from migrate.engine.runner import Runner
from migrate.phases.plan import compose
from migrate.storage import ceph
from migrate.storage.ceph import addresses, conf, facts, members
from tests.ceph.unharmed import unharmed
from tests.lab.ceph import cluster
from tests.lab.ceph.settings import CephRig
from tests.lab.remote import ssh

pytestmark = [pytest.mark.integration, pytest.mark.in_set("ceph"), pytest.mark.in_order]

LONGEST_GAP = 10.0  # a manager is made and ended; tests share their cores with others
MADE = (
    "rbd --id cinder snap create volumes/plain@beside 2>/dev/null; "
    "rbd --id cinder create --size 8 volumes/beside"
)
KEY = "ceph auth get-or-create client.beside mon 'allow r'"


@pytest.fixture(scope="module")
def context(rig: CephRig, tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A stack whose only source controller is the client, above the rig's cluster."""

    def machine(name: str) -> dict[str, str]:
        return {"name": name, "address": rig.addresses[name]}

    home = tmp_path_factory.mktemp("stack")
    source = {
        "release": "2025.1",
        "controllers": [machine(rig.client)],
        "virtualIps": [{"address": f"{rig.prefix}.9", "interface": "eth0"}],
    }
    ssh_ = {
        "user": "operator",
        "key": str(access.key(rig.home)),
        "knownHosts": str(access.known_hosts(rig.home)),
    }
    stack = {
        "provider": "existing",
        "source": source,
        "target": {"release": "2026.1", "controllers": [machine(rig.target)]},
        "cloud": {"name": "none"},
        "ssh": ssh_,
        "ceph": {
            "hosts": [machine(name) for name in (rig.monitor, *rig.osd_hosts)],
            "monitors": [rig.monitor],
            "osdHosts": list(rig.osd_hosts),
        },
    }
    return connect("ceph", parse(stack, "stack", home), home, ())


@pytest.fixture(scope="module")
def plan(context: Context) -> Plan:
    """Ceph's steps of `follow`."""
    follow = compose(context).phase(Phase.FOLLOW)
    return Plan(tuple(one for one in follow if one.id.startswith("ceph.")))


@pytest.fixture(scope="module")
def runner(context: Context, plan: Plan) -> Iterator[Runner]:
    journal = Journal(context.home / "journal", "follow")
    yield Runner(plan, journal, context)
    journal.close()


def told(context: Context) -> list[str]:
    found = ceph_cluster.run(context)
    return [one.message for one in found if one.severity is Severity.ERROR]


def test_nothing_but_that_it_was_not_shown_forbids_it(context: Context) -> None:
    (one,) = told(context)
    assert ceph.UNSHOWN in one


def test_all_that_joins_leaves_again_and_what_was_made_meanwhile_stays(
    rig: CephRig, old: Host, new: Host, context: Context, plan: Plan, runner: Runner
) -> None:
    before, file = facts.read(old), old.read(conf.PATH)
    sums = cluster.checksums(rig)
    with unharmed(rig, LONGEST_GAP):
        runner.advance()
        assert all(one.done(context) for one in plan)
        now = facts.read(new)
        assert now.quorum == {rig.monitor, rig.target}
        assert (now.manager, now.standbys) == (rig.monitor, (rig.target,))
        assert addresses.told(members.users(context), [new])
        assert {rig.monitor, rig.client, rig.target, *rig.osd_hosts} == {
            one.name for one in members.users(context)
        }
        assert members.joined(context) == [rig.target]
        assert len(told(context)) == 1  # before the window it is asked again
        ssh(rig, rig.client, MADE)
        key = ssh(rig, rig.monitor, KEY)
        runner.retreat()
    assert members.joined(context) == []
    cluster.wait_until_clean(rig)
    after = facts.read(old)
    assert (after.monitors, after.manager) == (before.monitors, before.manager)
    assert (after.standbys, after.modules) == (before.standbys, before.modules)
    assert old.read(conf.PATH) == file
    for host in context.hosts:
        assert "/var/lib/migrate" not in host.shell("ls -d /var/lib/migrate 2>/dev/null || true")
    assert ssh(rig, rig.monitor, KEY) == key
    assert "beside" in ssh(rig, rig.client, "rbd --id cinder snap ls volumes/plain")
    assert "beside" in ssh(rig, rig.client, "rbd --id cinder ls volumes")
    ssh(rig, rig.client, "rbd --id cinder snap rm --no-progress volumes/plain@beside")
    ssh(rig, rig.client, "rbd --id cinder rm --no-progress volumes/beside")
    ssh(rig, rig.monitor, "ceph auth rm client.beside")
    assert cluster.checksums(rig) == sums
