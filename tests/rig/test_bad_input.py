"""What only machines can tell, through the command itself: refused in one line, nothing changed.

`migrate check` names it with what to do; a command that changes things refuses before it begins.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.cloud.host import Host
from tests.checks.conftest import broken
from tests.lab import traces
from tests.lab.rig import Rig, stack
from tests.lab.rig import rig as this_rig
from tests.operator import STACK, Ended, Operator

pytestmark = pytest.mark.rig
UNTOUCHED = True
MORE = pytest.mark.in_set("bad-input")

OVER = ("cutover", "--execute", "--confirm", STACK)
FOLLOW = ("follow", "--execute")
ROLLBACK = ("rollback", "--execute")


@pytest.fixture(scope="module")
def operator(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    return Operator(tmp_path_factory.mktemp("operator") / "project", stack(this_rig()))


@pytest.fixture
def machines(context: Context) -> list[Host]:
    return [context.source.controllers[0], context.target.controllers[0]]


@contextmanager
def untouched(machines: list[Host]) -> Iterator[None]:
    """Files, units, accounts, addresses, filters and databases of *machines* stay as they are."""
    before = traces.look(machines)
    yield
    assert traces.differences(before, traces.look(machines)) == []


def both(operator: Operator, **changed: Any) -> tuple[Ended, Ended]:
    """How `check` and `cutover` end, side by side: neither changes anything."""
    with ThreadPoolExecutor() as pool:
        checked = pool.submit(operator.migrate, "check", **changed)
        over = operator.migrate(*OVER, **changed)
        return checked.result(), over


# --- machines that do not let us in


@contextmanager
def guest(machines: list[Host]) -> Iterator[None]:
    """A user on both machines whom the key lets in, and who may not become root."""
    make = "useradd -m guest; cp -a /home/operator/.ssh /home/guest; chown -R guest: /home/guest"
    with (
        broken(machines[0], make, "userdel -rf guest 2>/dev/null"),
        broken(machines[1], make, "userdel -rf guest 2>/dev/null"),
    ):
        yield


def another_key(path: Path, addresses: list[str]) -> None:
    """A known_hosts that knows *addresses* by keys that are not theirs."""
    made = path.with_name("another")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(made)], check=True)
    key = " ".join(made.with_suffix(".pub").read_text().split()[:2])
    path.write_text("".join(f"{address} {key}\n" for address in addresses))


@pytest.fixture
def shut(
    request: pytest.FixtureRequest, machines: list[Host], tmp_path: Path
) -> Iterator[dict[str, Any]]:
    """The part of the stack file that does not let us in, each in its way."""
    lab, known = this_rig(), tmp_path / "known_hosts"
    away = {"controllers": [{"name": lab.controller, "address": f"{lab.prefix}.99"}]}
    if request.param == "no sudo":
        with guest(machines):
            yield {"ssh": {"user": "guest"}}
        return
    if request.param == "changed key":
        another_key(known, [one.address for one in machines])
    known.touch()
    yield {"source": away} if request.param == "away" else {"ssh": {"knownHosts": str(known)}}


@pytest.mark.parametrize(
    ("shut", "words", "remedy", "told"),
    [
        pytest.param(
            "away",
            "cannot be reached",
            "the host is up",
            "cannot be reached",
            id="away",
            marks=MORE,
        ),
        pytest.param(
            "unknown key",
            "host key is unknown",
            "add it to known_hosts",
            "host key is unknown",
            id="unknown key",
            marks=MORE,
        ),
        pytest.param(
            "changed key",
            "host key has changed",
            "Never ignore it",
            "host key has changed",
            id="changed key",
            marks=MORE,
        ),
        pytest.param(
            "no sudo",
            "sudo does not let the ssh user become root",
            "NOPASSWD",
            "a password is required",
            id="no sudo",
            marks=MORE,
        ),
    ],
    indirect=["shut"],
)
def test_a_machine_that_does_not_let_us_in(
    operator: Operator,
    machines: list[Host],
    shut: dict[str, Any],
    words: str,
    remedy: str,
    told: str,
) -> None:
    """`check` has the remedy; a command that changes things cannot even ask who is at work."""
    with untouched(machines):
        found, over = both(operator, **shut)
        found.refuses(3, words, remedy)
        found.finds("access:", words)
        over.fails(8, told, "`migrate check` says how")
        operator.migrate(*FOLLOW, **shut).fails(8, told, "`migrate check` says how")


# --- clouds that are not ready


def wrong_password(context: Context) -> AbstractContextManager[None]:
    path = "/etc/glance/glance-api.conf"
    return broken(
        context.source.controllers[0],
        f"cp -p {path} {path}.kept; sed -i 's,//glance:[^@]*@,//glance:w0rng-pass@,' {path}",
        f"mv -f {path}.kept {path}",
    )


def service_down(context: Context) -> AbstractContextManager[None]:
    start = "systemctl start glance-api; sleep 5"
    return broken(context.source.controllers[0], "systemctl stop glance-api; sleep 3", start)


def no_disk(context: Context) -> AbstractContextManager[None]:
    folder = "/var/lib/glance/images"
    make = f"mkdir -p {folder}; mount -t tmpfs -o size=1m tmpfs {folder}"
    return broken(context.target.controllers[0], make, f"umount {folder}")


def data(context: Context) -> AbstractContextManager[None]:
    make = "mariadb -e 'CREATE DATABASE keystone; CREATE TABLE keystone.user (a INT)'"
    return broken(
        context.target.controllers[0], make, "mariadb -e 'DROP DATABASE IF EXISTS keystone'"
    )


@contextmanager
def second_holder(context: Context) -> Iterator[None]:
    """This machine, at the other end of the bridge, answers for the address too."""
    lab = this_rig()
    change = ["dev", lab.bridge]
    subprocess.run(["ip", "address", "add", f"{lab.vip}/32", *change], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "address", "del", f"{lab.vip}/32", *change], check=True)


@pytest.mark.parametrize(
    ("wrong", "words", "follow_too"),
    [
        pytest.param(
            wrong_password,
            ("cannot log in to database glance",),
            False,
            id="wrong password",
            marks=MORE,
        ),
        pytest.param(
            service_down,
            ("glance-api.service is inactive",),
            False,
            id="service down",
            marks=MORE,
        ),
        pytest.param(no_disk, ("needed", "/var/lib/glance/images"), True, id="no disk", marks=MORE),
        pytest.param(
            data, ("keystone already holds 1 table", "fresh machine"), True, id="data", marks=MORE
        ),
        pytest.param(
            second_holder,
            ("answers for", "beside its holder"),
            False,
            id="second holder",
            marks=MORE,
        ),
    ],
)
def test_a_cloud_that_is_not_ready(
    context: Context,
    operator: Operator,
    wrong: Any,
    words: tuple[str, ...],
    follow_too: bool,
) -> None:
    with wrong(context), untouched([context.source.controllers[0], context.target.controllers[0]]):
        found, over = both(operator)
        assert found.status == 3, found
        found.finds(words[0])
        over.refuses(3, *words)
        if follow_too:
            operator.migrate(*FOLLOW).refuses(3, *words)


@pytest.mark.parametrize(
    ("services", "words"),
    [
        pytest.param(["keystone"], "glance runs on the source", id="left out", marks=MORE),
        pytest.param(
            ["keystone", "glance", "heat"],
            "heat is to be moved, but no source controller has it",
            id="not there",
            marks=MORE,
        ),
    ],
)
def test_other_services_than_the_clouds(
    operator: Operator, machines: list[Host], services: list[str], words: str
) -> None:
    operator.config["sidestep:services"], own = services, operator.config["sidestep:services"]
    try:
        with untouched(machines):
            for command in (FOLLOW, OVER):
                operator.migrate(*command).refuses(3, words, "sidestep:services")
    finally:
        operator.config["sidestep:services"] = own


@MORE
def test_a_rollback_of_nothing_changes_nothing(operator: Operator, machines: list[Host]) -> None:
    # as the resource of the packages does where it installs them; a warm layer has them already
    machines[1].run("systemctl", "disable", "-q", "keepalived")
    with untouched(machines):
        ended = operator.migrate(*ROLLBACK)
    assert ended.status == 0, ended


def test_the_rig_itself_is_ready(operator: Operator, machines: list[Host]) -> None:
    """Last: what each test broke is mended, and nothing of the above was refused for another."""
    with untouched(machines):
        ended = operator.migrate("check")
    assert ended.status == 0, ended
    assert "ready:" in ended.stdout
