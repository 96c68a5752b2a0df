"""How the program sees the source on Ceph before a target stands: it finds all, and its own way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.cloud.settings import Ceph
from migrate.computes.reinstalling import instances
from migrate.configuration import service_options
from migrate.engine.finding import Finding, Severity
from migrate.onhost import call
from migrate.phases.session import context_of
from migrate.services.base import Recipe
from migrate.storage import backends
from migrate.storage.ceph import facts, findings, members
from migrate.storage.rbd import client_files, clients
from migrate.storage.rbd.client import Client
from tests.lab import stack
from tests.lab.ceph import cluster
from tests.lab.settings import CephLab

pytestmark = pytest.mark.in_set("lab-ceph")
REEF = 18
FILES = {
    ("/etc/ceph/ceph.conf", 0o644, "root:root"),
    (cluster.keyring("glance"), 0o640, "root:glance"),
    (cluster.keyring("cinder"), 0o640, "root:cinder"),
}


@pytest.fixture(scope="module")
def context(lab: CephLab, tmp_path_factory: pytest.TempPathFactory) -> Context:
    """By the stack's own file, with papers that go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIGRATE_HOME", str(tmp_path_factory.mktemp("papers")))
        return context_of(stack.name(lab))


def errors(found: list[Finding]) -> list[str]:
    return [one.message for one in found if one.severity is Severity.ERROR]


def test_both_back_ends_are_supported(context: Context) -> None:
    host, found = context.source.tools, []
    for recipe in context.recipes:
        if one := recipe.storage:
            given = service_options.read(host, recipe, one.program)
            found += list(backends.judged(one, given))
    assert errors(found) == []


def test_servers_disks_are_seen_to_be_on_no_host(context: Context) -> None:
    assert all(instances.read(host).shared for host in context.source.computes)


def test_each_services_key_is_found_for_its_own_group(context: Context) -> None:
    only = context.settings.model_copy(update={"ceph": Ceph(clients=True)})
    files = client_files.wanted(replace(context, settings=only), 0)
    assert {(one.path, one.mode, one.owner) for one in files} == FILES


def services(context: Context) -> list[tuple[Recipe, Client]]:
    return list(clients.every(context, context.source.tools))


def test_each_services_client_reads_what_the_cluster_has(lab: CephLab, context: Context) -> None:
    sums = cluster.snapshots(lab)
    asked = {
        client.user: seen(context, recipe, client, sums) for recipe, client in services(context)
    }
    assert {user: told["fsid"] for user, told in asked.items()} == {
        "glance": lab.fsid,
        "cinder": lab.fsid,
    }
    read = {name: one for told in asked.values() for name, one in told["images"].items()}
    assert read == {name: told for name, told in sums.items() if not name.startswith("vms/")}


def seen(context: Context, recipe: Recipe, client: Client, sums: dict[str, str]) -> dict[str, Any]:
    """What the client tells, and the hash of each snapshot of its pool as it reads it."""
    those = [one for one in sums if one.startswith(f"{client.pool}/")]
    asked = [[*Path(one).name.split("@"), "sha256"] for one in those]
    options = {name: getattr(client, name) for name in ("conf", "user", "pool", "cluster")}
    host = context.source.tools
    told: dict[str, Any] = call(
        host, "librbd.seen", recipe.user, options, asked, 0, interpreter=["python3"], timeout=600
    )
    images = {name: one["digest"] for name, one in zip(those, told["images"], strict=True)}
    return {"fsid": told["fsid"], "images": images}


def test_the_cluster_may_be_joined(lab: CephLab, context: Context) -> None:
    found = facts.read(members.old(context))
    assert (found.fsid, found.hosts) == (lab.fsid, frozenset(lab.osd_hosts))
    assert [one.name for one in found.monitors] == [lab.monitor]
    assert errors(list(findings.before(found, REEF))) == []
