"""mariadb-backup on the rig's source, or not: the rig is made without it there."""

import shlex
import subprocess

from infra.nspawn import ssh_command
from migrate.cloud import Context
from migrate.database.replication import server_copy
from tests.lab.rig import rig

PATH = "/usr/bin/mariadb-backup"


def give(context: Context) -> None:
    """As the operator's package would bring it; the target's server is of the same."""
    source, target = (
        shlex.join(ssh_command(rig().home, one.database.address))
        for one in (context.source, context.target)
    )
    put = shlex.quote(f"cat >{PATH}; chmod 0755 {PATH}")
    pipe = f"{target} cat {PATH} | {source} {put}"
    subprocess.run(["bash", "-o", "pipefail", "-c", pipe], check=True)
    if why := server_copy.why_not(context):
        raise RuntimeError(why)


def take_away(context: Context) -> None:
    context.source.database.run("rm", "-f", PATH)
