"""OpenStack's releases: which may follow which, and which one a package is of. Data: releases.yaml.

A hop goes to the next release, or from a SLURP release to the next SLURP release; nothing else is
supported upstream. Nothing in the database tools stops a longer hop, so it is refused here.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise

import yaml

from migrate.errors import PreconditionError
from migrate.services import chosen


@dataclass(frozen=True, slots=True)
class Release:
    """One series; which versions are of it, the recipes say."""

    id: str  # "2025.1"
    name: str  # "epoxy"
    slurp: bool
    compute_rpc: str | None  # what `name` means as nova's [upgrade_levels] compute
    oldest_compute: str | None  # name of the oldest release whose nova-compute it accepts
    compute_level: int | None  # nova's SERVICE_VERSION, which its computes' records have


@cache
def known() -> tuple[Release, ...]:
    """All releases, oldest first."""
    document = yaml.safe_load(files(__package__).joinpath("releases.yaml").read_text())
    return tuple(Release(**row) for row in document["releases"])


def release(id_: str) -> Release:
    """The release with that id; raises PreconditionError naming the known ones."""
    found = next((one for one in known() if one.id == id_), None)
    if found is None:
        ids = ", ".join(one.id for one in known())
        raise PreconditionError(f"release {id_!r} is not known; there are: {ids}")
    return found


def hops(id_: str) -> tuple[str, ...]:
    """Where one legal hop from *id_* leads: the next release, and from SLURP the next SLURP."""
    origin = release(id_)
    later = known()[known().index(origin) + 1 :]
    reached = [one.id for one in later[:1]]
    if origin.slurp:
        reached += [one.id for one in [one for one in later if one.slurp][:1]]
    return tuple(dict.fromkeys(reached))


def path(source: str, target: str) -> tuple[str, ...]:
    """The fewest legal hops from *source* to *target*, both named; empty where there is none."""
    release(target)
    paths: list[tuple[str, ...]] = [(release(source).id,)]
    while paths:
        if reached := [one for one in paths if one[-1] == target]:
            return reached[0]
        paths = [(*one, step) for one in paths for step in hops(one[-1])]
    return ()


def require_legal(source: str, target: str) -> None:
    """Raise PreconditionError unless one hop leads from *source* to *target*."""
    if source == target:
        raise PreconditionError(f"source and target are both {source}: there is nothing to upgrade")
    way = path(source, target)
    if not way:
        raise PreconditionError(f"{source} to {target} goes back; only newer releases can follow")
    if len(way) > 2:
        legs = ", then ".join(f"{a} to {b}" for a, b in pairwise(way))
        raise PreconditionError(
            f"{source} to {target} skips releases; go {legs} (one side-by-side move each)"
        )


def compute_alias(id_: str) -> str:
    """The value of nova's `[upgrade_levels] compute` with which computes of *id_* still work."""
    found = release(id_)
    if found.compute_rpc is None:
        raise PreconditionError(f"the compute RPC version of {id_} is not known to releases.yaml")
    return found.name


def of_version(project: str, version: str) -> str | None:
    """The id of the release that *version* of *project* belongs to, None where unknown.

    *version* may be a package's, with epoch and suffix: `2:31.0.0-6+deb13u2` is nova of 2025.1.
    """
    numbers = version.rpartition(":")[2].split(".")
    try:
        found = int(numbers[0]), int("".join(filter(str.isdigit, numbers[1][:2])))
    except (ValueError, IndexError):
        return None
    spans = {release: span for one in chosen((project,)) for release, span in one.versions.items()}
    for release, span in spans.items():
        first, _, last = span.partition("-")
        least, most = _parts(first), _parts(last or first)
        if least <= found[: len(least)] <= most:
            return release
    return None


def _parts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
