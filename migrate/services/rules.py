"""What a release's metadata cannot tell of a service's options. Data.

Settings of this program, groups whose names operators choose, remedies. Every setting says why, and
where that is known from.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol, Self


class Readable(Protocol):
    """A file of options."""

    def get(self, section: str, name: str) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """An option that this program decides on, whatever the source says; `why` stands beside it.

    In `value` {compute_alias} is the source's release as nova's [upgrade_levels] knows it, {tools}
    the folder of the release's programs, {source_name} the controller's name. It counts from
    `release` on.
    """

    file: str
    section: str
    option: str
    value: str
    why: str
    source: str
    release: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Groups that the operator names in option `listed`; their options are those of `like`."""

    listed: str
    like: str
    always: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Options known to be gone, with what replaces them: reported, but nothing to worry about."""

    section: str
    options: tuple[str, ...]  # "*" for all of the section
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendHost:
    """A back end's own `host`: part of every volume's identity ("ctl-old@nfs1"), so it is kept.

    `used` gives each that is in the database {d}, and of how many volumes.
    """

    file: str
    listed: str  # the option that lists the back ends
    option: str
    fallback: str
    used: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a service's options are translated where the release's own metadata is not enough."""

    settings: tuple[Setting, ...] = ()
    dynamic: tuple[Groups, ...] = ()
    auth_groups: tuple[str, ...] = ()  # with authentication options that no generator lists
    identity: tuple[str, ...] = ()  # an address there is part of an identity: left as it is
    own_host: bool = False  # `host` is the name of a record that each controller has for itself
    gone: tuple[Gone, ...] = ()
    backend_host: BackendHost | None = None

    def on_target(self, values: dict[str, str], release: str) -> Self:
        """These rules on a target of *release*, with *values* put into them."""
        settings = tuple(
            replace(one, value=one.value.format_map(values))
            for one in self.settings
            if release >= one.release
        )
        return replace(self, settings=settings, gone=(LOGS, *self.gone))

    def remedy(self, section: str, name: str) -> str:
        """What replaces an option known to be gone, or nothing."""
        for one in self.gone:
            if one.section == section and (name in one.options or "*" in one.options):
                return one.remedy
        return ""

    def groups(self, files: Iterable[Readable]) -> dict[str, str]:
        """Groups that the operator named in *files*, each with the group that tells its options."""
        found: dict[str, str] = {}
        for one in self.dynamic:
            names = list(one.always)
            for file in files:
                listed = file.get("DEFAULT", one.listed) or ""
                names += [part.partition(":")[0].strip() for part in listed.split(",")]
            found |= {name.lower(): one.like for name in names if name}
        return found


UWSGI = "uwsgi serves the API now, see its file below /etc/sidestep"
# of every service
LOGS = Gone(
    section="DEFAULT",
    options=("watch_log_file",),
    remedy="Nothing to do where logs are rotated by copying, otherwise restart services after it",
)
