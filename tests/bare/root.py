"""A bare Debian 12 with make, git and python3 beside this host: a root, and a network of its own.

Its network is its own so that a lab in it does not meet the lab of this host.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.nspawn import Bridge, bridge, layers, process
from infra.nspawn.command import attempt, run

CHECKOUT = Path(__file__).parents[2]
ENTER = Path(__file__).with_name("enter.sh")
PACKAGES = "ca-certificates,git,make,python3"  # what the README takes for granted
BRIDGE = Bridge(name="br-bare", address="10.76.0.1/24")
ADDRESS, SPACE = "10.76.0.2/24", "sidestep-bare"


@dataclass(frozen=True, slots=True)
class BareRoot:
    """`run` runs commands in it, each with mounts and processes that end with it."""

    folder: Path

    def run(self, command: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """*command* by bash in the home of root; status and all that it printed as `stdout`."""
        return subprocess.run(
            [
                "unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private",
                "bash", str(ENTER), str(layer()), str(self.folder), str(layers.cache()),
                str(CHECKOUT), SPACE, f"cd; {command}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=seconds,
        )  # fmt: skip

    def well(self, command: str, seconds: float = 600) -> str:
        """What *command* printed; it must succeed."""
        ended = self.run(command, seconds)
        assert ended.returncode == 0, ended.stdout[-3000:]
        return ended.stdout


def layer() -> Path:
    """Debian 12 as small as it comes, with what the README takes for granted."""
    return layers.cached("debian12", layers.digest(PACKAGES), _build)


def _build(target: Path) -> None:
    run(
        "mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(target),
        layers.mirror(), timeout=1800,
    )  # fmt: skip
    target.chmod(0o755)


@contextmanager
def bare_root(folder: Path) -> Iterator[BareRoot]:
    """A root on which nothing was done yet; it and its network are gone afterwards."""
    link = "h-bare"
    bridge.create(BRIDGE)
    inside = ("ip", "-n", SPACE)
    try:
        run("ip", "netns", "add", SPACE)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "host0", "netns", SPACE)
        run("ip", "link", "set", link, "master", BRIDGE.name, "up")
        run(*inside, "addr", "add", ADDRESS, "dev", "host0")
        run(*inside, "link", "set", "host0", "up")
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "route", "add", "default", "via", BRIDGE.address.partition("/")[0])
        yield BareRoot(folder)
    finally:
        process.kill_group("bare")
        attempt("ip", "netns", "del", SPACE)
        attempt("ip", "link", "del", link)
        bridge.delete(BRIDGE)
        shutil.rmtree(folder, ignore_errors=True)
