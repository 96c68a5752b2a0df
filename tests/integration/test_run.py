"""One run at a time over real sshds; what a killed run left is gone before another acts.

Each host is a machine of its own here: its processes, its /run and its /var/lib.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from migrate.engine import cloud_lock
from migrate.engine.journal import Journal
from migrate.errors import CommandError, LockedError, StepError, UnreachableError
from migrate.phases.rollback import go_back
from migrate.phases.session import Session, context_of, opened
from tests.integration import sshd as real
from tests.wait import waits_for

pytestmark = pytest.mark.integration
MACHINES = {"old": "127.0.77.11", "compute": "127.0.77.12", "new": "127.0.77.13"}
RECORD = "/var/lib/migrate/lock.json"
# a run that is killed while its command is at work on a host: it writes every 50 ms
DIES = """
import sys
from pathlib import Path
from migrate.phases.session import opened
with opened("pair", "follow", changes=True, root=Path(sys.argv[1])) as session:
    host = {h.name: h for h in session.context.source.hosts}[sys.argv[2]]
    print("open", flush=True)
    host.shell('while :; do date +%s.%N >/run/written; sleep 0.05; done', timeout=300)
"""


class Pair:
    """Two projects, each with a state directory of its own, that name the same machines."""

    def __init__(self, folder: Path, servers: dict[str, real.Sshd]) -> None:
        self.folder, self.servers = folder, servers
        some = next(iter(servers.values()))
        known = folder / "known_hosts"
        known.write_text("".join(one.known_hosts.read_text() for one in servers.values()))
        machine = {name: {"name": name, "address": MACHINES[name]} for name in MACHINES}
        self.config: dict[str, Any] = {
            "provider": "existing",
            "source": {
                "release": "2025.1",
                "controllers": [machine["old"]],
                "computes": [machine["compute"]],
                "virtualIps": [{"address": "127.0.77.99", "interface": "lo"}],
            },
            "target": {"release": "2026.1", "controllers": [machine["new"]]},
            "ssh": {"key": str(some.key), "knownHosts": str(known), "port": real.PORT},
            "cloud": {"name": "nobody"},
        }

    def project(self, name: str) -> Path:
        root = self.folder / name
        (root / "stacks").mkdir(parents=True, exist_ok=True)
        (root / "Pulumi.yaml").write_text("name: sidestep\n")
        document = {"config": {f"sidestep:{key}": value for key, value in self.config.items()}}
        (root / "stacks" / "Pulumi.pair.yaml").write_text(yaml.safe_dump(document))
        return root

    def look(self, root: Path) -> Any:
        return context_of("pair", root).source.controllers[0]


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, real.Sshd]]:
    import tempfile

    with ExitStack() as stack:
        found: dict[str, real.Sshd] = {}
        for name, address in MACHINES.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sshd-")))
            folder.chmod(0o755)
            found[name] = stack.enter_context(real.running(folder, address, apart=True))
            if len(found) > 1:  # one key opens all
                keys = folder / "authorized_keys"
                keys.write_text((next(iter(found.values())).folder / "key.pub").read_text())
        yield found


@pytest.fixture
def pair(servers: dict[str, real.Sshd], tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path, servers)
    yield made
    made.config["source"]["controllers"] = [{"name": "old", "address": MACHINES["old"]}]
    for host in context_of("pair", made.project("sweep")).source.hosts:
        host.shell("rm -rf /var/lib/migrate /run/migrate.run /run/written")


def dying(root: Path, host: str = "old") -> subprocess.Popen[str]:
    run = subprocess.Popen(
        [sys.executable, "-c", DIES, str(root), host], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "open\n"
    return run


def remarks(session: Session) -> str:
    return "\n".join(f"{one.kind}: {one.text}" for one in session.journal.remarks())


@pytest.mark.parametrize("where", ["old", "compute"])
def test_an_orphan_is_gone_before_the_next_run_acts(pair: Pair, where: str) -> None:
    root = pair.project("one")
    host = {h.name: h for h in context_of("pair", root).source.hosts}[where]
    host.shell("rm -f /run/written")
    foreign = host.shell("setsid sleep 300 >/dev/null 2>&1 </dev/null & echo $!").strip()
    other = host.shell(
        "MIGRATE_RUNNER=x setsid sleep 300 >/dev/null 2>&1 </dev/null & echo $!"
    ).strip()
    run = dying(root, where)
    assert waits_for(lambda: host.exists("/run/written"))
    run.kill()
    run.wait()
    time.sleep(1)
    last = host.read("/run/written")
    time.sleep(0.5)
    assert host.read("/run/written") != last  # without a terminal sshd ends nothing
    with opened("pair", "follow", changes=True, root=root) as session:
        last = host.read("/run/written")
        assert "taken on from a run that died" in remarks(session)
        assert f"orphan: ended on {where}: " in remarks(session)
        time.sleep(0.5)
        assert host.read("/run/written") == last
        assert host.succeeds("kill", "-0", foreign)
        assert host.succeeds("kill", "-0", other)
    host.run("kill", foreign, other)


def test_one_that_does_not_heed_is_killed(pair: Pair) -> None:
    root = pair.project("one")
    host = pair.look(root)
    pid = host.shell(
        "MIGRATE_RUN=dead setsid bash -c \"trap '' TERM; while :; do sleep 1; done\" "
        ">/dev/null 2>&1 </dev/null & echo $!"
    ).strip()
    began = time.monotonic()
    with opened("pair", "follow", changes=True, root=root):
        assert not host.succeeds("kill", "-0", pid)
        assert 2 < time.monotonic() - began < 100


def test_nothing_is_left_on_a_host(pair: Pair) -> None:
    root = pair.project("one")
    host = pair.look(root)
    with opened("pair", "follow", changes=True, root=root) as session:
        found = json.loads(host.read(RECORD))
        assert found["command"] == "follow"
        assert found["place"].endswith(str(session.home))
        assert host.run("stat", "-c", "%a", RECORD) == "600\n"
    assert not host.exists("/var/lib/migrate")


def test_other_papers_are_refused_and_told_who_holds_it(pair: Pair) -> None:
    one, two = pair.project("one"), pair.project("two")
    with opened("pair", "cutover", changes=True, root=one):
        with (
            pytest.raises(
                LockedError, match=r"old: \w+@.* for cutover, state directory .*/one/.*take-over"
            ),
            opened("pair", "pulumi destroy", changes=True, root=two),
        ):
            pass
        with opened("pair", "status", changes=False, root=two):
            pass
        assert pair.look(one).exists(RECORD)
    with opened("pair", "rollback", changes=True, root=two):
        pass


def test_a_destroy_is_refused_during_a_cutover(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened("pair", "cutover", changes=True, root=pair.project("one")):
        for name in ("one", "two"):
            monkeypatch.chdir(pair.project(name))
            with pytest.raises(LockedError, match="for cutover"):
                go_back("pair")


def test_a_dead_run_of_other_papers_is_taken_over_by_name(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair.project("one"), pair.project("two")
    run = dying(one)
    run.kill()
    run.wait()
    with (
        pytest.raises(LockedError, match="if it is dead"),
        opened("pair", "rollback", changes=True, root=two),
    ):
        pass
    with opened("pair", "rollback", changes=True, root=two, take_over=True) as session:
        assert "lock: taken over on old from" in remarks(session)
        assert "/one/" in remarks(session)
    run = dying(one)
    run.kill()
    run.wait()
    monkeypatch.setenv(cloud_lock.TAKE_OVER, "pair")
    with opened("pair", "pulumi destroy", changes=True, root=two):
        pass


def test_a_living_run_that_was_taken_over_is_shut_out(pair: Pair) -> None:
    one, two = pair.project("one"), pair.project("two")
    with opened("pair", "cutover", changes=True, root=one) as first:
        with opened("pair", "rollback", changes=True, root=two, take_over=True) as second:
            with pytest.raises(LockedError, match="old is with another run"):
                first.context.source.controllers[0].run("true")
            second.context.source.controllers[0].run("true")
        for host in (*first.context.source.hosts, *first.context.target.controllers):
            with pytest.raises(LockedError):  # nor when the other has ended
                host.run("true")


def test_lost_papers_are_other_papers(pair: Pair) -> None:
    """Who deletes the folder under a living run must not pass for its successor."""
    root = pair.project("one")
    with opened("pair", "cutover", changes=True, root=root) as session:
        (session.home / "lock").unlink()
        with (
            pytest.raises(LockedError, match="says old"),
            opened("pair", "cutover", changes=True, root=root),
        ):
            pass


def test_a_dead_source_is_no_obstacle_when_the_operator_says_so(pair: Pair) -> None:
    pair.config["source"]["controllers"] = [{"name": "gone", "address": "127.0.77.50"}]
    root = pair.project("one")
    with (
        pytest.raises(UnreachableError, match=r"nobody can say .*gone .*--take-over"),
        opened("pair", "rollback", changes=True, root=root),
    ):
        pass
    with opened("pair", "rollback", changes=True, root=root, take_over=True) as session:
        session.context.target.controllers[0].run("true")
        assert "lock: not asked: gone" in remarks(session)


def test_an_interrupted_command_ends_on_the_host_and_the_run_can_go_back(pair: Pair) -> None:
    root = pair.project("one")
    with opened("pair", "cutover", changes=True, root=root) as session:
        host = session.context.source.controllers[0]
        failures: list[BaseException] = []

        def work() -> None:
            try:
                host.shell("while :; do date +%s.%N >/run/written; sleep 0.05; done", timeout=300)
            except StepError as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        watcher = pair.look(root)
        assert waits_for(lambda: watcher.exists("/run/written"))
        began = time.monotonic()
        assert cloud_lock.interrupt(session.context) == []
        thread.join(100)  # the command itself would go on for 300 s
        assert time.monotonic() - began < 100
        assert failures
        last = watcher.read("/run/written")
        with pytest.raises(StepError, match="interrupted"):
            host.run("true")
        cloud_lock.resume(session.context)
        assert host.run("cat", "/run/written") == last


def test_half_a_message_does_nothing(pair: Pair, tmp_path: Path) -> None:
    """A run that dies while it sends looks on the host like one that has sent all."""
    root = pair.project("one")
    host: Any = pair.look(root)
    host.write("/run/whole", "before")
    argv = ("timeout", "5", "bash", "-euo", "pipefail", "-s", "--")
    half = "{\nrm -f /run/whole\n"  # of a script
    assert host._execute(argv[2:], half, 5)[0] != 0
    real_execute = host._execute

    def dying(argv: tuple[str, ...], stdin: str, timeout: float) -> tuple[int, str, str]:
        found: tuple[int, str, str] = real_execute(argv, stdin[: len(stdin) // 2], timeout)
        return found

    host._execute = dying
    with pytest.raises(CommandError, match="cut short"):
        host.write("/run/whole", "after" * 10)
    with pytest.raises(CommandError, match="SyntaxError"):
        host.python("import os\nos.unlink('/run/whole')\n" + "pass\n" * 50)
    host._execute = real_execute
    assert host.read("/run/whole") == "before"
    assert host.run("sh", "-c", "ls -d /run/whole*") == "/run/whole\n"


def test_the_journal_of_a_taken_over_lock_is_still_a_lost_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "rollback")
    journal.remark("lock", "taken over")
    assert journal.is_empty()
    journal.close()


# a run whose step would take long, with the signals of a terminal
INTERRUPTED = """
import sys
from pathlib import Path
from migrate.errors import MigrateError
from migrate.engine.plan import Phase, Plan, Step
from migrate.phases.session import Session, opened
from migrate.phases.signals import heard
with opened("pair", "follow", changes=True, root=Path(sys.argv[1])) as session:
    host = session.context.source.controllers[0]
    step = Step(
        id="long", title="", phase=Phase.FOLLOW, done=lambda _: False,
        apply=lambda _: host.shell(
            'while :; do date +%s.%N >/run/written; sleep 0.05; done', timeout=300),
        revert=lambda _: host.run("touch", "/run/reverted"),
    )
    session = Session(session.context, Plan.of([step]), session.journal, session.tell)
    runner = session.runner(Phase.FOLLOW)
    try:
        with heard(session):
            runner.advance()
    except MigrateError as error:
        from migrate.engine import cloud_lock
        with session.cancellation.ignored():  # as the window goes back
            cloud_lock.resume(session.context)
            runner.retreat()
        print(error, flush=True)
"""


def test_ctrl_c_twice_ends_what_runs_on_the_host(pair: Pair) -> None:
    root = pair.project("one")
    host = pair.look(root)
    host.shell("rm -f /run/written")
    run = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(root)], stdout=subprocess.PIPE, text=True
    )
    assert waits_for(lambda: host.exists("/run/written"), 120)
    run.send_signal(signal.SIGINT)
    time.sleep(1)
    last = host.read("/run/written")
    assert waits_for(lambda: host.read("/run/written") != last)  # once: it goes on to its end
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0
    assert "stopped by the operator: long: " in said
    last = host.read("/run/written")
    time.sleep(0.3)
    assert host.read("/run/written") == last
    host.run("rm", "/run/reverted")
    assert not host.exists("/var/lib/migrate")


def migrate(root: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "migrate.cli", *argv, "--stack", "pair"]
    return subprocess.run(
        command, cwd=root, text=True, capture_output=True, check=False, timeout=300
    )


def test_the_second_command_is_refused_and_status_works(pair: Pair) -> None:
    one, two = pair.project("one"), pair.project("two")
    with opened("pair", "cutover", changes=True, root=one):
        for root in (one, two):
            second = migrate(root, "follow", "--execute")
            assert second.returncode == 7, second.stderr
            assert "for cutover" in second.stderr
            told = migrate(root, "status")
            assert told.returncode == 0, told.stderr
            assert re.search(r"source old: open, held by .* for cutover", told.stdout)
        assert "at work: " in migrate(one, "status").stdout
        # of another folder's run only the machines know
        assert "--take-over" in migrate(two, "status").stdout


def test_status_works_while_hosts_are_away(pair: Pair) -> None:
    pair.config["source"]["controllers"] = [{"name": "gone", "address": "127.0.77.50"}]
    root = pair.project("one")
    told = migrate(root, "status")
    assert told.returncode == 0
    assert "source gone: cannot be asked: gone (root@127.0.77.50): cannot be reached" in told.stdout
    assert "target new: nothing of ours" in told.stdout
    document = json.loads(migrate(root, "status", "--json").stdout)
    assert "silent" in document["machines"]["gone"]
    failed = migrate(root, "follow", "--execute")
    assert failed.returncode == 8
    assert "error: nobody can say whether another run is at work" in failed.stderr
    assert "next: " in failed.stderr
    log = root / ".migrate" / "pair" / "run.log"
    assert "error: nobody can say" in log.read_text()


def test_status_works_with_a_broken_journal(pair: Pair) -> None:
    root = pair.project("one")
    migrate(root, "status")
    (root / ".migrate" / "pair" / "journal").write_bytes(b"not a journal, though as long" * 99)
    told = migrate(root, "status")
    assert told.returncode == 0, told.stderr
    assert "file is not a database" in told.stdout
    assert "source old: open" in told.stdout


def test_pause_resume_and_abort_by_their_commands(pair: Pair) -> None:
    root = pair.project("one")
    assert migrate(root, "pause", "--reason", "lunch").returncode == 0
    assert "asked for: pause by " in migrate(root, "status").stdout
    assert "resumed by" in migrate(root, "resume").stdout
    assert "nothing was paused" in migrate(root, "resume").stdout
    refused = migrate(root, "abort")
    assert refused.returncode in (3, 4, 5, 8), refused.stderr
