"""What a machine of the target is given for a service: units, and files of the release. Data."""

from dataclasses import KW_ONLY, dataclass

from migrate.services.rules import Setting

UNSAID = "its recipe does not say that it does nothing but answer"


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of the target, made disabled.

    With a `port` an API under uwsgi on the controller's own address (HAProxy holds the virtual
    IP's), whose program is `module`; `uwsgi` are more lines of its file, where {webroot} is the
    dashboard's. Otherwise `command`, a program of the release, where {log} names its log.

    `preload` is what it imports only after it has read its configuration: it can be started before
    the window and wait at that point. None where it cannot; a name that a release does not have is
    passed over.

    `no_shadow` says why it is never started on a clone of the data, to be asked; "" of an API that
    does nothing but answer.
    """

    name: str
    _: KW_ONLY
    port: int | None = None
    module: str = ""
    command: str = ""
    threads: int = 4
    processes: int = 1
    data_plane: bool = False  # it carries tenants' traffic
    kill: str = "mixed"  # some APIs hang in stop when only their master is told
    uwsgi: tuple[str, ...] = ()
    preload: tuple[str, ...] | None = None
    no_shadow: str = UNSAID
    user: str = ""  # whose it is; filled in where all are put together

    @property
    def unit(self) -> str:
        """The name that systemd knows it by."""
        return f"{self.name}.service"


@dataclass(frozen=True, slots=True)
class Shipped:
    """A file or folder that the release has below its own `etc`, put to the same place in /etc."""

    path: str  # "nova/api-paste.ini"
    to: str = ""  # where that differs

    @property
    def place(self) -> str:
        """Where it is put, below /etc."""
        return self.to or self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class HostUnit:
    """A unit of a host that the target's release can take over beside the host's packages.

    Its program has the unit's name. `settings` go to a file of ours, `overlay`, that it reads after
    the host's own; in a value {files} are all files that it reads, as arguments. `rights` are
    commands that its user may run as root; `kill` says who ends when it stops, as for `Unit`.
    """

    name: str
    overlay: str  # "/etc/nova/sidestep.conf"
    settings: tuple[Setting, ...] = ()
    rights: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    rootwrap: Shipped | None = None  # the release's rights of rootwrap, under a name of ours
    kill: str = "mixed"

    @property
    def unit(self) -> str:
        """The name that systemd knows it by."""
        return f"{self.name}.service"
