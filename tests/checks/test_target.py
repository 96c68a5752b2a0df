"""A target that is not made, not empty, too small, out of reach, or already holds the address."""

from __future__ import annotations

import subprocess
from pathlib import PurePosixPath

import pytest

from migrate.checks import Check, reach, space, target, virtual_ip
from migrate.cloud import Context
from migrate.cloud.host import Host
from tests.checked import check_of
from tests.checks.conftest import assert_finds, broken, errors

pytestmark = [pytest.mark.rig, pytest.mark.in_set("checks")]


@pytest.mark.parametrize(
    "check",
    [check_of(space), check_of(target), check_of(virtual_ip), check_of(reach)],
    ids=lambda check: check.name,
)
def test_whole(context: Context, check: Check) -> None:
    assert not errors(check, context)


def test_data_of_another_cloud(context: Context, target: Host) -> None:
    make = "mariadb -e 'CREATE DATABASE keystone; CREATE TABLE keystone.user (a INT)'"
    from migrate.checks import target as clean

    with broken(target, make, "mariadb -e 'DROP DATABASE IF EXISTS keystone'"):
        found = assert_finds(check_of(clean), context, ("keystone already holds 1 table",))
    assert "fresh machine" in found.remedy


def test_marks_of_another_stack(context: Context, target: Host) -> None:
    from migrate.checks import target as clean

    make = """mariadb -e "CREATE DATABASE migrate_marker;
        CREATE TABLE migrate_marker.stage (stage VARCHAR(16), stack VARCHAR(255));
        INSERT INTO migrate_marker.stage VALUES ('copied', 'other')" """
    with broken(target, make, "mariadb -e 'DROP DATABASE IF EXISTS migrate_marker'"):
        assert_finds(check_of(clean), context, ("marks of stack other",))


@pytest.mark.parametrize("unit", ["mariadb", "memcached", "rabbitmq-server", "haproxy"])
def test_a_daemon_that_stands_still(context: Context, target: Host, unit: str) -> None:
    from migrate.checks import target as clean

    with broken(target, f"systemctl stop {unit}", f"systemctl start {unit}; sleep 1"):
        found = assert_finds(check_of(clean), context, (f"{unit}.service is inactive",))
    assert "pulumi up" in found.remedy


def test_the_release_is_not_there(context: Context, target: Host) -> None:
    from migrate.checks import target as clean

    # moved away it would be copied, since it lies in a layer
    over = PurePosixPath(context.installation.folder).parent
    with broken(target, f"mount -t tmpfs tmpfs {over}", f"umount {over}"):
        assert_finds(check_of(clean), context, (f"{context.installation.folder} is not there",))


def test_not_enough_disk(context: Context, target: Host) -> None:
    folder = "/var/lib/glance/images"
    make = f"mkdir -p {folder}; mount -t tmpfs -o size=1m tmpfs {folder}"
    with broken(target, make, f"umount {folder}"):
        found = assert_finds(
            check_of(space), context, ("images", "needed", folder), where=target.name
        )
    assert "more disk" in found.remedy


def test_a_port_that_is_shut(context: Context, target: Host) -> None:
    make = """
        nft add table inet shut
        nft 'add chain inet shut in { type filter hook input priority 0; }'
        nft add rule inet shut in tcp dport 5672 drop
    """
    with broken(target, make, "nft delete table inet shut || true"):
        found = assert_finds(check_of(reach), context, (target.name, "5672"))
    assert "9292" not in found.message


def test_large_packets_get_lost(context: Context, target: Host) -> None:
    make = """
        nft add table inet small
        nft 'add chain inet small in { type filter hook input priority 0; }'
        nft add rule inet small in icmp type echo-request meta length gt 1000 drop
    """
    with broken(target, make, "nft delete table inet small || true"):
        assert_finds(check_of(reach), context, ("packets of", "get lost"))


def test_the_address_is_on_the_target_already(context: Context, target: Host) -> None:
    one = context.source.virtual_ips[0]
    with broken(
        target,
        f"ip address add {one.address}/32 dev {one.interface}",
        f"ip address del {one.address}/32 dev {one.interface}",
    ):
        found = assert_finds(
            check_of(virtual_ip), context, (f"{one.address} is already on",), where=target.name
        )
    assert "Remove it" in found.remedy


def test_a_second_holder_of_the_address(context: Context, source: Host) -> None:
    """This machine, at the other end of the bridge, answers for the address too."""
    one = context.source.virtual_ips[0]
    route = subprocess.check_output(["ip", "route", "get", source.address], text=True).split()
    bridge = route[route.index("dev") + 1]
    address = f"{one.address}/32"
    subprocess.run(["ip", "address", "add", address, "dev", bridge], check=True)
    try:
        found = assert_finds(
            check_of(virtual_ip), context, (f"answers for {one.address} beside its holder",)
        )
    finally:
        subprocess.run(["ip", "address", "del", address, "dev", bridge], check=True)
    assert "MAC" in found.remedy


def test_nobody_holds_the_address(context: Context, source: Host) -> None:
    one = context.source.virtual_ips[0]
    held = f"{one.address}/{one.prefix}"
    with broken(
        source,
        f"ip address del {held} dev {one.interface}",
        f"ip address replace {held} dev {one.interface}",
    ):
        assert_finds(
            check_of(virtual_ip), context, (f"no source controller carries {one.address}",)
        )
