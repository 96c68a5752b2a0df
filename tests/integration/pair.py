"""Two small machines with MariaDB, sshd and systemd: a source with data, and an empty target.

The source runs two made-up services: `alpha` with two cells, and `beta`, whose password needs
percent-encoding. The target has a release of alpha's schema tool, with a real alembic, that can be
told to lie, to fail half-way, or to work.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from infra.nspawn import (
    Bridge,
    Machine,
    access,
    bridge,
    create,
    delete,
    layers,
    start,
    wait_for_ssh,
)
from migrate.cloud import Context, connect
from migrate.cloud.settings import CloudsFile, Settings, Source, Ssh, Target, VirtualIp
from migrate.cloud.settings import Machine as Listed
from migrate.services.base import Cells, Config, DatabaseUrl, Heads, Recipe, Tool

FILES = Path(__file__).with_name("files")
BRIDGE = Bridge(name="br-pair", address="10.73.0.1/24")
SOURCE, TARGET, CELL = "10.73.0.11", "10.73.0.12", "10.73.0.13"
VIRTUAL = "10.73.0.10"
PACKAGES = ("mariadb-server", "mariadb-backup", "python3-alembic", "python3-pymysql")

ALPHA = Recipe(
    project="alpha",
    user="alpha",
    databases=(
        DatabaseUrl(name="alpha_api", path="/etc/alpha/alpha.conf", section="api_database"),
        DatabaseUrl(name="alpha", path="/etc/alpha/alpha.conf", section="database"),
    ),
    cells=Cells(database="alpha_api", table="cell_mappings"),
    configs=(Config(path="/etc/alpha/alpha.conf"), Config(path="/etc/alpha/alpha.conf.d/*.conf")),
    sync=(
        Tool(argv=("alpha-manage", "api_db", "sync")),
        Tool(argv=("alpha-manage", "db", "sync"), each_cell=True),
    ),
    heads_prove_sync=True,
    heads=(
        Heads(database="alpha_api", scripts="alpha/api/versions"),
        Heads(database="alpha", scripts="alpha/main/versions", each_cell=True),
    ),
)
BETA = Recipe(
    project="beta",
    user="beta",
    databases=(DatabaseUrl(name="beta", path="/etc/beta/beta.conf", section="database"),),
    configs=(Config(path="/etc/beta/beta.conf"), Config(path="/etc/beta/beta.conf.d/*.conf")),
)


@contextmanager
def running(home: Path, older: Path | None = None, *, cell: bool = False) -> Iterator[Context]:
    """Both machines, filled; gone when the block ends. The source is on the layer *older*, if any.

    That has a MariaDB too. With a *cell* the source's main database is on a third machine.
    """
    layer = layers.packaged("pair", PACKAGES, layers.bare())
    new = (layer, layers.bare())
    machines = [
        Machine(name=name, address=address, bridge=BRIDGE, home=home, layers=below)
        for name, address, below in (
            ("pair-old", SOURCE, (older,) if older else new),
            ("pair-new", TARGET, new),
            *([("pair-cell", CELL, new)] if cell else []),
        )
    ]
    with layers.locked(Path("/run", f"{BRIDGE.name}.lock")):  # there is one pair on this host
        bridge.create(BRIDGE)
        try:
            for machine in machines:
                delete(machine)
                create(machine)
                start(machine)
            for machine in machines:
                wait_for_ssh(machine)
            context = _context(home, cell=cell)
            _fill(context)
            if cell:
                _part(context)
            yield context
        finally:
            for machine in machines:
                delete(machine)
            bridge.delete(BRIDGE)
            shutil.rmtree(home, ignore_errors=True)


def _context(home: Path, *, cell: bool) -> Context:
    settings = Settings(
        provider="existing",
        source=Source(
            release="2025.1",
            controllers=(Listed.model_validate({"name": "pair-old", "address": SOURCE}),),
            databases=(Listed.model_validate({"name": "pair-cell", "address": CELL}),) * cell,
            virtual_ips=(VirtualIp.model_validate({"address": VIRTUAL, "interface": "host0"}),),
        ),
        target=Target(
            release="2026.1",
            controllers=(Listed.model_validate({"name": "pair-new", "address": TARGET}),),
        ),
        ssh=Ssh(user="operator", key=access.key(home), known_hosts=access.known_hosts(home)),
        cloud=CloudsFile(name="pair"),
    )
    papers = home / "papers"
    papers.mkdir(mode=0o700, exist_ok=True)
    return replace(connect("pair", settings, papers, (ALPHA, BETA)))


def _fill(context: Context) -> None:
    source, target = context.source.controllers[0], context.target.controllers[0]
    for host in (source, target, *context.source.databases):
        host.shell(
            (FILES / "pair-machine.sh").read_text(), VIRTUAL, timeout=300
        )  # a database's first start
    source.run("mariadb", stdin=(FILES / "pair-source.sql").read_text(), timeout=120)
    target.write("/root/alpha.py", (FILES / "pair-alpha.py").read_text())
    target.shell((FILES / "pair-target.sh").read_text(), timeout=120)


def _part(context: Context) -> None:
    """alpha's main database, that of a cell, goes to the server of its own."""
    source, (server,) = context.source.tools, context.source.databases
    dump = source.run("mariadb-dump", "--routines", "--events", "--databases", "alpha")
    made = "".join(
        f"CREATE USER alpha@'{host}' IDENTIFIED BY 'pw-alpha';"
        f"GRANT ALL ON alpha.* TO alpha@'{host}';"
        for host in ("%", "localhost")
    )
    server.run("mariadb", stdin=made + dump, timeout=120)
    source.run("mariadb", stdin="DROP DATABASE alpha;")
    source.run("sed", "-i", f"s/@{VIRTUAL}/@{CELL}/", "/etc/alpha/alpha.conf.d/10-database.conf")
