"""Calls that would destroy shared volumes, by the policy code of the real release on the target.

Cinder itself does not run here: what its API asks before each call is its enforcer, and that is
asked. The lab's whole pass tries the calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine import markers
from migrate.errors import PreconditionError, StepError
from migrate.onhost import call
from migrate.services import chosen
from migrate.storage.volumes import policy
from migrate.verify import boot

pytestmark = [pytest.mark.rig, pytest.mark.in_set("steps")]

HELD = f"/etc/cinder/policy.d/{policy.NAME}"
# one process for all of it, as the API's workers: they read the rules once, and again on a change
LIVING = """
import json, os, subprocess
program = '''
import sys, warnings
warnings.simplefilter("ignore")
from oslo_config import cfg
from cinder.common import config
from cinder import context, policy
cfg.CONF([], project="cinder", version="0")
admin = context.RequestContext("u", "p", is_admin=True, roles=["admin", "member", "reader"])
for line in sys.stdin:
    call, _, volume = line.strip().partition(" ")
    target = {"project_id": "p", "user_id": "u", "display_name": volume}
    print(int(admin.authorize(call, target, fatal=False)), flush=True)
'''
asking = subprocess.Popen([payload["python"], "-c", program], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
def ask(name):
    asking.stdin.write(name + "\\n")
    asking.stdin.flush()
    return bool(int(asking.stdout.readline()))
def put(text):
    with open(payload["path"] + ".new", "w") as stream:
        stream.write(text)
    os.rename(payload["path"] + ".new", payload["path"])
result = [[ask(one) for one in payload["names"]]]
for text in payload["texts"]:
    put(text)
    result.append([ask(one) for one in payload["names"]])
asking.stdin.close()
asking.wait()
"""


@pytest.fixture
def target(context: Context) -> Iterator[Host]:
    yield context.target.controllers[0]
    policy.unprotect(context)
    context.target.controllers[0].run("rm", "-f", HELD)
    call(context.target.controllers[0], "record.forget", policy.ACCEPTED)


@pytest.fixture
def context(context: Context) -> Context:
    """The rig's, as of a cloud that has cinder as well."""
    return replace(context, recipes=chosen({"keystone", "glance", "cinder"}))


def recording(context: Context) -> Context:
    settings = context.settings.model_copy(update={"shared_storage": "record"})
    return replace(context, settings=settings)


def test_the_release_knows_every_call_and_refuses_it(context: Context, target: Host) -> None:
    assert not policy.protected(context)
    assert len(policy.without_effect(context, target)) == len(policy.table())
    policy.protect(context)
    assert policy.protected(context)
    assert target.run("stat", "-c", "%a %U:%G", HELD) == "640 root:cinder\n"
    policy.unprotect(context)
    assert not policy.protected(context)
    assert not target.exists(HELD)


def test_the_release_knows_every_call_that_would_destroy_an_image(
    context: Context, target: Host
) -> None:
    """Of images on RBD, which the rig has not: glance's own code reads the file all the same."""
    names = [one.policy for one in policy.table(policy.IMAGES)]
    path = f"/etc/glance/policy.d/{policy.NAME}"
    rules = partial(
        call, target, "policy.images", names, interpreter=[context.installation.python], timeout=180
    )
    assert [known for known, _ in rules().values()] == [True] * len(names)
    assert "!" not in [rule for _, rule in rules().values()]
    target.run("install", "-d", "-o", "root", "-g", "glance", "/etc/glance/policy.d")
    target.write(path, policy.rendered("refuse", policy.IMAGES), mode=0o640, owner="root:glance")
    try:
        assert [rule for _, rule in rules().values()] == ["!"] * len(names)
    finally:
        target.run("rm", "-rf", "/etc/glance/policy.d")


def test_where_losses_are_recorded_only_what_cannot_be_named_is_refused(
    context: Context, target: Host
) -> None:
    policy.protect(recording(context))
    assert policy.protected(recording(context))
    # the operator changed the stack's file: it is written anew
    assert not policy.protected(context)
    assert '"volume:delete"' not in target.read(HELD)


def test_a_file_that_is_read_later_is_seen(context: Context, target: Host) -> None:
    later = "/etc/cinder/policy.d/zzz.yaml"
    policy.protect(context)
    target.write(later, '"volume:delete": "@"\n', mode=0o644)
    try:
        with pytest.raises(StepError, match=r"volume:delete is '@', set by a file"):
            policy.protect(context)
    finally:
        target.run("rm", "-f", later)


def test_a_folder_that_the_operator_chose(context: Context, target: Host) -> None:
    conf = "/etc/cinder/cinder.conf"
    assert not target.exists(conf)
    text = "[oslo_policy]\npolicy_dirs = policy.d\npolicy_dirs = /etc/cinder/ours\n"
    target.write(conf, text, mode=0o640, owner="root:cinder")
    try:
        policy.protect(context)
        assert target.exists(f"/etc/cinder/ours/{policy.NAME}")
    finally:
        policy.unprotect(context)
        target.run("rm", "-f", conf)
    assert not target.exists("/etc/cinder/ours")


def test_a_process_that_runs_sees_the_hold_come_and_go(context: Context, target: Host) -> None:
    policy.protect(context)
    names = ["volume:delete", "volume:extend", "volume:revert_to_snapshot", "volume:get"]
    names += [f"volume:delete {boot.VOLUME}", f"volume:force_delete {boot.VOLUME}"]
    payload = {
        "python": context.installation.python,
        "path": HELD,
        "names": names,
        "texts": [
            policy.LIFTED,
            policy.rendered("refuse"),
            policy.rendered("record"),
            policy.LIFTED,
        ],
    }
    refused, lifted, again, recorded, last = target.python(LIVING, payload, timeout=120)
    assert refused == again == [False, False, False, True, True, False]
    assert lifted == last == [True] * 6
    assert recorded == [True, True, False, True, True, True]


def test_accepting_is_noted_and_can_be_undone(context: Context, target: Host) -> None:
    policy.protect(context)
    with pytest.raises(PreconditionError, match="does not serve yet"):
        policy.accept(context)
    markers.mark(context, "released")
    try:
        assert not policy.accepted(context)
        assert policy.accepted_at(context) == 0
        policy.accept(context)
        noted = policy.accepted_at(context)
        assert noted > markers.live_since(context) - 1
        policy.accept(context)
        assert policy.accepted_at(context) == noted
        assert policy.accepted(context)
        assert policy.protected(context)  # nothing is written over it by a run that goes on
        assert len(policy.without_effect(context, target)) == len(policy.table())
        policy.hold_again(context)
        assert not policy.accepted(context)
        assert policy.protected(context)
        assert policy.without_effect(context, target) == []
    finally:
        markers.unmark(context, "released")
    policy.unprotect(context)
    assert not target.exists("/var/lib/migrate")
    assert not context.source.controllers[0].exists("/var/lib/migrate")
