"""In place: the units of a compute host start the release's programs; its servers run on.

Nothing of the host's own is changed: a unit is given a drop-in that starts the release's program,
with the arguments that the old one runs with and a file of settings more. The way back is to take
these away and start the unit again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import partial

from migrate.cloud import Context, wait
from migrate.cloud.host import Host
from migrate.computes import environment, proof, units
from migrate.computes.estimates import Way
from migrate.computes.installers.contract import Act
from migrate.computes.units import Row, Running
from migrate.engine import finding
from migrate.engine.finding import Finding, error, filled
from migrate.errors import MigrateError, StepError
from migrate.onhost import call
from migrate.services.unit import HostUnit

NOTE = "settle-units"
DROP_IN_NAME = "sidestep.conf"
SECONDS = 240.0  # as takeover/agents.py's
PLAIN = re.compile(r"[\w@=:,./+-]+")  # an argument that means the same in a unit file

LEAVE, STOP = environment.LEAVE, f"stop it, or {environment.LEAVE}"

DROP_IN = """# Written by sidestep; `migrate settle --back` and `migrate rollback` take it away.
[Service]
Type=simple
KillMode={kill}
Environment=PATH={path} PYTHONWARNINGS=ignore
ExecStart=
ExecStart={command}
"""


def renewed(context: Context, host: Host) -> bool:
    """Whether all that is exchanged runs here, and as the release's program."""
    return units.renewed(context, host)


def between(_: Context, __: Host) -> bool:
    """Never: its system stays."""
    return False


def bring(context: Context, host: Host) -> None:
    """Bring the release's environment; what is not understood there is refused before."""
    _there(context, host)
    environment.make(context, host)


def renew(context: Context, host: Host) -> None:
    """Exchange what runs here, unit by unit; StepError where one does not come up."""
    running = _there(context, host)
    there = [one for one in units.known(context, host) if one.name in running]
    rows = list(_rows(context, host, there, running))
    names = [one.name for one in there]
    found = {name: running[name] for name in names}
    wrong = call(
        host, "exchange.forward", NOTE, rows, found, SECONDS, timeout=SECONDS * len(names) + 60
    )
    if wrong:
        raise StepError(f"{host.name}: {'; '.join(wrong)}; see its journal there")
    wait.until(
        lambda: renewed(context, host),
        SECONDS,
        f"{host.name}: {', '.join(names)} were started and do not run {context.target.release}",
    )


def restore(context: Context, host: Host) -> None:
    """Let the old programs run again, and wait until they do; nothing where none was exchanged."""
    if wrong := _back(context, host, SECONDS):
        raise StepError(f"{host.name}: {'; '.join(wrong)}; see its journal there")
    wait.until(
        lambda: not units.new(context, host),
        SECONDS,
        f"{host.name}: the old programs do not run again",
    )


def restore_without_waiting(context: Context, host: Host) -> None:
    """`restore`, and nobody waits: on the way back of the whole what they ask first may be dead."""
    _back(context, host, 0)


def _back(context: Context, host: Host, seconds: float) -> list[str]:
    names = [one.name for one in units.known(context, host)]
    given = (NOTE, names, context.installation.folder, seconds)
    wrong: list[str] = call(host, "exchange.back", *given, timeout=seconds * len(names) + 60)
    return wrong


def findings(context: Context, those: Collection[Host]) -> list[Finding]:
    """What each of *those* hosts has itself against it, of all at once.

    One that has been renewed, and is not in the middle of it, is left alone and so not looked at.
    """
    try:
        bytes_ = environment.size(context)
    except MigrateError as failure:
        return [
            environment.unknown(context, failure),
            *environment.each(those, partial(strange, context)),
        ]

    def look(host: Host) -> list[Finding]:
        if renewed(context, host) and not proof.noted(context, host):
            return []
        return [*environment.findings(context, host, bytes_), *strange(context, host)]

    return environment.each(those, look)


def strange(context: Context, host: Host) -> list[Finding]:
    """What runs there that is not understood, all of it; changes nothing."""
    return _against(context, host, units.running(context, host))


def _there(context: Context, host: Host) -> Running:
    """What is exchanged and runs there; PreconditionError where that cannot be done."""
    running = units.running(context, host)
    finding.refuse(_against(context, host, running))
    return running


def _against(context: Context, host: Host, running: Running) -> list[Finding]:
    return list(filled(_strange(context, host, running), check="units", where=host.name))


def _strange(context: Context, host: Host, running: Running) -> Iterator[Finding]:
    if unknown := units.unknown(context, host):
        yield error(f"{', '.join(unknown)} runs there, which is not renewed in place", STOP)
    if resting := units.resting(context, host):
        told = f"{', '.join(resting)} is enabled there and does not run: only what runs is renewed"
        yield error(told, f"`systemctl start {' '.join(resting)}` there, or disable it")
    if not running:
        yield error("nothing of OpenStack runs there", "start it first")
    for name, one in running.items():
        program = str(one["program"])
        if not program.startswith(("/usr/bin/", f"{context.installation.folder}/")):
            yield error(
                f"{name} runs as {program or one['arguments'][:2]}, and only a program of the "
                "system's packages, in /usr/bin, is renewed in place",
                LEAVE,
            )
        if odd := [word for word in one["arguments"] if not PLAIN.fullmatch(word)]:
            yield error(f"{name} runs with arguments that are not understood: {odd}", LEAVE)
    for told in units.bare(context, host, running):
        drop_in = "name them in a drop-in of its unit, as `--config-file /etc/...`"
        yield error(told, f"{drop_in}, or {LEAVE}")
    wants = [
        path for one in units.known(context, host) if one.name in running for path in one.wants
    ]
    if gone := sorted(set(wants) - set(call(host, "files.existing", wants))):
        yield error(
            f"{', '.join(gone)} is not there, by which nova knows this host: the release's program "
            "does not start without it",
            f"put it back: its text is the id that `openstack hypervisor show {host.name}` tells",
        )
    for name, paths in call(host, "exchange.overriding", list(running), DROP_IN_NAME).items():
        told = f"{', '.join(paths)} is read after our drop-in of {name} and would undo it"
        yield error(told, f"give it a name before {DROP_IN_NAME}, or leave the host out")


def _rows(
    context: Context, host: Host, there: Iterable[HostUnit], running: Running
) -> Iterator[Row]:
    there = list(there)
    yield from units.files(context, host, there, running)
    for one in there:
        command = units.command(context, one, running)
        text = DROP_IN.format(path=context.installation.path, command=command, kill=one.kill)
        yield [f"/etc/systemd/system/{one.unit}.d/{DROP_IN_NAME}", text, 0o644, "root:root"]


WAY = Way.IN_PLACE
AHEAD: tuple[Act, ...] = (
    Act(
        name="environment",
        title="Bring the release's environment to {host}",
        done=environment.made,
        apply=bring,
        revert=environment.remove,
        seconds=46,
    ),
)
ACTS: tuple[Act, ...] = (
    Act(
        name="renew",
        title="Exchange what runs on {host}; what it carries runs on",
        done=renewed,
        apply=renew,
        revert=restore_without_waiting,
        seconds=20,
    ),
)
