"""The lab's cloud on the target, under a load that goes on: one for each file.

With SIDESTEP_KEEP_LAB=1 it is left for the next of these sets, and one that was left as it was is
used again. `make lab-down` removes it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from migrate.computes import versions
from migrate.computes.probing import note
from migrate.engine import markers
from migrate.errors import MigrateError
from migrate.phases.session import context_of
from tests.lab import cloud, demo, identity, load, stack
from tests.lab.settings import lab as this_lab
from tests.settle import migrations


@pytest.fixture(scope="module", autouse=True)
def over() -> Iterator[None]:
    stays = bool(os.environ.get("SIDESTEP_KEEP_LAB"))
    if not (stays and untouched()):
        demo.remove_cut_off(this_lab())  # or one that has finished for good
        demo.over(this_lab())
    load.start(this_lab())
    try:
        yield
    finally:
        if not stays:
            clear()


def untouched() -> bool:
    """Whether the cloud serves on the target, and no compute host has come over; else says why.

    A set that failed may have left one closed, or servers off.
    """
    try:
        context = context_of(demo.STACK)
        old, live = versions.read(context).old, markers.live(context)
        why = f"hosts of the old release: {', '.join(map(str, old)) or 'none'}, live: {live}"
        if live and len(old) == len(this_lab().computes) and not (why := ", ".join(unwell())):
            migrations.remove(this_lab())
            note.forget(context)  # what was tried is not tried again
            return True
    except (MigrateError, SDKException, ClientException) as error:
        why = str(error)
    print(f"the lab is built anew. {why}")
    return False


def unwell() -> list[str]:
    """Compute hosts that take no servers, and addresses of servers that do not answer."""
    rows = identity.connect(this_lab()).compute.services(binary="nova-compute")
    hosts = [one.host for one in rows if (one.status, one.state) != ("enabled", "up")]
    ping = ("ping", "-qc3", "-W2")
    return hosts + [
        address
        for address in load.addresses(this_lab())
        if subprocess.run([*ping, address], capture_output=True, check=False).returncode
    ]


def clear() -> None:
    """Nothing of the lab, the load, or the stack is left."""
    cloud.down(this_lab())
    stack.forget()
