"""Where servers' disks lie on a compute host, and keys to move them by, as its nova.conf says."""

from dataclasses import dataclass

from migrate.cloud.host import Host
from migrate.cloud.values import Values
from migrate.computes import service
from migrate.computes.reinstalling.kept import INSTANCES
from migrate.onhost import call, hypervisor

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
    values = _values(host)
    default = INSTANCES.replace(STATE, values.get("DEFAULT", "state_path") or STATE)
    path = values.get("DEFAULT", "instances_path") or default
    kind = values.get("libvirt", "images_type") or FOLDERS[0]
    if kind in FOLDERS:
        return Place(path.rstrip("/"))
    why = f"servers' disks lie in no directory there (nova.conf has [libvirt] images_type = {kind})"
    return Place(path.rstrip("/"), why, kind in SHARED)


def ceph_conf(host: Host) -> dict[str, str]:
    """The ceph.conf that nova names there for disks on RBD, by the same files, with who reads it;
    nothing for the usual: {"/etc/ceph/disks.conf": "nova"}.
    """
    values = _values(host)
    on_rbd = (values.get("libvirt", "images_type") or "") in SHARED
    path = (values.get("libvirt", "images_rbd_ceph_conf") or "").strip()
    return {path: "nova"} if on_rbd and path else {}


def keys(host: Host) -> list[str]:
    """Files of keys by which nova there has servers go to other hosts, by the same files."""
    return hypervisor.KEY.findall(_values(host).get("libvirt", "live_migration_uri") or "")


def _values(host: Host) -> Values:
    told = call(host, "hypervisor.settings", service.BINARY, FILES)
    return Values(told["texts"], {"state_path": STATE, **told["given"]})
