"""The rig: MariaDB, keystone and glance in two small machines, ready again within seconds.

    python -m tests.lab.rig reset|down

`rig-old` is a source with data in it, `rig-new` a target as `pulumi up` leaves it. Each is a
snapshot in the cache; a reset throws the machines away and boots them again from it. `Apart` is the
same with the source's databases on a third machine, `rig-db`, or on more, `rig-db2`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from inspect import getsource
from pathlib import Path
from typing import Any

import pytest

from infra import nspawn
from infra.controller import PARTS, Place
from infra.controller import venv as releases
from infra.nspawn import Machine, access, bridge, layers
from infra.resources.container import layers_of
from migrate.cloud import Context, connect
from migrate.cloud.host import SshHost
from migrate.cloud.settings import Settings
from migrate.configuration import options
from migrate.errors import MigrateError
from migrate.services import chosen
from tests.lab import cloud, configuration, identity, packages, prepared
from tests.lab.remote import script, ssh
from tests.lab.settings import Lab
from tests.lab.stages import stage

RELEASE = "2026.1"
RIG = Lab(
    home=Path("/var/lib/sidestep/rig"),
    bridge="br-rig",
    prefix="10.78.0",
    controller="rig-old",
    computes=(),
    target="rig-new",
    services=("keystone", "glance"),
)


APART = "SIDESTEP_RIG_APART"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart(Lab):
    """A rig whose source has its databases on hosts of their own."""

    servers: int = 1

    @property
    def databases(self) -> tuple[str, ...]:
        name = self.controller.replace("-old", "-db")
        return (name, *(f"{name}{number + 1}" for number in range(1, self.servers)))

    @property
    def addresses(self) -> dict[str, str]:
        # a class with slots is another than its body's, which super() means without arguments
        found = super(Apart, self).addresses
        return found | {one: f"{self.prefix}.{13 + i}" for i, one in enumerate(self.databases)}


def rig() -> Lab:
    """The rig of this host; `SIDESTEP_RIG=2` is a second one, which runs beside the first."""
    number = os.environ.get("SIDESTEP_RIG", "")
    named = RIG
    if number:
        named = replace(
            RIG,
            home=Path(f"{RIG.home}{number}"),
            bridge=f"{RIG.bridge}{number}",
            prefix=f"10.78.{int(number)}",
            controller=f"rig{number}-old",
            target=f"rig{number}-new",
        )
    apart = int(os.environ.get(APART) or 0)
    return Apart(**_shared(named), servers=apart) if apart else named


def _shared(this: Lab) -> dict[str, Any]:
    return {one.name: getattr(this, one.name) for one in fields(Lab)}


def _plain(this: Lab) -> Lab:
    """What the snapshots are made by, whether the database stands apart or not."""
    return Lab(**_shared(this))


class Rig:
    """The rig as tests use it: `context` for steps and checks, `reset` to have it as new."""

    context: Context
    touched = False  # what tests have changed since it was as new is theirs to say

    def __init__(self, papers: Path) -> None:
        self._papers, self._resets = papers, 0
        self._held = ExitStack()  # one user at a time: another's reset would end our machines
        self._held.enter_context(layers.locked(Path("/run", f"{rig().bridge}.user")))

    def reset(self, *, bare: bool = False) -> None:
        """Both machines as new, the source serving, nothing in the papers.

        A *bare* target is Debian as it came from the rack, with ssh and nothing else.
        """
        reset(rig(), target=not bare)
        if bare:
            _boot(_racked(rig()))
        self._resets += 1
        self.context = self._context()

    def down(self) -> None:
        """Leave nothing of it on this host, and let the next one use it."""
        down(rig())
        self._held.close()

    def _context(self) -> Context:
        this = rig()
        given = {name.removeprefix("sidestep:"): value for name, value in stack(this).items()}
        papers = self._papers / str(self._resets)
        papers.mkdir(mode=0o700)
        settings = Settings.model_validate(given)
        return connect("rig", settings, papers, chosen(settings.services))


@contextmanager
def using(papers: Path, number: str = "", *, bare: bool = False, apart: int = 0) -> Iterator[Rig]:
    """The rig as new, for one folder of tests; afterwards nothing of it is on this host.

    It is the rig that SIDESTEP_RIG names, else that of this *number*; *bare* as for `Rig.reset`,
    *apart* with the source's databases on so many hosts of their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIDESTEP_RIG", os.environ.get("SIDESTEP_RIG") or number)
        patch.setenv(APART, str(apart))
        made = Rig(papers)
        try:
            made.reset(bare=bare)
            yield made
        finally:
            made.down()


def reset(this: Lab = RIG, *, target: bool = True) -> None:
    """Both machines as new, the source serving; snapshots are made when the cache has none."""
    access.prepare(this.home)
    machines = [_source(this)] + ([_target(this)] if target else [])
    if isinstance(this, Apart):
        machines += [database(this, one) for one in this.databases]
    bridge.create(this.host_bridge)
    identity.write_clouds(this, {"admin": "admin", "demo": "demo"})
    with ThreadPoolExecutor() as pool:
        list(pool.map(_boot, machines))
    if target:
        script(this, this.target, "systemctl start mariadb rabbitmq-server")  # waits until they are
    _wait(this)
    if isinstance(this, Apart):
        _part(this)
        _wait(this)


def down(this: Lab = RIG) -> None:
    """Leave nothing of the rig on this host but its cached snapshots."""
    cloud.down(this)


def stack(this: Lab = RIG) -> dict[str, Any]:
    """The stack file's `config` for the rig, with machines that stand already."""
    addresses = this.addresses
    apart = this.databases if isinstance(this, Apart) else ()
    settings = {
        "provider": "existing",
        "source": {
            "release": "2025.1",
            "controllers": [{"name": this.controller, "address": addresses[this.controller]}],
            "databases": [{"name": one, "address": addresses[one]} for one in apart],
            "virtualIps": [{"address": this.vip, "interface": "host0", "prefix": 32}],
        },
        "target": {
            "release": RELEASE,
            "controllers": [{"name": this.target, "address": addresses[this.target]}],
        },
        "ssh": {
            "user": "operator",
            "key": str(access.key(this.home)),
            "knownHosts": str(access.known_hosts(this.home)),
        },
        "cloud": {"name": "lab-admin", "file": str(this.home / "clouds.yaml")},
        "services": list(this.services),
        "backup": f"file://{this.home}/backup",
    }
    return {f"sidestep:{name}": value for name, value in settings.items()}


def _boot(machine: Machine) -> None:
    nspawn.delete(machine)
    nspawn.create(machine)
    nspawn.start(machine)
    nspawn.wait_for_ssh(machine)


def _wait(this: Lab, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while silent := cloud.silent_apis(this):
        if time.monotonic() > deadline:
            raise MigrateError(f"the rig does not answer: {', '.join(silent)}")
        time.sleep(0.1)


def _source(this: Lab) -> Machine:
    below, plain = packages.small(), _plain(this)
    machine = prepared.machine_on(plain, this.controller, below)
    key = layers.digest(below.name, *prepared.basis(plain), getsource(_fill), getsource(_content))
    top = prepared.snapshot("rig-old", key, plain, machine, lambda made: _fill(plain, made))
    return prepared.machine_on(this, this.controller, top, below)


def _fill(this: Lab, machine: Machine) -> None:
    """A prepared source, with people and images in it."""
    prepared.prepare(this, machine, halt_after=False)
    start = configuration.rendered(this, this.controller, "start-controller.sh")
    script(this, this.controller, start)
    _wait(this)
    with stage("rig: content"):
        _content(this)
    prepared.halt(this, this.controller)


def _content(this: Lab) -> None:
    admin = identity.wait_for_keystone(this)
    keystone = admin.identity
    project = keystone.create_project(name="demo", domain_id="default")
    member = keystone.find_role("member")
    for name in ("demo", "Ünal O'Brien"):
        user = keystone.create_user(name=name, password=this.password(name), domain_id="default")
        keystone.assign_project_role_to_user(project, user, member)
    demo = identity.connect(this, "demo", "demo")
    for name, size in (("small", 1000), ("Näme with 'quotes'", 200_003), ("large", 9_000_000)):
        demo.image.create_image(
            name=name,
            disk_format="raw",
            container_format="bare",
            data=name.encode() * (size // len(name.encode())),
            allow_duplicates=True,
            my_property="a = b; #c",
        )
    demo.image.create_image(name="queued", disk_format="raw", container_format="bare")


def database(this: Apart, name: str) -> Machine:
    """The machine *name* for a database, with an empty MariaDB."""
    return prepared.machine_on(this, name, packages.database())


def _part(this: Apart) -> None:
    """The source's data moves to its databases' hosts, and its controller has no server any more.

    One service names its host by the address, the other by the name. Each server logs in a domain
    of its own.
    """
    name = "controller/etc/mysql/mariadb.conf.d/99-lab.cnf"
    config = configuration.rendered(this, this.controller, name)
    script(this, this.controller, "systemctl stop keystone glance-api")
    held = {one: this.databases[n % this.servers] for n, one in enumerate(this.services)}
    for number, server in enumerate(this.databases):
        users = {
            one: this.password(f"db {one}").replace("'", "''")
            for one in this.services
            if held[one] == server
        }
        made = "".join(
            f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}';"
            f"GRANT ALL ON {user}.* TO '{user}'@'%';"
            for user, password in users.items()
        )
        asked = f"mariadb-dump --single-transaction --databases {' '.join(users)}"
        dump = script(this, this.controller, asked)
        own = f"{config}\nserver_id = {11 + 2 * number}\ngtid_domain_id = {number}"
        start = f"cat > /etc/mysql/mariadb.conf.d/99-lab.cnf <<'END'\n{own}\nEND\n"
        script(this, server, f"set -e\n{start}systemctl restart mariadb")
        ssh(this, server, "mariadb", stdin=dump + made)
    address, named = this.addresses[held["keystone"]], held["glance"]
    script(
        this,
        this.controller,
        "set -e\nsystemctl disable -q --now mariadb\n"
        "DEBIAN_FRONTEND=noninteractive dpkg --remove --force-depends mariadb-server >/dev/null\n"
        "rm -rf /var/lib/mysql /etc/mysql/mariadb.conf.d/99-lab.cnf; systemctl daemon-reload\n"
        f"sed -i '/^connection/s/@{this.vip}/@{address}/' /etc/keystone/keystone.conf\n"
        f"sed -i '/^connection/s/@{this.vip}/@{named}/' /etc/glance/glance-api.conf\n"
        "systemctl start keystone glance-api",
    )


def _target(this: Lab) -> Machine:
    plain = _plain(this)
    described = {"warm": True, "release": RELEASE, "address": this.addresses[this.target]}
    below = layers_of(described)
    parts = "".join(path.read_text() for path in sorted(Path(releases.__file__).parent.glob("*.*")))
    place = _place(plain)
    made = str({name: part.wanted(place) for name, part in PARTS.items()})
    key = layers.digest(
        *(layer.name for layer in below),
        *(parts, made, getsource(_install), str(plain.addresses), this.vip),
    )
    machine = prepared.machine_on(plain, this.target, *below[:-1])
    top = prepared.snapshot("rig-new", key, plain, machine, lambda made: _install(plain, made))
    return prepared.machine_on(this, this.target, top, *below[:-1])


def _racked(this: Lab) -> Machine:
    wheels = layers.cache() / "uv"  # downloaded once; the hashes of the lock decide, not this
    wheels.mkdir(parents=True, exist_ok=True)
    machine = prepared.machine_on(this, this.target)
    return replace(machine, binds={wheels: "/var/cache/sidestep/uv"})


def _install(this: Lab, machine: Machine) -> None:
    """What Pulumi's resources do inside a machine, by the same parts."""
    nspawn.start(machine)
    nspawn.wait_for_ssh(machine)
    host = SshHost(
        machine.name,
        machine.address,
        user="operator",
        key=access.key(this.home),
        known_hosts=access.known_hosts(this.home),
    )
    for name, part in PARTS.items():
        with stage(f"rig-new: {name}"):
            part.apply(host, _place(this))
    with stage("rig-new: options"):  # kept with the release: the first command would work them out
        for one in chosen(this.services):
            options.installed(host, _place(this).installation, one.namespaces)
    prepared.halt(this, machine.name)


def _place(this: Lab) -> Place:
    return Place(release=RELEASE, address=this.addresses[this.target], virtual_ips=(this.vip,))


def main(verb: str) -> None:
    """`reset` or `down` from the command line, as soon as nobody else uses the rig."""
    with layers.locked(Path("/run", f"{rig().bridge}.user")):
        began = time.monotonic()
        reset(rig()) if verb == "reset" else down(rig())
    print(f"rig {verb}: {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1])
