"""Translation with the metadata and validators of two real releases; files, keys, accounts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.configuration import carry
from migrate.configuration.broker import named
from migrate.engine.finding import Severity
from migrate.engine.plan import Step
from migrate.errors import StepError
from migrate.phases.plan import compose

pytestmark = [pytest.mark.rig, pytest.mark.in_set("steps")]

KEYSTONE = "/etc/keystone/keystone.conf"
STEPS = ("keystone.config", "glance.config", "keystone.keys", "broker.accounts")
# every file below /etc and /var/lib/migrate with owner, mode and content; users of the broker
EVERYTHING = """
for folder in /etc/keystone /etc/glance /var/lib/migrate; do
  test -d "$folder" || continue
  find "$folder" -printf '%p %M %u:%g\\n' | sort
  find "$folder" -type f -print0 | sort -z | xargs -0 -r sha256sum
done
rabbitmqctl -q list_users | sort
rabbitmqctl -q list_permissions | sort
"""


@pytest.fixture
def target(context: Context) -> Host:
    return context.target.controllers[0]


@pytest.fixture
def before(target: Host) -> Iterator[str]:
    """How the target is; and it is so again after the test."""
    found = target.shell(EVERYTHING)
    yield found
    assert target.shell(EVERYTHING) == found


def step(context: Context, name: str) -> Step:
    return next(one for one in compose(context) if one.id == name)


def undo(context: Context, name: str) -> None:
    revert = step(context, name).revert
    assert revert is not None
    revert(context)


@contextmanager
def planted(host: Host, path: str, text: str) -> Iterator[int]:
    """*text* at the end of *path* for a while; the number of its first line."""
    found = host.read(path)
    host.shell(
        'cp -a -- "$1" "$1.kept"\ncat >> "$1" <<"END OF TEXT"\n' + text + "END OF TEXT", path
    )
    try:
        yield found.count("\n") + 1
    finally:
        host.run("mv", "--", f"{path}.kept", path)


def told(context: Context) -> list[str]:
    return [f"{one.severity} {one.where}" for one in carry.findings(context)]


@pytest.mark.parametrize("name", STEPS)
def test_done_is_false_true_false(context: Context, before: str, name: str) -> None:
    one = step(context, name)
    assert not one.done(context)
    one.apply(context)
    assert one.done(context)
    one.apply(context)
    assert one.done(context)
    undo(context, name)
    assert not one.done(context)
    undo(context, name)


def test_what_stood_there_comes_back(context: Context, target: Host) -> None:
    target.write(KEYSTONE, "[DEFAULT]\n# ours\n", mode=0o600, owner="keystone:root")
    try:
        step(context, "keystone.config").apply(context)
        step(context, "keystone.config").apply(context)
        assert "connection" in target.read(KEYSTONE)
        undo(context, "keystone.config")
        assert target.read(KEYSTONE) == "[DEFAULT]\n# ours\n"
        assert target.run("stat", "-c", "%a %U:%G", KEYSTONE).strip() == "600 keystone:root"
    finally:
        target.run("rm", "-f", KEYSTONE)


@pytest.mark.parametrize(
    "change",
    ['echo >> "$1"', 'chmod 0644 "$1"', 'chown keystone "$1"', 'rm -- "$1"'],
    ids=["a byte", "the mode", "the owner", "the file"],
)
def test_done_sees_any_change(context: Context, target: Host, before: str, change: str) -> None:
    one = step(context, "keystone.config")
    one.apply(context)
    assert one.done(context)
    target.shell(change, KEYSTONE)
    assert not one.done(context)
    one.apply(context)
    assert one.done(context)
    undo(context, "keystone.config")


def test_keys_are_the_sources_with_owner_and_mode(context: Context, target: Host) -> None:
    show = "cd /etc/keystone && sha256sum *-keys/* && stat -c '%a %U %n' *-keys/* *-keys"
    step(context, "keystone.keys").apply(context)
    assert target.shell(show) == context.source.controllers[0].shell(show)
    target.run("rm", "/etc/keystone/fernet-keys/0")
    assert not step(context, "keystone.keys").done(context)
    undo(context, "keystone.keys")
    assert not target.exists("/etc/keystone/fernet-keys")


def test_what_the_releases_say_is_told_with_its_line_and_nothing_is_written(
    context: Context, target: Host, before: str
) -> None:
    source = context.source.controllers[0]
    quiet = told(context)
    text = (
        "[auth]\n"
        "additional_primary_auth_methods = x\n"  # gone in 2026.1
        "[cache]\n"
        "memcache_socket_timeout = 2\n"  # has another name in 2026.1
        "[token]\n"
        "expirashun = 7\n"  # nobody knows it
        "expiration = soon\n"  # no number
    )
    with planted(source, KEYSTONE, text) as line:
        found = told(context)
        assert [one for one in found if one not in quiet] == [
            f"warning {source.name}:{KEYSTONE}:{line + 1}",
            f"info {source.name}:{KEYSTONE}:{line + 3}",
            f"warning {source.name}:{KEYSTONE}:{line + 5}",
            f"error {source.name}:{KEYSTONE}:{line + 6}",
        ]
        assert target.shell(EVERYTHING) == before
        with pytest.raises(StepError, match=rf"{KEYSTONE}:{line + 6}.*expiration"):
            step(context, "keystone.config").apply(context)
    assert told(context) == quiet


def test_the_source_as_it_is_has_no_errors(context: Context) -> None:
    assert [f for f in carry.findings(context) if f.severity is Severity.ERROR] == []


def test_a_policy_is_carried_and_judged(context: Context, target: Host, before: str) -> None:
    source, path = context.source.controllers[0], "/etc/keystone/policy.yaml"
    assert not source.exists(path)
    source.write(path, '"identity:list_users": "role:ours"\n"identity:gone": "!"\n', mode=0o644)
    try:
        judged = [f for f in carry.findings(context) if path in f.where]
        assert [(f.severity, f.where) for f in judged] == [
            (Severity.WARNING, f"{source.name}:{path}:2")
        ]
        step(context, "keystone.config").apply(context)
        assert target.read(path) == source.read(path)
        undo(context, "keystone.config")
    finally:
        source.run("rm", "--", path)


def test_no_password_in_any_process_list(context: Context, target: Host, before: str) -> None:
    passwords = {account.password for account in named(context)}
    assert passwords
    watch = "while :; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; echo; done"
    seen = "/run/seen-by-the-test"
    script = 'setsid timeout 120 bash -c "$1" > "$2" 2>/dev/null < /dev/null & echo $!'
    pid = target.shell(script, watch, seen).strip()
    try:
        step(context, "broker.accounts").apply(context)
        step(context, "keystone.config").apply(context)
        assert step(context, "broker.accounts").done(context)
    finally:
        target.run("kill", "--", f"-{pid}")
        undo(context, "broker.accounts")
        undo(context, "keystone.config")
    assert target.succeeds("grep", "-q", "rabbitmqctl.*eval", seen)
    numbers = {",".join(map(str, password.encode())) for password in passwords}
    for secret in passwords | numbers:
        assert target.run("bash", "-c", 'grep -c -F -f - "$0" || true', seen, stdin=secret) == "0\n"
    target.run("rm", seen)
