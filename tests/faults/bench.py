"""The rig with an operator beside it: a project folder, and `migrate` as a process that can die."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from infra import nspawn
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine.journal import Event, State
from migrate.phases.session import context_of
from tests.faults import driver, state
from tests.lab import cloud
from tests.lab import rig as rigs
from tests.lab.rig import Rig

ROOT = Path(__file__).parents[2]
STACK = "rig"
LONGEST = 900  # seconds for one run of the command; one that hangs is a failure of its own
COMMANDS = {
    "follow": ("follow", "--execute"),
    "cutover": ("cutover", "--execute", "--confirm", STACK),
    "rollback": ("rollback", "--execute", "--accept-losses"),
}
KILLED = -signal.SIGKILL
GIVEN_UP = 3  # runs in a row that end in an error


@dataclass(frozen=True, slots=True)
class Ended:
    """One run of the command: its exit status and what it said."""

    status: int
    said: str

    @property
    def killed(self) -> bool:
        return self.status == KILLED

    def __str__(self) -> str:
        return f"exit {self.status}: {self.said[-3000:]}"


@dataclass(slots=True)
class Crashes:
    """Where runs died, and what went wrong after that."""

    deaths: list[str] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Bench:
    """`reset` gives both machines as new and an operator who never saw them."""

    rig: Rig
    folder: Path
    settings: dict[str, object] = field(default_factory=dict)
    standing: str = ""  # "found", "followed" or "released" when they are known to stand so

    def reset(self, **settings: object) -> None:
        """Both machines as new, no papers; *settings* go into the stack's file."""
        self.rig.reset()
        self.settings = settings
        shutil.rmtree(self.folder, ignore_errors=True)
        self.prepare(self.folder)
        self.standing = "found"

    def bring(self, wanted: str) -> None:
        """The machines as *found*, *followed* or *released*, by the shortest way that is sure."""
        if self.standing == wanted:
            return
        if not self.standing or self.settings:
            self.reset()
        if self.standing != "found" and wanted != "released":
            self.well("rollback")
            self.standing = "found"
        if self.standing == "found" and wanted != "found":
            self.well("follow")
        if wanted == "released":
            self.well("cutover")
        self.standing = wanted

    def prepare(self, folder: Path) -> None:
        """A project folder as an operator's host has it."""
        (folder / "stacks").mkdir(parents=True)
        shutil.copy(ROOT / "Pulumi.yaml", folder)
        self._write_stack(folder)

    def decide(self, **settings: object) -> None:
        """*settings* and no others stand in the stack's file from now on."""
        self.settings = settings
        self._write_stack(self.folder)

    def _write_stack(self, folder: Path) -> None:
        config = rigs.stack(rigs.rig())
        config |= {f"sidestep:{name}": value for name, value in self.settings.items()}
        text = yaml.safe_dump({"config": config})
        (folder / "stacks" / f"Pulumi.{STACK}.yaml").write_text(text)

    @property
    def context(self) -> Context:
        """What the program itself is given, with connections of its own."""
        return context_of(STACK, self.folder)

    def picture(self) -> state.Picture:
        """Both machines, and what this operator's own papers say."""
        ended = self.run("status", "--json")
        told = json.loads(ended.said[ended.said.index("{") :])
        words = {f"phase {name}": word for name, word in told["phases"].items()}
        words |= dict.fromkeys((f"unfinished {step}" for step in told["unfinished"]), "yes")
        words |= dict.fromkeys((f"failed {step}" for step in told["failed"]), "yes")
        papers = {
            str(path.relative_to(self.papers)): f"{path.stat().st_mode & 0o7777:o}"
            for path in self.papers.rglob("*")
        }
        return {**state.picture(self.context), "operator": {"status": words, "papers": papers}}

    @property
    def papers(self) -> Path:
        return self.folder / ".migrate" / STACK

    # --- the command

    def begin(
        self, *command: str, die_at: str = "", died: Path | None = None
    ) -> subprocess.Popen[str]:
        """`migrate` at work; it dies once at each boundary that *die_at* matches."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            driver.DIE_AT: die_at,
            driver.DIED: str(died or ""),
        }
        environment.pop("MIGRATE_HOME", None)
        words = COMMANDS.get(command[0], command) if len(command) == 1 else command
        return subprocess.Popen(
            [sys.executable, "-m", "tests.faults.driver", *words, "--stack", STACK],
            cwd=self.folder,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *command: str, die_at: str = "", died: Path | None = None) -> Ended:
        """The command to its end, whatever that is."""
        child = self.begin(*command, die_at=die_at, died=died)
        return finished(child)

    def well(self, *command: str) -> Ended:
        """The command, which must end well."""
        ended = self.run(*command)
        assert ended.status == 0, f"{' '.join(command)} {ended}"
        return ended

    def killed_after(self, seconds: float | None, command: str) -> Ended:
        """The command, killed *seconds* after it has begun its first step; it may end before."""
        before = len(self.events())
        child = self.begin(command)
        return killed_when(child, lambda: len(self.events()) > before, seconds)

    def during(
        self, command: str, step: str, act: Callable[[], object], after: float = 0.0
    ) -> Ended:
        """The command to its end; *act* is done *after* seconds from when *step* has begun."""
        before = len(self.events())
        child = self.begin(command)
        while child.poll() is None:
            news = [(event.step, event.state) for event in self.events()[before:]]
            if (step, State.STARTED) in news or (step, State.REVERTING) in news:
                time.sleep(after)
                act()
                break
            time.sleep(0.02)
        return finished(child)

    def dies(self, command: str, boundary: str) -> None:
        """The command, which dies at *boundary*."""
        died = self.folder / "died"
        died.write_text("")
        ended = self.run(command, die_at=boundary, died=died)
        assert ended.killed, f"{command} did not reach {boundary!r}: {ended}"

    def events(self) -> list[Event]:
        """What the journal holds, read without a trace."""
        return noted(self.papers / "journal")

    def crash_through(
        self, *commands: str, die_at: str, died: Path, instants: Iterable[float] = ()
    ) -> Crashes:
        """Run *commands* in order, dying at each boundary once, and go on after each death.

        While there are *instants*, a run that is killed at one of them comes after each death.
        A run that ends in an error after a death is a failure of that boundary; the same command
        is given once more, so that one failure does not hide what comes after it.
        """
        died.touch()
        found = Crashes()
        left = iter(instants)
        for command in commands:
            failed = 0
            while failed < GIVEN_UP:
                ended = self.run(command, die_at=die_at, died=died)
                if ended.killed:
                    found.deaths.append(died.read_text().splitlines()[-1])
                    if (after := next(left, None)) is None:
                        continue
                    ended = self.killed_after(after, command)
                    if ended.killed:
                        found.kills.append(f"{command} {after:.1f} s")
                        continue
                if ended.status == 0:
                    break
                failed += 1
                found.failures.append(f"after {found.deaths[-1:]} {command} {ended}")
        return found

    def source(self) -> Host:
        """A connection of the test's own to the source's controller."""
        return self.context.source.controllers[0]

    def database(self) -> Host:
        return self.context.source.database

    def target(self) -> Host:
        return self.context.target.controllers[0]

    def machine(self, name: str) -> nspawn.Machine:
        """ "source", "database" or "target" as this host's nspawn knows it: a power switch."""
        this = rigs.rig()
        if name == "database":
            assert isinstance(this, rigs.Apart)
            return rigs.database(this, this.databases[0])
        return rigs._source(this) if name == "source" else rigs._target(this)

    def power_off(self, name: str) -> None:
        """As if somebody had pulled the plug."""
        nspawn.stop(self.machine(name), seconds=0)

    def power_on(self, name: str) -> None:
        machine = self.machine(name)
        nspawn.start(machine)
        nspawn.wait_for_ssh(machine)
        named = {"source": self.source, "database": self.database, "target": self.target}
        host = named[name]()
        host.shell("systemctl is-system-running --wait >/dev/null || true", timeout=180)

    def serves(self) -> list[str]:
        """The APIs that do not answer at the virtual IP; [] is well."""
        for _ in range(60):
            if not (silent := cloud.silent_apis(rigs.rig())):
                break
            time.sleep(0.5)
        return silent


def noted(journal: Path) -> list[Event]:
    """What stands in the file *journal*, read without a trace; [] where there is none."""
    try:
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as database:
            rows = database.execute(
                "SELECT at, run, phase, step, state, note FROM event ORDER BY seq"
            ).fetchall()
    except sqlite3.Error:
        return []  # it is not there yet, or being made
    return [
        Event(at, run, phase, step, State(state), note)
        for at, run, phase, step, state, note in rows
    ]


def killed_when(
    child: subprocess.Popen[str], begun: Callable[[], bool], seconds: float | None
) -> Ended:
    """*child*, killed *seconds* after it has *begun*; it may end before."""
    while child.poll() is None and not begun():
        time.sleep(0.02)
    return finished(child, seconds)


def finished(child: subprocess.Popen[str], seconds: float | None = None) -> Ended:
    """*child* to its end, or killed after *seconds*; one that hangs is killed and said so."""
    try:
        said, _ = child.communicate(timeout=LONGEST if seconds is None else seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        said, _ = child.communicate()
        if seconds is None:
            return Ended(124, f"it did not end in {LONGEST} s\n{said}")
    return Ended(child.returncode, said)


def seed() -> int:
    """Of all chance in this run; `FAULTS_SEED` repeats one."""
    return int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(10**6))
