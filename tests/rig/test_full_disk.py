"""A disk that is full, or has half a note on it, blocks no way back: on real file systems."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.errors import CommandError
from migrate.onhost import call
from migrate.takeover.gate import close
from tests.rig.test_reopen import STATE, close_and_fence
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_set("reopen")]
NOTES, PROXY = "/var/lib/migrate", "/etc/haproxy"


@contextmanager
def small(host: Host, folder: str) -> Iterator[None]:
    """*folder* on a file system of its own, with what is in it; gone afterwards with its writes."""
    there = host.exists(folder)
    host.shell(
        'install -d -m 0700 "$1"; kept=$(mktemp -d); cp -a "$1/." "$kept"\n'
        'mount -t tmpfs -o size=128k tmpfs "$1"; chmod --reference="$kept" "$1"\n'
        'cp -a "$kept/." "$1"; rm -rf "$kept"',
        folder,
    )
    try:
        yield
    finally:
        host.run("umount", folder)
        if not there:
            host.run("rm", "-rf", folder)


def fill(host: Host, folder: str) -> None:
    """No byte is left there."""
    host.shell('dd if=/dev/zero of="$1/filler" bs=512 2>/dev/null || true', folder)
    assert not host.succeeds("bash", "-c", 'head -c 9000 /dev/zero >"$0/more"', folder)


def stripped(source: Host) -> str:
    """How the source stands, but for the watch itself."""
    return source.shell(STATE).replace("migrate-reopen.service\n", "")


def test_the_source_reopens_though_nothing_can_be_noted(context: Context) -> None:
    source = context.source.controllers[0]
    before = source.shell(STATE)
    with small(source, NOTES):
        close_and_fence(context, 45)
        fill(source, NOTES)
        assert waits_for(lambda: stripped(source) == before, 300)
        source.run("rm", f"{NOTES}/filler", f"{NOTES}/more")
        call(source, "reopen_timer.remove")
    assert source.shell(STATE) == before


def test_the_proxy_gets_its_own_file_back_where_nothing_more_can_be_written(
    context: Context,
) -> None:
    source = context.source.controllers[0]
    with small(source, PROXY):
        before = source.shell("sha256sum /etc/haproxy/*.cfg; stat -c '%a %u %g' /etc/haproxy/*.cfg")
        close.close(context, "all")
        fill(source, PROXY)
        call(source, "haproxy.open_again")
        after = source.shell("sha256sum /etc/haproxy/*.cfg; stat -c '%a %u %g' /etc/haproxy/*.cfg")
        assert after == before
    source.run("systemctl", "reload", "haproxy")
    assert not source.exists(NOTES)


def test_nothing_begins_that_cannot_be_noted(context: Context) -> None:
    source = context.source.controllers[0]
    with small(source, NOTES):
        fill(source, NOTES)
        with pytest.raises(CommandError, match="No space left"):
            call(source, "files.write", "some", [["/etc/some.conf", "ours", 0o644, "root:root"]])
        assert not source.exists("/etc/some.conf")
        assert call(source, "undo.undo", "some") is False


def test_half_a_note_and_one_of_another_program(context: Context) -> None:
    source = context.source.controllers[0]
    row = ["/etc/some.conf", "ours", 0o644, "root:root"]
    call(source, "files.write", "some", [row])
    whole = source.read(f"{NOTES}/some.json")
    source.write(f"{NOTES}/some.json", whole.replace('"version": 1', '"version": 99'))
    with pytest.raises(CommandError, match=r"some\.json is of version 99"):
        call(source, "undo.undo", "some")
    source.write(f"{NOTES}/some.json", whole)
    assert call(source, "undo.undo", "some") is True
    assert not source.exists("/etc/some.conf")
    source.run("install", "-d", "-m", "700", NOTES)
    source.write(f"{NOTES}/some.json", whole[: len(whole) // 2])
    assert call(source, "undo.undo", "some") is False
    assert not source.exists(NOTES)
