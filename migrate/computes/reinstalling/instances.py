"""Where servers' disks lie on a compute host, as its own nova.conf says."""

from dataclasses import dataclass

from migrate.cloud.host import Host
from migrate.cloud.values import Values
from migrate.computes import service
from migrate.computes.reinstalling.kept import INSTANCES
from migrate.onhost import call

FILES = ["/etc/nova/nova.conf", "/etc/nova/nova-compute.conf"]
STATE = "/var/lib/nova"
FOLDERS = ("default", "flat", "qcow2", "raw")  # values of images_type by which it is a directory
SHARED = ("rbd",)  # not on the host at all


@dataclass(frozen=True, slots=True)
class Place:
    """`why` says why no directory of the host outlasts it, "" where one may."""

    path: str
    why: str = ""
    shared: bool = False


def read(host: Host) -> Place:
    """By the files that nova-compute reads there; PreconditionError where that cannot be known."""
    told = call(host, "hypervisor.settings", service.BINARY, FILES)
    values = Values(told["texts"], {"state_path": STATE, **told["given"]})
    default = INSTANCES.replace(STATE, values.get("DEFAULT", "state_path") or STATE)
    path = values.get("DEFAULT", "instances_path") or default
    kind = values.get("libvirt", "images_type") or FOLDERS[0]
    if kind in FOLDERS:
        return Place(path.rstrip("/"))
    why = f"servers' disks lie in no directory there (nova.conf has [libvirt] images_type = {kind})"
    return Place(path.rstrip("/"), why, kind in SHARED)
