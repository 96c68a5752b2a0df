"""The whole window on real machines, step by step, over and back; what the fence is worth between.

The order of the tests is the order of the night: each goes on from where the one before it ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from keystoneauth1.exceptions import ConnectFailure, InternalServerError

from migrate.cloud import Context, login
from migrate.cloud.host import Host
from migrate.engine import markers
from migrate.engine.plan import Phase, Plan, Step
from migrate.errors import PreconditionError
from migrate.onhost import call, knock
from migrate.phases.plan import compose
from migrate.takeover import fence, isolation
from migrate.takeover.gate.haproxy import MESSAGE
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_order, pytest.mark.in_set("window")]

# with nothing in flight a closed cloud is a drained one; who answers already is only asked
# of these nothing is to be done where nothing is
WITH_NOTHING = {
    *("database.proof", "database.last-proof", "database.arrival", "vip.alone"),
    *("database.unfollow", "database.fence-whole", "finish.address", "finish.traces"),
    "finish.hosts",
}
DONE_BEFORE = {  # a proof of just now is one, and what is only seen is so already
    *("database.last-proof", "gate.drain", "gate.proof", "daemons.answer", "apis.answer"),
    *("vip.alone", "vip.quiet"),
}


@pytest.fixture(scope="module")
def plan(context: Context) -> Plan:
    return compose(context)


@pytest.fixture(scope="module", autouse=True)
def at_first(context: Context) -> list[set[str]]:
    """Before anything is done: horizon's own files include jquery-migrate."""
    return named_like_ours(context)


def named_like_ours(context: Context) -> list[set[str]]:
    """Files that bear our name, on each host."""
    find = "find /etc /run /var/lib -name '*migrate*' -not -path '*/proc/*' || true"
    hosts = (*context.source.hosts, *context.target.controllers)
    return [set(host.shell(find).splitlines()) for host in hosts]


def step(plan: Plan, name: str) -> Step:
    return next(step for step in plan if step.id == name)


def carried_out(context: Context, plan: Plan, *names: str) -> None:
    for name in names:
        one = step(plan, name)
        if not one.done(context):
            one.apply(context)


def undone(context: Context, plan: Plan, *names: str) -> None:
    for name in names:
        revert = step(plan, name).revert
        assert revert is not None
        revert(context)


@contextmanager
def changed(host: Host, path: str, change: Callable[[str], str]) -> Iterator[None]:
    """*path* with another text for a while; owner and mode stay."""
    text = host.read(path)
    try:
        host.shell(
            'cat > "$1" <<"END OF FILE"\n' + change(text).rstrip("\n") + "\nEND OF FILE\n", path
        )
        yield
    finally:
        host.shell('cat > "$1" <<"END OF FILE"\n' + text.rstrip("\n") + "\nEND OF FILE\n", path)


def connects(host: Host, address: str, port: int) -> bool:
    source = f"import socket\nsocket.create_connection(({address!r}, {port}), 3)"
    return host.succeeds("python3", "-c", source)


def reboot(host: Host) -> None:
    before = host.read("/proc/sys/kernel/random/boot_id") + host.run("stat", "-c", "%Y", "/proc/1")
    host.shell("systemctl reboot --no-block || true")
    assert waits_for(
        lambda: (
            before
            != host.read("/proc/sys/kernel/random/boot_id")
            + host.run("stat", "-c", "%Y", "/proc/1")
        ),
        120,
    )
    host.shell("systemctl is-system-running --wait >/dev/null || true", timeout=120)


# --- the target, while the source serves


def test_nothing_is_done_before(context: Context, plan: Plan) -> None:
    assert {one.id for one in plan if one.done(context)} == WITH_NOTHING


def test_each_step_of_follow_is_done_after_its_apply(context: Context, plan: Plan) -> None:
    for one in plan.phase(Phase.FOLLOW):
        assert not one.done(context), one.id
        one.apply(context)
        assert one.done(context), one.id


def test_the_target_speaks_to_itself_and_nobody_notices(context: Context) -> None:
    address = str(context.source.virtual_ips[0].address)
    assert connects(context.target.controllers[0], address, 3306)
    interface = call(context.source.controllers[0], "arp.interface_of", "host0", "")
    assert call(context.source.controllers[0], "arp.ask", interface, address, 0.3) == []


@pytest.mark.parametrize("port", [3306, 5672, 11211])
def test_nothing_leaves_for_the_sources_daemons(context: Context, port: int) -> None:
    assert not connects(context.target.controllers[0], context.source.controllers[0].address, port)
    assert connects(context.target.controllers[0], context.source.controllers[0].address, 22)
    # the filter holds also when the private address is lost
    context.target.controllers[0].run("systemctl", "stop", isolation.ADDRESS_UNIT)
    try:
        address = str(context.source.virtual_ips[0].address)
        assert not connects(context.target.controllers[0], address, port)
        assert connects(context.target.controllers[0], address, 5000)
    finally:
        context.target.controllers[0].run("systemctl", "start", isolation.ADDRESS_UNIT)


def test_one_url_that_leads_to_the_source_refuses_the_run(context: Context) -> None:
    path, source = "/etc/keystone/keystone.conf", context.source.controllers[0].address
    virtual = str(context.source.virtual_ips[0].address)
    isolation.prove(context)

    def elsewhere(text: str) -> str:
        return text.replace(f"@{virtual}", f"@{source}")

    with (
        changed(context.target.controllers[0], path, elsewhere),
        pytest.raises(PreconditionError) as told,
    ):
        isolation.prove(context)
    assert path in str(told.value)
    assert "connection" in str(told.value)
    assert source in str(told.value)
    isolation.prove(context)
    isolation.forget_proof(context)


def test_a_forwarder_on_the_target_does_not_pass_for_a_database(context: Context) -> None:
    source = context.source.controllers[0].address
    target = context.target.controllers[0]
    run = ("systemd-run", "-q", "--unit=forward", "--socket-property=ListenStream=13399")
    target.run(*run, "/usr/lib/systemd/systemd-socket-proxyd", f"{source}:3306")
    try:
        own, answer = call(target, "peers.ask", "database", "127.0.0.1", 13399)
        assert not own
        assert "no database server" in answer
    finally:
        target.shell("systemctl stop forward.socket forward.service || true")


# --- the window


def test_each_step_of_the_window_is_done_after_its_apply(context: Context, plan: Plan) -> None:
    for one in plan.phase(Phase.CUTOVER):
        if one.id == "vip.takeover":
            break
        assert one.id in DONE_BEFORE or not one.done(context), one.id
        if not one.done(context):
            one.apply(context)
        assert one.done(context), one.id
        if one.id == "gate.users":
            closed_to_users_only(context)
        if one.id == "fence.read-only":
            what_answers_cannot_write(context)


def closed_to_users_only(context: Context) -> None:
    address = str(context.source.virtual_ips[0].address)
    assert knock.ask(address, 5000, MESSAGE, "", "POST") == "closed"
    own = f"import urllib.request\nurllib.request.urlopen('http://{address}:5000/v3', timeout=9)"
    for host in (*context.source.hosts, *context.target.controllers):
        if host is not context.target.controllers[0]:  # which hears itself at that address
            assert host.succeeds("python3", "-c", own)


def what_answers_cannot_write(context: Context) -> None:
    """Keystone of the source still tells who asks; asked past the front for a project it fails.

    With 500, or, as nothing of it catches the database's word, by an end of the connection.
    """
    assert fence.writers(context) == []
    source = context.source.controllers[0]
    assert any("keystone" in one for one in fence.control_alive(context))
    api = login.api(context, source)
    body = {"project": {"name": "written-behind-the-fence", "domain_id": "default"}}
    with pytest.raises((ConnectFailure, InternalServerError)):
        api.connection.session.post(f"{api.bases['identity']}/projects", json=body)
    names = [one["name"] for one in api.pages("identity", "/projects", "projects")]
    assert "written-behind-the-fence" not in names


def test_a_second_holder_of_the_address_refuses(
    context: Context, plan: Plan, second_holder: str
) -> None:
    with pytest.raises(PreconditionError) as told:
        step(plan, "vip.alone").apply(context)
    assert second_holder in str(told.value)
    # nothing has moved
    addresses = [str(one.address) for one in context.source.virtual_ips]
    assert call(context.source.controllers[0], "virtual_ip.addresses", addresses)


@pytest.fixture
def second_holder(context: Context) -> Iterator[str]:
    """This host answers for the virtual IP too; its hardware address is given."""
    import subprocess

    address = str(context.source.virtual_ips[0].address)
    told = subprocess.check_output(["ip", "route", "get", address], text=True).split()
    device = told[told.index("dev") + 1]
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", device], check=True)
    try:
        with open(f"/sys/class/net/{device}/address") as stream:  # noqa: PTH123
            yield stream.read().strip()
    finally:
        subprocess.run(["ip", "address", "del", f"{address}/32", "dev", device], check=True)


def test_the_address_moves_and_the_rest_follows(context: Context, plan: Plan) -> None:
    steps = [one.id for one in plan.phase(Phase.CUTOVER)]
    for name in steps[steps.index("vip.takeover") :]:
        one = step(plan, name)
        assert not one.done(context), name
        one.apply(context)
        assert one.done(context), name
    assert fence.control_alive(context) == []
    address = str(context.source.virtual_ips[0].address)
    assert connects(context.source.controllers[0], address, 5672)
    # services of the source that somebody starts by hand do not reach the target's database
    assert not connects(context.source.controllers[0], address, 3306)


def test_a_run_that_goes_on_finds_everything_done(context: Context, plan: Plan) -> None:
    assert [one.id for one in plan if not one.done(context)] == []


def test_earlier_stages_refuse_over_live_data(context: Context, plan: Plan) -> None:
    assert markers.stage(context) == "released"
    for stage in (markers.COPIED, markers.SYNCED, markers.LIVE):
        with pytest.raises(PreconditionError, match="released"):
            markers.refuse_after(context, stage)


def test_keepalived_by_hand_on_the_old_controller(context: Context, plan: Plan) -> None:
    source = context.source.controllers[0]
    assert not source.succeeds("systemctl", "restart", "keepalived")
    # and not even when it is unmasked
    source.shell("systemctl unmask -q keepalived; systemctl start keepalived")
    try:
        time.sleep(4.5)  # three adverts and more
        held = [str(one.address) for one in context.source.virtual_ips]
        assert call(source, "virtual_ip.addresses", held) == []
    finally:
        source.shell("systemctl stop keepalived; systemctl mask -q keepalived")
    assert step(plan, "vip.takeover").done(context)


def test_the_old_controller_rebooted(context: Context, plan: Plan) -> None:
    reboot(context.source.controllers[0])
    assert fence.control_alive(context) == []
    assert [one.id for one in plan if not one.done(context)] == []


def test_the_target_rebooted(context: Context, plan: Plan) -> None:
    reboot(context.target.controllers[0])
    waited = [one for one in plan if one.id.endswith(".start") or one.id == "vip.takeover"]
    assert waits_for(lambda: all(one.done(context) for one in waited))
    assert [one.id for one in plan if not one.done(context)] == []


# --- back


def test_each_step_is_not_done_after_its_revert(context: Context, plan: Plan) -> None:
    for one in reversed(list(plan)):
        assert one.revert is not None, one.id
        one.revert(context)
        assert one.id in DONE_BEFORE or not one.done(context), one.id


def test_a_revert_of_what_never_happened_changes_nothing(context: Context, plan: Plan) -> None:
    for one in reversed(list(plan)):
        assert one.revert is not None
        one.revert(context)
    assert [one.id for one in plan if one.done(context)] == []


def test_nothing_is_left_on_any_host(context: Context, at_first: list[set[str]]) -> None:
    for left, before in zip(named_like_ours(context), at_first, strict=True):
        assert left - before == set()
    assert markers.stage(context) == ""


def test_the_source_serves_as_before(context: Context) -> None:
    address = str(context.source.virtual_ips[0].address)
    assert waits_for(lambda: connects(context.target.controllers[0], address, 5000))
    assert waits_for(lambda: bool(login.api(context).pages("identity", "/projects", "projects")))
