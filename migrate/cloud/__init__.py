"""What a step is given: the two clouds, the settings, the state directory."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from migrate.cloud.admission import Run
from migrate.cloud.host import CONNECT_SECONDS, Host, SshHost
from migrate.cloud.installation import Installation, environment
from migrate.cloud.settings import Machine, Settings, Source, Target, VirtualIp
from migrate.services.base import Recipe


class Role:
    """The host of a cloud that does something alone: today the first controller, for each role."""

    def __get__(self, cloud: "Cloud", _: object) -> Host:
        return cloud.lead or cloud.controllers[0]


@dataclass(frozen=True, slots=True)
class Cloud:
    """One side. `release` is the OpenStack series, e.g. "2026.1"."""

    name: str  # "source" or "target"
    release: str
    controllers: tuple[Host, ...]
    computes: tuple[Host, ...]
    virtual_ips: tuple[VirtualIp, ...]
    dead: tuple[Host, ...] = ()  # of `core`, that do not answer on the way back; see `without`
    lead: Host | None = None
    network_hosts: tuple[Host, ...] = ()
    databases: tuple[Host, ...] = ()  # whose database servers are on hosts of their own
    writer: Host | None = None

    broker = Role()  # whose broker is asked and given accounts; a cluster shares them
    tools = Role()  # who runs the services' tools; its files say how the services are configured
    once = Role()  # who runs the units of which a cloud has one
    holder = Role()  # who carries the virtual IPs, and the proxy that users reach there
    asker = Role()  # who asks the network who answers for an address
    api = Role()  # at whose own address the APIs are asked, past the proxy

    @property
    def database(self) -> Host:
        """Whose database server takes the writes: a host of its own, or the first controller."""
        return self.writer or next(iter(self.databases), self.tools)

    @property
    def living(self) -> Host:
        """Any that lives, for what each of them can do."""
        return self.controllers[0]

    def without(self, names: Collection[str]) -> Self:
        """The same cloud, its hosts of *names* dead: who goes over `core` passes them.

        Roles stay whose they were: what stood there alone stands nowhere else.
        """
        return replace(
            self,
            controllers=tuple(host for host in self.controllers if host.name not in names),
            databases=tuple(host for host in self.databases if host.name not in names),
            dead=(*self.dead, *(host for host in self.core if host.name in names)),
            lead=self.tools,
            writer=self.database,
        )

    @property
    def core(self) -> tuple[Host, ...]:
        """On what the window acts: controllers, and database servers on hosts of their own."""
        return (*self.controllers, *self.databases)

    @property
    def of_services(self) -> tuple[Host, ...]:
        """Where units of OpenStack's run."""
        return (*self.controllers, *self.computes, *self.network_hosts)

    @property
    def hosts(self) -> tuple[Host, ...]:
        return (*self.of_services, *self.databases)


@dataclass(frozen=True, slots=True)
class Context:
    """Both clouds, what the operator decided, and `home`, the stack's state directory (0700)."""

    stack: str
    settings: Settings
    source: Cloud
    target: Cloud
    home: Path
    recipes: tuple[Recipe, ...] = ()
    run: Run | None = None  # the changing command at work; its hosts let nobody else in
    extras: dict[str, Any] = field(default_factory=dict)  # live connections, kept between steps
    storage: tuple[Host, ...] = ()  # hosts of Ceph's that are of neither cloud

    @property
    def dead_targets(self) -> frozenset[str]:
        """Names of the target controllers that are dead: the way back is walked without them."""
        return frozenset(host.name for host in self.target.dead)

    @property
    def installation(self) -> Installation:
        """How the target's release is installed on its controllers."""
        return environment(self.target.release)

    @property
    def optional(self) -> frozenset[str]:
        """Names of compute and network hosts: the way back goes on where one of them is dead."""
        return frozenset(host.name for host in (*self.source.computes, *self.source.network_hosts))

    def is_network_host(self, host: Host) -> bool:
        """Whether *host* carries network agents alone, by the stack file."""
        return any(host.name == one.name for one in self.source.network_hosts)

    @property
    def hosts(self) -> list[Host]:
        """Every host of both clouds and of their storage, once."""
        every = (*self.source.hosts, *self.target.hosts, *self.storage)
        return list({host.address: host for host in every}.values())

    def named(self, name: str) -> Host:
        """The host *name* of them, or a controller of that name that is dead."""
        sides = (self.source, self.target)
        every = (*self.source.hosts, *self.storage, *self.target.controllers)
        dead = (host for side in sides for host in side.dead)
        return next(host for host in (*every, *dead) if host.name == name)


def connect(
    stack: str,
    settings: Settings,
    home: Path,
    recipes: tuple[Recipe, ...],
    *,
    run: Run | None = None,
    patience: float = CONNECT_SECONDS,
) -> Context:
    """A context over ssh; nothing is contacted before it is asked something.

    What is started carries the mark of *run*. *patience* is how long a host may take to let us in.
    """

    def host(machine: Machine) -> Host:
        ssh = settings.ssh.model_dump()
        return SshHost(machine.name, str(machine.address), **ssh, run=run, patience=patience)

    computes = tuple(map(host, settings.source.computes))
    carriers = tuple(map(host, settings.source.network_hosts))

    def cloud(name: str, side: Source | Target) -> Cloud:
        controllers = tuple(map(host, side.controllers))
        ips = settings.source.virtual_ips
        own = tuple(map(host, side.databases)) if isinstance(side, Source) else ()
        return Cloud(
            name, side.release, controllers, computes, ips, network_hosts=carriers, databases=own
        )

    return Context(
        stack=stack,
        settings=settings,
        source=cloud("source", settings.source),
        target=cloud("target", settings.target),
        home=home,
        recipes=recipes,
        run=run,
        storage=tuple(map(host, settings.ceph.hosts)),
    )


def trusting(context: Context, host: Host, known_hosts: Path) -> Host:
    """*host* as a connection that knows the host keys of *known_hosts*, and no others."""
    ssh = context.settings.ssh.model_dump() | {"known_hosts": known_hosts}
    return SshHost(host.name, host.address, **ssh, run=context.run)


def apart(context: Context, patience: float = CONNECT_SECONDS) -> Context:
    """The same clouds by connections of their own, unmarked: to look at, or to end, what runs."""
    return connect(
        context.stack, context.settings, context.home, context.recipes, patience=patience
    )
