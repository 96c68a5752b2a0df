"""What a server asks of its host, and what stands against moving it while it runs."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from migrate.computes.facts import Flavor

RESOURCES = re.compile(r"resources\w*:(\w+)")
TRAITS = re.compile(r"trait\w*:(\w+)")
# types of ports that nova plugs anew where their server arrives; any other stays with its card
MOVING = {"direct", "macvtap", "vdpa", "virtio-forwarder"}
SECURE_BOOT = "COMPUTE_SECURITY_UEFI_SECURE_BOOT"
AGGREGATE = "aggregate_instance_extra_specs:"


@dataclass(frozen=True, slots=True, eq=False)
class Needs:
    """What placement and the scheduler's filters ask for a flavor.

    `amounts` are by resource class, e.g. (("VCPU", 2), ("MEMORY_MB", 2048)). `labels` are keys
    and values that an aggregate of the host must have.
    """

    amounts: tuple[tuple[str, int], ...]
    required: frozenset[str]
    forbidden: frozenset[str]
    labels: frozenset[tuple[str, str]]


def of(flavor: Flavor, *, volume_booted: bool) -> Needs:
    """As nova makes them of a flavor; a server that boots from a volume has no root disk."""
    specs = flavor.extra_specs
    disk = flavor.ephemeral + -(-flavor.swap // 1024) + (0 if volume_booted else flavor.root)
    amounts = {"MEMORY_MB": flavor.ram, "DISK_GB": disk, **_cpus(flavor)}
    for key, value in specs.items():
        if found := RESOURCES.fullmatch(key):
            amounts[found[1]] = int(value)
    traits = {found[1]: v for key, v in specs.items() if (found := TRAITS.fullmatch(key))}
    if specs.get("os:secure_boot") == "required":
        traits[SECURE_BOOT] = "required"
    return Needs(
        amounts=tuple(sorted((name, amount) for name, amount in amounts.items() if amount)),
        required=frozenset(name for name, value in traits.items() if value == "required"),
        forbidden=frozenset(name for name, value in traits.items() if value == "forbidden"),
        labels=frozenset(
            (key.removeprefix(AGGREGATE), value)
            for key, value in specs.items()
            if key.startswith(AGGREGATE)
        ),
    )


def _cpus(flavor: Flavor) -> dict[str, int]:
    """With mixed CPUs both kinds count whole: how many are pinned stands in a mask."""
    policy = flavor.extra_specs.get("hw:cpu_policy", "shared")
    return {
        "VCPU": 0 if policy == "dedicated" else flavor.vcpus,
        "PCPU": flavor.vcpus if policy in ("dedicated", "mixed") else 0,
    }


def obstacle(flavor: Flavor, cards: Collection[str] = ()) -> str:
    """Why no server of *flavor*, with ports on *cards* of such types, can be live-migrated; ""
    where nothing is known against it.
    """
    specs = flavor.extra_specs
    if fixed := sorted(set(cards) - MOVING):
        return f"it has a port of type {', '.join(fixed)}, which nova does not move while it runs"
    if alias := specs.get("pci_passthrough:alias"):
        return f"it has PCI devices passed through ({alias})"
    if any((found := RESOURCES.fullmatch(key)) and "VGPU" in found[1] for key in specs):
        return "it has a vGPU"
    if specs.get("hw:mem_encryption", "").lower() in ("true", "1"):
        return "its memory is encrypted"
    if has_tpm(flavor):
        return "it has a TPM"
    return ""


def has_tpm(flavor: Flavor) -> bool:
    """Whether servers of *flavor* have a TPM, which lies in libvirt's folder, not with disks."""
    return "hw:tpm_version" in flavor.extra_specs


def doubt(flavor: Flavor, cards: Collection[str] = ()) -> str:
    """What no API tells about a destination for *flavor*, or for ports on *cards* of such types;
    nova looks, and refuses unharmed.
    """
    specs = flavor.extra_specs
    found = [
        *(["pinned CPUs"] * (specs.get("hw:cpu_policy") in ("dedicated", "mixed"))),
        *(["NUMA cells"] * ("hw:numa_nodes" in specs)),
        *(["hugepages"] * (specs.get("hw:mem_page_size", "small") not in ("small", "any"))),
        *(["PCI devices"] * ("pci_passthrough:alias" in specs)),
        *([f"cards for its ports ({', '.join(sorted(set(cards)))})"] * bool(cards)),
    ]
    told = [
        *([f"whether a host has {', '.join(found)} free is told by no API"] * bool(found)),
        *(["what its image asks for is not known"] * (not flavor.image_known)),
    ]
    return "; ".join(told)
