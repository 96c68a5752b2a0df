"""A whole pass in the lab as the README says, with users who begin things in the last instant.

The order of the tests is the order of the night: each goes on from where the one before it ended.
That every step is done after it and none before, and back by `migrate rollback`, is shown on the
rig, and in the lab by the set `faults-lab`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openstack.exceptions import ForbiddenException

from migrate.cloud.settings import home
from migrate.configuration import broker
from migrate.phases.session import context_of
from tests.faults.bench import noted
from tests.full.watch import Watch
from tests.lab import cloud, content, demo, ec2, identity, late, load, outages
from tests.lab.loading.run import PROBED
from tests.lab.settings import lab as this_lab
from tests.readme import commands

pytestmark = [pytest.mark.lab, pytest.mark.in_order]

STACK = "lab"
SPARE = ("spare volume", "spare to extend")


def over() -> None:
    """The first half of the demo; a failure shows its last words first, the rest is captured."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.lab.demo", "over"],
        text=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    print(ended.stdout)
    assert ended.returncode == 0, f"exit {ended.returncode}, at the end of:\n{ended.stdout[-1500:]}"


def migrate(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "migrate.cli", *argv, "--stack", STACK]
    return subprocess.run(command, text=True, check=False, capture_output=True)


def succeeds(*argv: str) -> str:
    """What it said on stdout."""
    ended = migrate(*argv)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def papers() -> Path:
    return home(STACK)


@pytest.fixture(scope="module")
def report(papers: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((papers / "report.json").read_text())
    return found


@pytest.fixture(scope="module")
def admin() -> Any:
    return identity.connect(this_lab())


@pytest.fixture(scope="module")
def user() -> Any:
    """A user of the project demo, who knows nothing of a migration."""
    return identity.connect(this_lab(), "demo", "demo")


def losses() -> dict[str, Any]:
    ended = migrate("rollback", "--json")
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)["losses"]
    return found


def named(found: dict[str, Any], type_: str, change: str) -> set[str]:
    """Names in project demo; what the load makes and deletes by itself is passed over."""
    (project,) = [one for one in found["projects"] if one["name"] == "demo"] or [{"types": {}}]
    entries = project["types"].get(type_, {}).get(change, [])
    return {one["name"] for one in entries if not one["name"].startswith("load-")}


def test_there_is_something_to_lose(watched: Watch, user: Any) -> None:
    """Before anything is done: what a user deletes or changes later."""
    for name in SPARE:
        if user.block_storage.find_volume(name) is None:
            volume = user.block_storage.create_volume(name=name, size=1)
            user.block_storage.wait_for_status(volume, "available", ["error"], interval=1, wait=120)
    for name in ("spare to delete", "spare to rename"):
        if user.network.find_network(name) is None:
            user.network.create_network(name=name)
    demo.stand_up(this_lab())


def test_over_and_what_begins_as_the_source_closes_ends_complete_or_refused(papers: Path) -> None:
    with late.Late(this_lab(), papers) as last:
        over()
    print("begun as the source closed:", last.answers, "now", late.found(this_lab()))
    assert late.wrong(last, late.found(this_lab())) == []
    assert "accepted" in last.answers.values()


def test_the_broker_says_who_listens() -> None:
    context = context_of(STACK)
    asked = [queue for recipe in context.recipes for queue in recipe.queues]
    assert broker.wait_for_listeners(context, asked, 60)
    assert not broker.wait_for_listeners(context, [*asked, "nobody"], 1)


def test_the_target_lets_no_secret_out(watched: Watch) -> None:
    for host in watched.hosts(target=True):
        assert watched.let_out(host) - watched.before.get(host.name, set()) == set(), host.name


def test_everything_is_there_and_equal(report: dict[str, Any]) -> None:
    verification = report["proofs"]["verification"]
    assert verification["good"]
    assert verification["differences"] == []
    assert verification["resources"] > 100


def test_an_application_credential_from_before_is_used(user: Any) -> None:
    """A robot logs in by it and makes calls, as the user who gave it away."""
    robot = identity.connect_by(this_lab(), content.told(this_lab())["application_credential"])
    assert {one.name for one in robot.compute.servers(details=False)} >= {"on-lan", "inside"}
    assert robot.current_user_id == user.current_user_id


def test_an_ec2_credential_from_before_signs_requests(admin: Any) -> None:
    """Keystone knows its secret, which was stored by keys that were carried over."""
    ours = content.told(this_lab())["ec2"]

    def answer(secret: str) -> Any:
        asked = {"credentials": ec2.signed(ours["access"], secret)}
        url = f"http://{this_lab().vip}:5000/v3/ec2tokens"
        return admin.session.post(url, json=asked, raise_exc=False)

    token = answer(ours["secret"]).json()["token"]
    assert (token["user"]["name"], token["project"]["name"]) == ("demo", "demo")
    assert token["methods"] == ["ec2credential"]
    assert answer("another").status_code == 401


def test_what_users_noticed_is_in_the_report(report: dict[str, Any]) -> None:
    """As the load says, which asks the same pages from outside the program."""
    window = report["window"]
    since = datetime.fromisoformat(window["start"]).timestamp() - 10
    seen = outages.noticed(load.records(this_lab(), since))
    heard = {one["what"]: one for one in report["noticed"]["cutover"]["heard"]}
    for name in PROBED:
        # who reads the database alone is answered until the flip; heat asks an engine
        most = 15 + (window["seconds"] if name == "heat" else 0)
        assert heard[name]["longest"] < most, heard[name]
        assert seen[f"probe {name}"].longest < most, seen[f"probe {name}"]
    assert heard["the address"]["failed"] < heard["the address"]["calls"] / 2


def test_no_call_was_forbidden() -> None:
    """An API loads its policies at the first call, and refused the calls that came beside it."""
    told = [call for call in load.records(this_lab()) if "HTTP 403" in call.get("note", "")]
    assert told == []


def test_a_new_server_booted_on_an_old_compute(report: dict[str, Any]) -> None:
    assert report["proofs"]["verification"]["booted"]["compute"] in this_lab().computes


def test_after_the_release_nothing_begins_again() -> None:
    ended = migrate("follow", "--execute")
    assert ended.returncode == 3
    assert "the target serves" in ended.stderr


def test_a_cutover_that_is_over_changes_nothing(papers: Path) -> None:
    before = noted(papers / "journal")
    assert "The target serves." in succeeds("cutover", "--execute", "--confirm", STACK)
    assert noted(papers / "journal") == before


def test_nor_without_its_journal(papers: Path) -> None:
    journal = papers / "journal"
    journal.rename(papers / "journal.away")
    try:
        ended = migrate("cutover", "--execute", "--confirm", STACK)
    finally:
        (papers / "journal.away").replace(journal)
    assert ended.returncode == 3
    assert "the target serves" in ended.stderr


def lost_data(found: Any) -> dict[str, str]:
    """What became of whose data; the load's own servers come and go."""
    return {one["name"]: one["what"] for one in found["data"] if "load-" not in one["name"]}


def test_right_after_it_going_back_loses_nothing() -> None:
    """Not the release's own additions, not what `verify` made: only the load's own things."""
    found = losses()
    rest = [
        (project["name"], type_, change, one["name"], one.get("fields"))
        for project in found["projects"]
        for type_, changes in project["types"].items()
        for change, entries in changes.items()
        for one in entries
        if "load-" not in one["name"]
    ]
    assert rest == []
    assert lost_data(found) == {}
    assert found["unknown"] == []


@pytest.mark.parametrize("call", ["delete", "force", "extend", "snapshot", "unsnapshot", "revert"])
def test_volumes_on_shared_storage_are_held(admin: Any, user: Any, call: str) -> None:
    cinder, volume = user.block_storage, user.block_storage.find_volume("spare volume")
    snapped = next(iter(cinder.snapshots(name="first snapshot")))
    calls: dict[str, Callable[[], Any]] = {
        "delete": lambda: cinder.delete_volume(volume.id),
        "force": lambda: admin.block_storage.delete_volume(volume.id, force=True),
        "extend": lambda: cinder.extend_volume(volume.id, 2),
        "snapshot": lambda: cinder.create_snapshot(volume_id=volume.id, name="new"),
        "unsnapshot": lambda: cinder.delete_snapshot(snapped.id),
        "revert": lambda: cinder.revert_volume_to_snapshot(snapped.volume_id, snapped.id),
    }
    with pytest.raises(ForbiddenException):
        calls[call]()
    assert cinder.get_volume(volume.id).status == "available"
    assert cinder.get_volume(volume.id).size == 1


def test_what_users_do_is_named_and_needs_a_word(user: Any, papers: Path) -> None:
    user.network.create_network(name="made since")
    user.network.delete_network(user.network.find_network("spare to delete").id)
    renamed = user.network.find_network("spare to rename")
    user.network.update_network(renamed.id, name="renamed since")
    found = losses()
    assert named(found, "network", "created") == {"made since"}
    assert named(found, "network", "deleted") == {"spare to delete"}
    assert named(found, "network", "changed") == {"renamed since"}
    assert lost_data(found) == {}
    kept = papers / "losses.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(kept.read_text())["counts"]["deleted"] >= 1
    refused = migrate("rollback", "--execute")
    assert refused.returncode == 3
    assert "--accept-losses" in refused.stderr
    assert "created" in refused.stderr


def test_destroy_is_refused_unless_the_stack_is_named() -> None:
    ended = subprocess.run(
        ["pulumi", "destroy", "--yes", "--skip-preview", "--stack", STACK],
        text=True,
        check=False,
        capture_output=True,
    )
    assert ended.returncode != 0
    said = " ".join((ended.stdout + ended.stderr).split())
    assert f"MIGRATE_GO_BACK={STACK} pulumi destroy" in said
    assert "losses.json" in said or "Nothing was written" in said


def test_accepting_lets_volumes_go_and_names_them(user: Any) -> None:
    assert migrate("accept").returncode == 0
    with pytest.raises(ForbiddenException):
        user.block_storage.delete_volume(user.block_storage.find_volume("spare volume").id)
    ended = migrate("accept", "--execute")
    assert ended.returncode == 0, ended.stderr
    volume = user.block_storage.find_volume("spare volume")
    user.block_storage.delete_volume(volume.id)
    user.block_storage.wait_for_delete(volume, interval=1, wait=120)
    longer = user.block_storage.find_volume("spare to extend")
    user.block_storage.extend_volume(longer.id, 2)
    longer = user.block_storage.get_volume(longer.id)  # as it was, it would pass for extended
    user.block_storage.wait_for_status(longer, "available", ["error_extending"], wait=120)
    found = losses()
    data = lost_data(found)
    assert "deleted" in data["spare volume"]
    assert "size was 1, is 2" in data["spare to extend"]
    assert found["accepted"]
    assert any("nothing tells which" in one for one in found["remarks"])


def test_no_password_of_the_cloud_is_in_our_papers(papers: Path) -> None:
    secrets = [this_lab().password(owner) for owner in ("nova", "keystone", "rabbit", "admin")]
    for path in papers.rglob("*"):
        if path.is_file() and path.name != "tokens-before.json":
            content = path.read_text(errors="replace")
            assert not [secret for secret in secrets if secret in content], path


def test_back() -> None:
    assert demo.back(this_lab(), tidy) == 0


def tidy() -> None:
    """Remove what began as the source closed: the source knows it too."""
    # a server that is deleted before its compute is heard is deleted in nova's database alone
    assert cloud.is_healthy(this_lab(), cloud.HEARD_SECONDS)
    late.remove(this_lab())


def test_what_was_lost_is_kept_and_the_source_has_what_it_had(papers: Path, user: Any) -> None:
    *_, last = sorted(papers.glob("losses-*.json"))
    assert last.stat().st_mode & 0o777 == 0o600
    found = json.loads(last.read_text())
    assert named(found, "network", "created") == {"made since"}
    assert set(lost_data(found)) == set(SPARE)
    assert user.network.find_network("made since") is None
    assert user.network.find_network("spare to delete") is not None
    for name in SPARE:  # known to the source again; the data of one is gone
        volume = user.block_storage.find_volume(name)
        user.block_storage.delete_volume(volume.id)
        user.block_storage.wait_for_delete(volume, interval=1, wait=120)


def test_the_readme_names_every_command() -> None:
    named = {line.split()[1] for line in commands("over") if line.startswith("migrate ")}
    assert named == {"plan", "check", "backup", "follow", "cutover", "verify", "status"}
