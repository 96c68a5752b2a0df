"""Machines on this host, made of overlay layers by systemd-nspawn.

bridge = Bridge(name="br-x", address="10.9.0.1/24")
machine = Machine(name="ctl-new", address="10.9.0.12", bridge=bridge, home=Path("/var/lib/x"),
                  layers=(layers.bare(),))
create(machine); start(machine); wait_for_ssh(machine)
...
delete(machine)
"""

from infra.nspawn import access, bridge, layers
from infra.nspawn.access import key, known_hosts, ssh_command
from infra.nspawn.bridge import Bridge
from infra.nspawn.machine import (
    Machine,
    create,
    delete,
    exists,
    is_running,
    is_running_in,
    left_in,
    remove,
    start,
    stop,
    unmount,
    wait_for_ssh,
)

__all__ = [
    "Bridge",
    "Machine",
    "access",
    "bridge",
    "create",
    "delete",
    "exists",
    "is_running",
    "is_running_in",
    "key",
    "known_hosts",
    "layers",
    "left_in",
    "remove",
    "ssh_command",
    "start",
    "stop",
    "unmount",
    "wait_for_ssh",
]
