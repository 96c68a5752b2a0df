"""How long the plan for 10,000 compute hosts with 200,000 servers takes, beside making its facts.

    python -m tests.bench.settle [hosts [servers]]

Facts are made up: four zones, four flavors, some servers stopped, pinned to a zone, in groups, or
met by rules. Hosts are half full, of six makes and two releases of QEMU, their servers of four
shapes. Both ways are planned, and what of live migration would be tried. Seconds are of CPU, so
that a busy machine matters less; MB are the most that the process held. All of a plan, from the
disk on, has to be under 3 s and 400 MB, else this ends with 1.
"""

from __future__ import annotations

import gc
import json
import pickle
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import TypeVar

from migrate.cloud.settings import Settle
from migrate.computes import plan
from migrate.computes.estimates import Way
from migrate.computes.facts import (
    ComputeHost,
    Facts,
    Flavor,
    Group,
    Inventory,
    Kind,
    Provider,
    Server,
)
from migrate.computes.plan import SettlePlan
from migrate.computes.probing import combinations, telling
from migrate.computes.probing.facts import Platform, Seen, Shape

SECONDS, MEGABYTES = 3.0, 400
Made = TypeVar("Made")

ZONES = ("az1", "az2", "az3", "az4")
FLAVORS = (
    Flavor("small", 1, 2048, 10),
    Flavor("medium", 2, 4096, 20),
    Flavor("large", 4, 8192, 40),
    Flavor("fast", 4, 8192, 40, extra_specs={"trait:CUSTOM_FAST": "required"}),
)
CPU = frozenset({"HW_CPU_X86_AVX2", "HW_CPU_X86_SSE42"})
SHAPES = [
    json.dumps(one)
    for one in (
        ("pc-q35-10.0", "bios", "local file"),
        ("pc-q35-10.0", "efi", "local file"),
        ("pc-i440fx-7.2", "bios", "local file, volume rbd"),
        ("pc-q35-10.0", "bios", "volume rbd"),
    )
]
SETTLE = Settle.model_validate(
    {
        "rules": [
            {"tag": "fragile", "do": "stopStart"},
            {"metadata": "tier=batch", "do": "coldMigrate"},
            {"flavor": "huge", "do": "ask"},
            {"project": "lab", "zone": "az1", "do": "coldMigrate"},
        ],
        "canary": 2,
        "batch": 50,
    }
)


def servers_of(count: int, hosts: int) -> tuple[list[Server], list[dict[str, int]]]:
    """Servers, and what those on each host use."""
    chance = random.Random(13)
    groups = [Group(f"g{n}", "anti-affinity") for n in range(count // 100)]
    used = [{"VCPU": 0, "MEMORY_MB": 0, "DISK_GB": 0} for _ in range(hosts)]
    found = []
    for n in range(count):
        at = n % hosts
        flavor = FLAVORS[chance.choices((0, 1, 2, 3), (50, 30, 15, 5))[0] if at % 10 else 0]
        if flavor.name == "fast" and at % 3:
            flavor = FLAVORS[2]
        stopped = chance.random() < 0.1
        used[at]["VCPU"] += flavor.vcpus
        used[at]["MEMORY_MB"] += flavor.ram
        used[at]["DISK_GB"] += flavor.root
        found.append(
            Server(
                id=f"{n:032x}",
                name=f"server-{n}",
                project=f"project-{n % 500}",
                status="SHUTOFF" if stopped else "ACTIVE",
                task="",
                host=f"cmp{at:05}",
                flavor=flavor,
                kind=Kind.STOPPED if stopped else Kind.RUNNING,
                tags=("fragile",) if chance.random() < 0.01 else (),
                metadata={"tier": "batch"} if chance.random() < 0.05 else {},
                group=groups[n // 10 % len(groups)] if n % 20 < 10 and n // 20 % 5 == 0 else None,
                zone=ZONES[at % 4] if chance.random() < 0.2 else "",
            )
        )
    return found, used


def facts_of(hosts: int, servers: int) -> Facts:
    made, used = servers_of(servers, hosts)
    return Facts(
        hosts=tuple(
            ComputeHost(
                name=f"cmp{n:05}",
                zone=ZONES[n % 4],
                version=10_000_000 + n % 2,
                architecture="x86_64",
                vendor="Intel",
                providers=(
                    Provider(
                        uuid=f"{n:032x}",
                        root=f"{n:032x}",
                        inventories={
                            "VCPU": Inventory(32, ratio=4.0),
                            "MEMORY_MB": Inventory(160_000, 4096),
                            "DISK_GB": Inventory(1000),
                        },
                        usages=used[n],
                        traits=CPU | {"CUSTOM_FAST"} if n % 3 == 0 else CPU,
                    ),
                ),
            )
            for n in range(hosts)
        ),
        servers=tuple(made),
    )


def seen_of(facts: Facts) -> list[Seen]:
    """What hypervisors say of the same hosts; equal texts are not one, as those that are read."""
    running: dict[str, list[str]] = {host.name: [] for host in facts.hosts}
    for server in facts.servers:
        if server.kind is Kind.RUNNING:
            running[server.host].append(server.id)
    found = []
    for n, host in enumerate(facts.hosts):
        shapes = [Shape(*json.loads(one)) for one in SHAPES]
        found.append(
            Seen(
                host=host.name,
                zone=host.zone,
                open=True,
                platform=Platform("2025.1", f"10.0.{n % 2}", "11.3.0", f"Intel make {n // 4 % 6}"),
                shapes={one: shapes[int(one, 16) % 7 % 4] for one in running[host.name]},
                unready="" if n % 50 else "nothing listens on port 16509",
            )
        )
    return found


def probed(made: SettlePlan, seen: list[Seen]) -> int:
    """How many combinations would be tried; what is said of hosts is made too."""
    list(telling.findings(seen, made.hosts))
    return len(combinations.expected(seen, made.names, "2026.1"))


def timed(act: Callable[[], Made]) -> tuple[Made, float]:
    began = time.process_time()
    found = act()
    return found, time.process_time() - began


def main(hosts: int, servers: int) -> None:
    """Print lines for the facts and one for each way."""
    facts, making = timed(lambda: facts_of(hosts, servers))
    print(f"{hosts} hosts, {servers} servers: facts made in {making:.2f} s, {megabytes():.0f} MB")
    with tempfile.TemporaryFile() as kept:
        pickle.dump(facts, kept, pickle.HIGHEST_PROTOCOL)
        size = kept.tell() / 1e6
        kept.seek(0)
        del facts
        gc.disable()  # as the plan does
        facts, reading = timed(lambda: pickle.load(kept))
        gc.enable()
    print(f"  from the disk, {size:.0f} MB, in {reading:.2f} s, {megabytes():.0f} MB")
    names = {host.name for host in facts.hosts}
    seen = seen_of(facts)
    over = []
    for way in Way:
        made, seconds = timed(lambda: plan.make(facts, SETTLE, way, names))  # noqa: B023
        trips, more = timed(lambda: probed(made, seen))  # noqa: B023
        if reading + seconds + more > SECONDS or megabytes() > MEGABYTES:
            over.append(str(way))
        refused = sum(one.refused for one in made.hosts)
        moved = sum(1 for one in made.hosts for server in one.servers if server.to)
        print(
            f"  {way:10} {seconds:5.2f} s  {seconds / making:4.2f} times the facts  "
            f"{megabytes():4.0f} MB  {len(made.batches)} batches, {moved} moves, {refused} refused"
            f", {trips} live migrations to try, told in {more:.2f} s"
        )

    if over:
        sys.exit(f"over {SECONDS} s or {MEGABYTES} MB: {', '.join(over)}")


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:]]
    main(given[0] if given else 10_000, given[1] if given[1:] else 200_000)
