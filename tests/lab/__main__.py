"""python -m tests.lab up|content|load|status|reinstall|boot|ssh|down: the lab by hand."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from infra.nspawn import ssh_command
from migrate.errors import MigrateError
from tests.lab import cloud, content, host, load, outages, reinstall, stack
from tests.lab.settings import lab as this_lab
from tests.lab.stages import stage


def main() -> int:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="source cloud and its content (a no-op when healthy)")
    commands.add_parser("content", help="make its content through the APIs, once")
    commands.add_parser("down", help="leave nothing of it on this host")
    commands.add_parser("status", help="say what answers; exit 1 unless all does")
    commands.add_parser("packages", help="install what the lab needs on this host")
    loading = commands.add_parser("load", help="calls and pings, recorded, as a process of its own")
    loading.add_argument("verb", choices=["start", "stop", "show"])
    anew = commands.add_parser("reinstall", help="a new root file system for a compute host")
    anew.add_argument("host", metavar="HOST")
    anew.add_argument("address", metavar="ADDRESS")
    anew.add_argument("list", metavar="LIST", type=Path)
    again = commands.add_parser("boot", help="power a compute host off and on")
    again.add_argument("host", metavar="HOST")
    again.add_argument("address", metavar="ADDRESS", nargs="?")
    inside = commands.add_parser("ssh", help="a shell, or a command, as root on a machine")
    inside.add_argument("machine")
    inside.add_argument("argv", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    lab = this_lab()
    match given.command:
        case "up":
            with stage("lab up"):
                cloud.stand_up(lab)
        case "content":
            with stage("content"):
                content.make(lab)
        case "down":
            with stage("lab down"):
                cloud.down(lab)
                stack.forget(stack.name(lab))
        case "load":
            _load(given.verb)
        case "packages":
            print("installed:", *(host.install_packages() or ["nothing was missing"]))
        case "status":
            return _status()
        case "reinstall":
            signal.signal(
                signal.SIGTERM, lambda *_: sys.exit(143)
            )  # what it has borrowed goes back
            with stage(f"{given.host} anew"):
                reinstall.make(lab, given.host, given.list)
        case "boot":
            with stage(f"{given.host} boots"):
                reinstall.boot(lab, given.host)
        case "ssh":
            argv = [*ssh_command(lab.home, lab.addresses[given.machine]), *given.argv]
            os.execvp(argv[0], argv)
    return 0


def _status() -> int:
    lab = this_lab()
    healthy = cloud.is_healthy(lab)
    print("healthy" if healthy else "not healthy", "silent:", cloud.silent_apis(lab) or "none")
    return 0 if healthy else 1


def _load(verb: str) -> None:
    lab = this_lab()
    if verb == "start":
        load.start(lab)
    elif verb == "stop":
        load.stop(lab)
    print(*outages.table(lab), sep="\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MigrateError as error:
        sys.exit(f"lab: {error}")
