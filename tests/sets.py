"""Named sets of tests: what `make test` leaves out, and the record of when each passed.

    make test-all                       every set
    make test-all SET=faults,existing   the one of that name, else those whose names begin with it
    pytest --set faults-back            one of them, by pytest itself

A test is in a set by `@pytest.mark.in_set("faults-back")`, one without the mark is in the set
"test", which is what `make test` and CI run. Each set runs alone, from any state, in any order.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tests import proofs
from tests.faults.tally import TABLE, Tally, table

DEFAULT = "test"
# rigs on which sets run side by side, also beside `make test`; SIDESTEP_RIG names one alone
LANES = ("3", "4")


@dataclass(frozen=True, slots=True)
class Set:
    """`proves` for the record; `alone` when it needs the lab or both cores for itself."""

    proves: str
    alone: bool = False
    arguments: tuple[str, ...] = ()


SETS = {
    DEFAULT: Set("what CI runs: one pass on the rig and in the lab", True, ("-n", "2")),
    "faults-resume": Set("killed at every boundary, then the same command"),
    "faults-random": Set("killed about sixty times at random instants, then the same command"),
    "faults-back": Set("back from after every step; killed at every boundary of the way back"),
    "faults-window": Set("one thing breaks in the window: undone, and the next goes through"),
    "faults-pulumi": Set("Pulumi killed, interrupted, its state lost"),
    "faults-follow": Set("one thing breaks while the source serves"),
    "faults-machines": Set("machines lose power or boot at the worst moments"),
    "faults-operator": Set("disk full, journal lost, two operators, none"),
    "existing": Set("a pass on racked machines, back by `pulumi destroy`, nothing left"),
    "engine": Set(
        "Pulumi's engine: drift, replacement, removed lines on a cloud that serves; what is "
        "installed starts nothing"
    ),
    "control": Set(
        "two operators, another desk, the limits of window and drain, an abort too late"
    ),
    "checks": Set("each check of source and target, and readers of their files, with real parts"),
    "bad-input": Set("more clouds that are not ready, through the command itself"),
    "steps": Set("configuration, images and holds: each step done, undone, and its proof"),
    "window": Set(
        "each step of the way over and back: done, undone, twice; the fence; both reboot"
    ),
    "address": Set(
        "the virtual IP moves over and back under calls and downloads, beside a move that cuts; "
        "killed at each instant, either host rebooted"
    ),
    "gate": Set("files that the gate must close or refuse; agents; an API that is silent"),
    "replica": Set(
        "the target's databases follow the source's by GTID, are proven equal, broken, cut off, "
        "restarted, and gone; the way back needs no log"
    ),
    "rehearse": Set(
        "the upgrade in a clone beside a replica that follows: over, killed, a migration that "
        "fails named; the release's APIs on it answer as the source does, or it is told: a row, an "
        "option, a policy, a key; none left when the window begins"
    ),
    "rehearse-lab": Set(
        "six services' APIs on a clone answer a whole cloud's questions as the source under load "
        "does; a policy that lets users see more or less is told",
        True,
    ),
    "replica-seed": Set(
        "what a replica is seeded from: streams of one instant, or the source's whole server, "
        "under a writer, killed, on a disk that is full"
    ),
    "replica-breaks": Set(
        "a replica that has parted, was refused, whose log is purged, whose servers are killed, "
        "whose disks are full: told, and whole again; a server killed inside the window"
    ),
    "replica-old": Set(
        "a source of MariaDB 10.11, followed and copied by 11.8, equal by the servers' checksums"
    ),
    "database-host": Set(
        "a source database on a host of its own: followed, over, verified, back; killed in the "
        "window, and its host booted there"
    ),
    "database-servers": Set(
        "a source with its databases on two servers: followed by two connections, proven, over and "
        "back; one cut off, a clash of names, accounts and domains"
    ),
    "reopen": Set("the source reopens itself, also after a boot"),
    "secrets": Set("awkward passwords over and back, seen nowhere"),
    "bare": Set("the demo as the first command on a bare Debian 12", True),
    "settle": Set(
        "a compute host over in place and back, killed at each boundary; the cloud back with it",
        True,
    ),
    "settle-reinstall": Set(
        "a compute host reinstalled, what is its own kept and put back, killed at each boundary; "
        "and back to the old release",
        True,
    ),
    "settle-drain": Set(
        "servers leave a compute host by policy and come home, killed midway", True
    ),
    "settle-failures": Set(
        "a host dies, an installer, a migration or the network fails: named, and gone on", True
    ),
    "settle-probe": Set(
        "live migration tried by servers of ours between hosts of both releases, killed midway",
        True,
    ),
    "settle-update": Set(
        "a compute host of the release to newer pins and back, killed at each boundary; and with "
        "a command that boots it",
        True,
    ),
    "settle-back": Set(
        "the cloud back from the middle: a host reinstalled, agents over, servers moved; the host "
        "first, killed at each boundary; records and servers' disks are as before the cutover",
        True,
    ),
    "settle-agents": Set("network agents over and back; the cloud back with them", True),
    "settle-network": Set(
        "a host that only carries network agents over in place and back, killed at each boundary; "
        "the cloud back with it",
        True,
    ),
    "homecoming": Set(
        "servers moved, resized, made, connected on the target, then back: each at home or named, "
        "no disk open twice, contents equal",
        True,
    ),
    "ceph": Set(
        "a real Ceph cluster: what is wrong is found; a monitor, a manager and a gateway join, "
        "leave, are killed midway; a backup goes to it, by TLS too; old monitors are removed for "
        "good; OSDs come back on a reinstalled host",
        True,
    ),
    "ceph-three": Set(
        "three monitors join one, or three, and leave; each host loses power in its step, two at "
        "once; the cluster is full; killed at each boundary the old ones leave, their addresses "
        "move; an OSD host does not come back",
        True,
    ),
    "lab-ceph": Set(
        "a source cloud on Ceph: images, volumes and servers' disks on RBD, and a live writer",
        True,
    ),
    "lab-ceph-over": Set(
        "that cloud backed up to its own gateway, over as a client of its Ceph, back by destroy",
        True,
    ),
    "lab-ceph-in-place": Set("a compute host with disks on RBD over in place, and back", True),
    "lab-ceph-daemons": Set(
        "Ceph's own daemons join beneath that cloud, serve over the window, and leave with it",
        True,
    ),
    "lab-ceph-commit": Set(
        "the old monitors leave beneath that cloud for good; hosts with OSDs, compute hosts and "
        "agents come over; finish",
        True,
    ),
    "finish": Set(
        "a host reinstalled, the last in place, agents: records equal, pings by the report; the "
        "old purged, nothing goes back",
        True,
    ),
    "lab-checks": Set("checks that only a whole cloud can fail; the openstack provider", True),
    "faults-lab": Set("the lab's window killed at random; back from its middle", True),
}


def name_of(item: pytest.Item) -> str:
    """The set of one test."""
    mark = item.get_closest_marker("in_set")
    return str(mark.args[0]) if mark else DEFAULT


class Selection:
    """pytest's `--set`: tests of other sets are deselected, and named at the end."""

    def __init__(self, wanted: str) -> None:
        if wanted not in SETS:
            raise pytest.UsageError(f"no set {wanted!r}; there are: {', '.join(SETS)}")
        self._wanted = wanted
        self._others: set[str] = set()

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        others = [item for item in items if name_of(item) != self._wanted]
        self._others = {name_of(item) for item in others}
        if unknown := self._others - set(SETS):
            raise pytest.UsageError(f"marked for sets that tests/sets.py has not: {unknown}")
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if name_of(item) == self._wanted]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._others:
            terminalreporter.write_line(f"not in this set: {', '.join(sorted(self._others))}")


def chosen(words: Iterable[str]) -> list[str]:
    """The sets of those names, or whose names begin so, all without *words*; SystemExit for a typo.

    A word that is one's whole name is that one alone: `rehearse` needs no lab, `rehearse-lab` does.
    """
    wanted = [word for word in words if word]
    whole = {word for word in wanted if word in SETS}
    begun = tuple(word for word in wanted if word not in whole)
    found = [n for n in SETS if not wanted or n in whole or (begun and n.startswith(begun))]
    for word in wanted:
        if not any(name.startswith(word) for name in SETS):
            sys.exit(f"no set begins with {word!r}; there are: {', '.join(SETS)}")
    return found


def run(name: str, rig: str) -> proofs.Proof:
    """pytest over one set; its lines are shown with its name before them."""
    table(name).unlink(missing_ok=True)
    began, when, closing = time.monotonic(), datetime.now(UTC), "it said nothing"
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-vv", "-rsfEP", "--set", name, *SETS[name].arguments],
        env={**os.environ, "SIDESTEP_RIG": rig, TABLE: name, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout
    for line in child.stdout:
        print(f"{name:15} {line}", end="", flush=True)
        closing = line.strip("= \n") or closing
    good = child.wait() == 0
    minutes = (time.monotonic() - began) / 60
    counts = Tally.read(table(name)).counts
    counted = [f"{kind} {survived}/{tried}" for kind, (tried, survived) in counts.items()]
    return proofs.Proof(
        name=name,
        proves=SETS[name].proves,
        commit=proofs.commit(),
        when=f"{when:%Y-%m-%d %H:%M}",
        minutes=f"{minutes:.0f}",
        result=("" if good else "FAILED: ") + "; ".join([closing, *counted]),
    )


def main(words: list[str]) -> int:
    """Run the sets that *words* name and write the record; 0 when every test has passed."""
    names = chosen(",".join(words).split(","))
    named = os.environ.get("SIDESTEP_RIG")
    lanes = [named] if named else list(LANES)

    def beside(name: str) -> proofs.Proof:
        rig = lanes.pop()
        try:
            return kept(run(name, rig))
        finally:
            lanes.append(rig)

    with ThreadPoolExecutor(len(lanes)) as pool:
        done = list(pool.map(beside, [name for name in names if not SETS[name].alone]))
    done += [kept(run(name, "")) for name in names if SETS[name].alone]
    print("", *(proof.row() for proof in done), f"written to {proofs.RECORD}", sep="\n")
    return int(any(proof.result.startswith("FAILED") for proof in done))


def kept(proof: proofs.Proof) -> proofs.Proof:
    """*proof*, written down at once: a run of hours may be cut off."""
    proofs.write([proof])
    return proof


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
