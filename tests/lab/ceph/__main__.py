"""python -m tests.lab.ceph up|status|reinstall|ssh|down: the Ceph rig from the command line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from infra.nspawn import ssh_command
from migrate.errors import MigrateError
from tests.lab.ceph import cluster, reinstall, whole
from tests.lab.ceph.settings import RIG
from tests.lab.stages import stage


def main() -> int:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.ceph", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="an old cluster with content (a no-op when healthy)")
    commands.add_parser("down", help="leave nothing of it on this host")
    commands.add_parser("status", help="say what is not well; exit 1 unless all is")
    anew = commands.add_parser("reinstall", help="a new root file system for an OSD host")
    anew.add_argument("host", metavar="HOST")
    anew.add_argument("address", metavar="ADDRESS")
    anew.add_argument("list", metavar="LIST", type=Path)
    inside = commands.add_parser("ssh", help="a shell, or a command, as root on a machine")
    inside.add_argument("machine")
    inside.add_argument("argv", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    match given.command:
        case "up":
            with stage("Ceph up"):
                whole.up(RIG)
        case "down":
            with stage("Ceph down"):
                whole.down(RIG)
        case "status":
            healthy = whole.is_healthy(RIG)
            print("healthy" if healthy else f"not healthy: {cluster.unclean(RIG)}")
            return 0 if healthy else 1
        case "reinstall":
            signal.signal(
                signal.SIGTERM, lambda *_: sys.exit(143)
            )  # what it has borrowed goes back
            with stage(f"{given.host} anew"):
                reinstall.answer(RIG, given.host, given.list)
        case "ssh":
            argv = [*ssh_command(RIG.home, RIG.addresses[given.machine]), *given.argv]
            os.execvp(argv[0], argv)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MigrateError as error:
        sys.exit(f"ceph: {error}")
