"""What users make while both sides serve, and what the way back must leave as it was."""

from __future__ import annotations

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.storage.ceph import conf, facts, members
from tests.lab.ceph import cluster
from tests.lab.ceph.settings import CephRig
from tests.lab.remote import ssh

KEY = "ceph auth get-or-create client.beside mon 'allow r'"


def make(rig: CephRig) -> str:
    """A snapshot, an image and a key, which is told."""
    ssh(rig, rig.client, "rbd --id cinder snap create volumes/plain@beside 2>/dev/null")
    ssh(rig, rig.client, "rbd --id cinder create --size 8 volumes/beside")
    return ssh(rig, rig.monitor, KEY)


def assert_there(rig: CephRig, key: str) -> None:
    """All three are, as the old side says; they are removed."""
    assert ssh(rig, rig.monitor, KEY) == key
    assert "beside" in ssh(rig, rig.client, "rbd --id cinder snap ls volumes/plain")
    assert "beside" in ssh(rig, rig.client, "rbd --id cinder ls volumes")
    ssh(rig, rig.client, "rbd --id cinder snap rm --no-progress volumes/plain@beside")
    ssh(rig, rig.client, "rbd --id cinder rm --no-progress volumes/beside")
    ssh(rig, rig.monitor, "ceph auth rm client.beside")


def assert_as_before(
    rig: CephRig, old: Host, context: Context, before: facts.Cluster, file: str
) -> None:
    """The old daemons alone, the old one's ceph.conf is *file*, and no trace of ours anywhere."""
    assert members.joined(context) == []
    cluster.wait_until_clean(rig)
    after = facts.read(old)
    assert (after.monitors, after.manager) == (before.monitors, before.manager)
    assert (after.standbys, after.modules) == (before.standbys, before.modules)
    assert old.read(conf.PATH) == file
    for host in context.hosts:
        assert "/var/lib/migrate" not in host.shell("ls -d /var/lib/migrate 2>/dev/null || true")
