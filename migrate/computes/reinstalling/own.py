"""A fresh system is made the host that it was: packages, what was kept, units."""

from __future__ import annotations

from migrate.cloud import Context, apt, transfer, wait
from migrate.cloud.host import Host
from migrate.computes import units
from migrate.computes.reinstalling import anew, keeping, packages
from migrate.computes.reinstalling.keeping import Stage
from migrate.computes.reinstalling.kept import HOST_KEYS
from migrate.errors import StepError
from migrate.onhost import call
from migrate.services.unit import HostUnit

NOTE = "settle-reinstalled"
SECONDS = 240.0  # as for units in place

UNIT = """# Written by sidestep on a host that was reinstalled.
[Unit]
Description={name} of OpenStack {release}
After=network-online.target libvirtd.service openvswitch-switch.service
Wants=network-online.target

[Service]
User={user}
Environment=PATH={path} PYTHONWARNINGS=ignore
WorkingDirectory=/var/lib/{user}
ExecStartPre=+/usr/bin/install -d -o {user} -g {user} /run/lock/{user}
ExecStart={command}
Restart=on-failure
RestartSec=3
LimitNOFILE=65535
TimeoutStopSec=15
KillMode=mixed

[Install]
WantedBy=multi-user.target
"""


def installed(context: Context, host: Host) -> bool:
    """Whether all packages are there."""
    found = call(anew.reached(context, host), "machine.installed")["packages"]
    return set(_packages(context)) <= set(found)


def install(context: Context, host: Host) -> None:
    """Install them; nothing of them starts."""
    anew.reached(context, host).shell(apt.INSTALL, *_packages(context), timeout=apt.SECONDS)


def _packages(context: Context) -> tuple[str, ...]:
    return packages.NAMES + (packages.OF_CEPH if context.settings.ceph.clients else ())


def is_itself(context: Context, host: Host) -> bool:
    """Whether what was kept has been put back, and the host was seen to be itself."""
    return keeping.stage(context, host) == Stage.ITSELF


def give_back(context: Context, host: Host, *, back: bool = False) -> None:
    """Put back what was kept; on the way *back* the old release's units start with it."""
    here, folder = anew.reached(context, host), keeping.folder(host)
    keeps = keeping.holder(context, host)
    note = keeping.read(context, host)
    here.run("install", "-d", "-m", "0700", "/var/lib/migrate")
    transfer.pull_tree(context, folder, pulls=here, serves=keeps)
    for disk in keeping.disks(note):
        call(here, "kept.mount_again", disk, note["token"])
    # whom the operator's own known_hosts knows already keeps the key that it has
    spared = [HOST_KEYS] if here is host else []
    call(here, "kept.put_back", folder, spared, timeout=300)
    for server, action in note.get("away", {}).items():
        call(here, "away.add", server, action)
    anew.is_itself(context, host)
    call(host, "kept.remove", folder)
    if not back:
        keeping.note(context, host, stage=Stage.ITSELF)
        for disk in keeping.disks(note):
            call(host, "kept.pull_out", disk["mount"])


def start(context: Context, host: Host) -> None:
    """Units of the release, which start with what the old ones were started with."""
    told = keeping.manifest(context, host)["units"]
    there = [one for one in units.known(context, host) if one.name in told]
    names = [one.name for one in there]
    rows = list(units.files(context, host, there, told))
    for one in there:
        text = UNIT.format(
            name=one.name,
            release=context.target.release,
            user=told[one.name]["user"],
            path=context.installation.path,
            command=units.command(context, one, told),
        )
        rows.append([unit_file(one), text, 0o644, "root:root"])
    shown = call(host, "systemd.show", names)
    if masked := [one for one, unit in shown.items() if unit.get("LoadState") == "masked"]:
        call(host, "systemd.unmask", masked)  # by `let_go`, when the whole went back
    given = (NOTE, rows, {name: told[name] for name in names}, SECONDS)
    wrong = call(host, "exchange.forward", *given, timeout=SECONDS * len(names) + 60)
    if wrong:
        raise StepError(f"{host.name}: {'; '.join(wrong)}; see its journal there")
    host.run("systemctl", "enable", "-q", *names)
    wait.until(
        lambda: units.renewed(context, host),
        SECONDS,
        f"{host.name}: {', '.join(names)} were started and do not run {context.target.release}",
    )


def unit_file(unit: HostUnit) -> str:
    """Where `start` writes it."""
    return f"/etc/systemd/system/{unit.unit}"


def start_old(context: Context, host: Host) -> None:
    """Units of the old release, by packages that its system was made with."""
    names = list(keeping.manifest(context, host)["units"])
    known = call(host, "systemd.show", names)
    if absent := [one for one in names if f"{one}.service" not in known]:
        raise StepError(
            f"{host.name}: the system that came back has no {', '.join(absent)}: "
            "sidestep:settle.reinstall.backCommand is to bring the old release's packages; "
            "the same command again makes it once more"
        )
    host.run("systemctl", "enable", "-q", *names)
    wrong = call(host, "agents.restart", names, SECONDS, timeout=SECONDS * len(names) + 60)
    if wrong:
        raise StepError(f"{host.name}: {'; '.join(wrong)}; see its journal there")
