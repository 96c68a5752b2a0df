"""The checks on the lab's own cloud: whole, and with what only a whole cloud can have wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from migrate import checks
from migrate.checks import (
    Check,
    agents,
    backends,
    clock,
    database,
    endpoints,
    leftovers,
    online,
    operations,
    records,
    release,
    tokens,
    trusts,
    units,
)
from migrate.cloud import Context, login
from migrate.engine.finding import Finding
from migrate.phases.session import context_of
from migrate.verify import views
from tests.checked import check_of
from tests.checks.conftest import assert_finds, assert_is_one_error, broken, errors
from tests.lab import cloud, content, identity
from tests.lab.settings import lab as this_lab

pytestmark = [pytest.mark.lab, pytest.mark.in_set("lab-checks")]
DOWN_SECONDS = 120.0  # nova counts a compute as down a minute after its last word


@pytest.fixture(scope="module")
def context() -> Context:
    lab = this_lab()
    cloud.stand_up(lab)
    identity.add_application_credential(lab, content.told(lab)["application_credential"])
    whole = context_of("lab")
    return replace(whole, target=replace(whole.target, controllers=()))  # not made yet


def until(ask: Callable[[], list[Finding]], wanted: bool) -> list[Finding]:
    """What *ask* finds, once it finds something (*wanted*) or nothing any more."""
    deadline = time.monotonic() + DOWN_SECONDS
    while bool(found := ask()) is not wanted and time.monotonic() < deadline:
        time.sleep(2)
    return found


@pytest.mark.parametrize(
    "check",
    [
        check_of(clock),
        check_of(units),
        check_of(agents),
        check_of(database),
        check_of(online),
        check_of(tokens),
        check_of(endpoints),
        check_of(leftovers),
        check_of(records),
        check_of(backends),
    ],
    ids=lambda check: check.name,
)
def test_whole(context: Context, check: Check) -> None:
    assert not errors(check, context)


def test_every_host_runs_the_release_of_the_stack_file(context: Context) -> None:
    names = {host.name for host in context.source.hosts}
    assert not [one for one in check_of(release).run(context) if one.where in names]


def test_a_compute_that_is_not_heard(context: Context) -> None:
    host = context.source.computes[-1]
    with broken(host, "systemctl stop nova-compute", "systemctl start nova-compute"):
        assert_finds(
            check_of(units), context, ("nova-compute.service is inactive",), where=host.name
        )
        # as if it had been silent for ten minutes: nova would wait for one
        context.source.controllers[0].shell(
            'mariadb nova -e "UPDATE services SET last_seen_up = last_seen_up - INTERVAL 10 MINUTE'
            f" WHERE topic = 'compute' AND host = '{host.name}'\""
        )
        found = until(lambda: errors(check_of(agents), context), wanted=True)
        assert [one.where for one in found] == [host.name]
        assert "nova-compute is not heard" in found[0].message
    assert not until(lambda: errors(check_of(agents), context), wanted=False)


def test_a_trust_that_heat_cannot_use(context: Context) -> None:
    """Heat's own code opens what it keeps, keystone's records say what became of it."""
    assert check_of(trusts).run(context) == []
    source = context.source.controllers[0]
    for column, value, told in (
        ("deleted_at", "20200101000000", "was deleted"),
        ("expires_at_int", "1", "has expired"),
        ("remaining_uses", "0", "is used up"),
    ):
        sql = "mariadb keystone -e 'UPDATE trust SET {0} = {1} WHERE {0} {2}'"
        change = sql.format(column, value, "IS NULL")
        with broken(source, change, sql.format(column, "NULL", f"= {value}")):
            (found,) = check_of(trusts).run(context)
            assert told in found.message
    key = "/etc/heat/heat.conf"
    with broken(
        source,
        f"cp -p {key} {key}.kept; sed -i 's/^auth_encryption_key.*/auth_encryption_key = x/' {key}",
        f"mv -f {key}.kept {key}",
    ):
        (found,) = check_of(trusts).run(context)
        assert "cannot open" in found.message
    assert check_of(trusts).run(context) == []


def test_a_compute_that_went_before_the_last_upgrade(context: Context) -> None:
    make = """mariadb nova -e "INSERT INTO services
        (host, topic, \\`binary\\`, report_count, disabled, deleted, version)
        VALUES ('long-gone', 'compute', 'nova-compute', 1, 1, 0, 66)" """
    undo = """mariadb nova -e "DELETE FROM services WHERE host = 'long-gone'" """
    with broken(context.source.controllers[0], make, undo):
        assert_finds(check_of(leftovers), context, ("long-gone of level 66", "below 68"))


def test_rows_that_wait_for_an_online_migration(context: Context) -> None:
    source = context.source.controllers[0]
    make = """mariadb placement -e "INSERT INTO allocations
        (resource_provider_id, consumer_id, resource_class_id, used)
        SELECT id, 'nobody', 0, 1 FROM resource_providers LIMIT 1" """
    mend = """mariadb placement -e "DELETE FROM allocations WHERE consumer_id = 'nobody'" """
    with broken(source, make, mend):
        found = assert_finds(check_of(online), context, ("create_incomplete_consumers has 1 row",))
    assert "placement-manage" in found.remedy


def test_a_volume_in_flight(context: Context) -> None:
    cinder = login.connection(context).block_storage
    scheduler = "systemctl {} cinder-scheduler"  # without it nobody makes the volume meanwhile
    with broken(context.source.controllers[0], scheduler.format("stop"), scheduler.format("start")):
        volume = cinder.create_volume(name="in flight", size=1)
        told = [str(one) for one in check_of(operations).run(context) if volume.id in one.message]
    try:
        assert "is creating" in told[0]
        cinder.wait_for_status(volume, "available", ["error"], interval=1, wait=180)
        assert not [one for one in check_of(operations).run(context) if volume.id in one.message]
    finally:
        cinder.delete_volume(volume.id, force=True)


# at once: services that do not vouch for themselves, hung operations, a back end of another kind
BREAK = """
cp -a /etc/nova/nova.conf /etc/cinder/cinder.conf /etc/neutron/plugins/ml2/ml2_conf.ini /root/
sed -i 's/^send_service_user_token.*/send_service_user_token = false/' /etc/nova/nova.conf
sed -i '/^enabled_backends/s/$/, lvm1/' /etc/cinder/cinder.conf
sed -i '/^mechanism_drivers/s/$/, sriovnicswitch/' /etc/neutron/plugins/ml2/ml2_conf.ini
# a task that no nova-compute goes on with
mariadb -e "UPDATE nova.instances SET task_state = 'image_uploading',
    updated_at = UTC_TIMESTAMP() - INTERVAL 2 HOUR WHERE display_name = 'on-lan' AND deleted = 0"
mariadb -e "UPDATE cinder.volumes SET status = 'detaching',
    updated_at = UTC_TIMESTAMP() - INTERVAL 2 HOUR WHERE display_name = 'snapped' AND deleted = 0"
"""
MEND = """
cat /root/nova.conf > /etc/nova/nova.conf; cat /root/cinder.conf > /etc/cinder/cinder.conf
cat /root/ml2_conf.ini > /etc/neutron/plugins/ml2/ml2_conf.ini
rm /root/nova.conf /root/cinder.conf /root/ml2_conf.ini
mariadb -e "UPDATE nova.instances SET task_state = NULL, updated_at = UTC_TIMESTAMP()
    WHERE display_name = 'on-lan' AND deleted = 0"
mariadb -e "UPDATE cinder.volumes SET status = 'available', updated_at = UTC_TIMESTAMP()
    WHERE display_name = 'snapped' AND deleted = 0"
"""


@pytest.fixture(scope="module")
def found(context: Context) -> list[Finding]:
    """What the checks say of all of it, by one run of them; nobody starts anew meanwhile."""
    keystone = login.connection(context).identity
    user, project = keystone.find_user("cinder"), keystone.find_project("service")
    role = keystone.find_role("service")
    with broken(context.source.controllers[0], BREAK, MEND):
        keystone.unassign_project_role_from_user(project, user, role)
        try:
            return checks.run(context, (check_of(tokens), check_of(records), check_of(backends)))
        finally:
            keystone.assign_project_role_to_user(project, user, role)


@pytest.mark.parametrize(
    "words",
    [
        (check_of(tokens).name, "nova sends no service tokens"),
        *(
            (check_of(tokens).name, f"the role service in project service, which {one} asks for")
            for one in ("nova", "cinder", "glance", "neutron")
        ),
        (check_of(records).name, "1 server(s) are in the middle of a task for more than an hour"),
        (
            check_of(records).name,
            "1 volume(s) are in the middle of something for more than an hour",
        ),
        (
            check_of(backends).name,
            "cinder's back end lvm1 is of cinder.volume.drivers.lvm.LVMVolumeDriver",
        ),
        (check_of(backends).name, "neutron's mechanism driver sriovnicswitch is not moved"),
    ],
    ids=lambda words: words[1],
)
def test_each_is_an_error_with_a_remedy(found: list[Finding], words: tuple[str, str]) -> None:
    assert_is_one_error(found, *words)


def test_every_user_sees_own_things_only(context: Context) -> None:
    """The views that are compared after the move differ from each other as they should."""
    found = views.take_all(context, context.source.controllers[0])
    everything = found.pop(login.ADMIN)
    assert len(found) >= 4
    assert everything.count > 100
    for name, listing in found.items():
        servers = listing.resources["server"].keys()
        assert servers <= everything.resources["server"].keys(), name
        assert "user" not in listing.resources
    assert found["lab-application"].resources["server"] == found["lab-demo"].resources["server"]
    secrets = [one["blob"] for one in everything.resources["credential"].values()]
    assert secrets
    assert all(one.startswith("sha256:") for one in secrets)
