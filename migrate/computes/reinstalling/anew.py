"""A host's system is made anew by the operator's own command, which is not believed.

    COMMAND HOST ADDRESS LIST

LIST is a file in JSON: {"host", "address", "back", "release", "fileSystems", "devices", "mounts",
"knownHosts", "kept"}. The command returns when ssh answers. "fileSystems" and "devices" it leaves
as they are, "mounts" it mounts where they were; the host key of
the fresh system it writes to "knownHosts", unless the operator's own file knows it. It may be asked
for the same host again. Afterwards the host is asked whether it is another system than before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from migrate.cloud import Context, hosts, trusting, wait
from migrate.cloud.host import Host
from migrate.computes import guests, operators
from migrate.computes.reinstalling import keeping
from migrate.computes.reinstalling.keeping import Stage
from migrate.computes.reinstalling.kept import INSTANCES
from migrate.engine import state_directory, state_lock, systems
from migrate.errors import (
    HostKeyError,
    MigrateError,
    PreconditionError,
    RefusedError,
    StepError,
    UnreachableError,
)
from migrate.onhost import call
from migrate.storage.ceph import osd_host

ANSWER_SECONDS = 120.0
STAYS = "the host stays closed; mend that and run the same again, or `migrate settle --back` it"


def refuse(context: Context) -> None:
    """PreconditionError where nobody is told how hosts are made."""
    if not context.settings.settle.reinstall.command:
        raise PreconditionError(
            "nobody is told how a host is made anew: sidestep:settle.reinstall.command of the "
            "stack file names the command; stacks/README.md says what it must do"
        )


def is_made(context: Context, host: Host) -> bool:
    """Whether its system is another one than that of which things are kept."""
    now = keeping.stage(context, host)
    return now == Stage.ITSELF or (now == Stage.ANEW and _is_fresh(context, host))


def is_back(context: Context, host: Host) -> bool:
    """The same for the old release's; only while it is being put back."""
    return _is_fresh(context, host)


def stands(context: Context, host: Host) -> bool:
    """Whether the system of which things are kept is there still: a command has done nothing."""
    try:
        return systems.is_marked(host, keeping.read(context, host))
    except UnreachableError:
        return False


def make_back(context: Context, host: Host) -> None:
    """Have it made with the old release; nothing where a run before this one has come so far."""
    if keeping.stage(context, host) != Stage.RETURNING:
        _mark(context, host)
        make(context, host, back=True)
    elif not is_back(context, host):
        make(context, host, back=True)


def _mark(context: Context, host: Host) -> None:
    """By what the system that is now is told from the next; one that answers nobody is gone."""
    here = reached(context, host)
    try:
        note = keeping.read(context, host)
        boot = systems.mark(here, note["token"])
        for disk in keeping.disks(note):
            call(here, "kept.plant", disk["mount"], note["token"])
    except UnreachableError:
        return
    keeping.note(context, host, boot=boot)


def make(context: Context, host: Host, *, back: bool = False) -> None:
    """Have it made, with the old release where it is put *back*; StepError, and it stays closed."""
    refuse(context)
    note = keeping.read(context, host)
    if not note.get("boot"):
        raise StepError(f"{host.name}: nothing of it is kept, so nothing is made anew")
    _refuse_elsewhere(context, host, note)
    _refuse_loss(reached(context, host), note)
    _refuse_changed(context, host)
    keeping.note_away(context, host, reached(context, host))
    begun = {"place": state_lock.place(context.home), "at": time.time()}
    keeping.note(context, host, stage=Stage.RETURNING if back else Stage.ANEW, command=begun)
    try:
        _run(context, host, note, back=back)
    finally:
        if not operators.runs(context, _name(host)):
            with suppress(MigrateError):
                keeping.note(context, host, command={})
    try:
        wait.until(
            lambda: operators.answers(lambda: reached(context, host)),
            ANSWER_SECONDS,
            f"{host.name}: it was made anew and does not answer; {_stays(context, host)}",
        )
    except HostKeyError as error:
        raise StepError(
            f"{error}: the command is to write it to knownHosts; {_stays(context, host)}"
        ) from error
    _refuse_another(context, host, note)
    if not _is_fresh(context, host):
        raise StepError(
            f"{host.name}: the command came to an end and the system is the one that it was "
            "(the same boot, or what we left in /var/lib/migrate is there); "
            f"{_stays(context, host)}"
        )
    if context.run:
        call(reached(context, host), "runs.admit", context.run.id)


def _stays(context: Context, host: Host) -> str:
    held = f"; {osd_host.unhealed(host)}" if host.name in context.settings.ceph.osd_hosts else ""
    return STAYS + held


def _refuse_elsewhere(context: Context, host: Host, note: dict[str, Any]) -> None:
    """A desk that was taken over may have its command run still, where nobody ends it from here."""
    begun = note.get("command") or {}
    left = begun.get("at", 0) + context.settings.settle.reinstall.limit_seconds - time.time()
    if left > 0 and begun["place"] != state_lock.place(context.home):
        raise StepError(
            f"{host.name}: its command was started from {begun['place']} and may run there still: "
            f"end it and go on from there, or wait {left:.0f} s, which is as long as it may take; "
            "the host stays closed"
        )


def _refuse_loss(here: Host, note: dict[str, Any]) -> None:
    """At the last moment: users may have started, resized or made something since it was asked."""
    try:
        guests.refuse(here, "a reinstall")
        disks = call(here, "kept.disks", note.get("instances", INSTANCES))
    except UnreachableError:
        return  # what a dead host has, nobody can ask
    if disks and not note.get("disk"):
        raise StepError(
            f"{here.name}: {', '.join(disks)} would be lost, on no file system that is kept: let "
            f"its server leave, or confirm its resize; {STAYS}"
        )


def _refuse_changed(context: Context, host: Host) -> None:
    """What was changed since it was kept would be lost with the system, as long as that stands."""
    now = keeping.stage(context, host)
    system = now == Stage.KEPT or (now == Stage.ANEW and stands(context, host))
    if system and (found := keeping.changed(context, host, keeping.holder(context, host))):
        keeping.note(context, host, stage=Stage.KEEPING)
        raise StepError(
            f"{host.name}: {', '.join(found)} was changed since it was kept; the same again "
            "keeps it anew"
        )


def _refuse_another(context: Context, host: Host, note: dict[str, Any]) -> None:
    """What is the host's own, keys among it, is given to no other machine at its address."""
    if not (before := note.get("identity")):
        return  # it was kept by an older program
    here = call(reached(context, host), "hardware.identity")
    if not set(here) & set(before):
        raise StepError(
            f"{host.name}: another machine answers at {host.address}: it is "
            f"{', '.join(here) or 'without a mark'}, and was {', '.join(before)};"
            f" have the command make {host.name} itself, or take the other off its address; {STAYS}"
        )


def _run(context: Context, host: Host, note: dict[str, Any], *, back: bool) -> None:
    decided = context.settings.settle.reinstall
    listed = context.home / f"{_name(host)}.json"
    state_directory.keep(_known(context, host), "")
    told = {
        "host": host.name,
        "address": host.address,
        "back": back,
        "release": context.source.release if back else context.target.release,
        "fileSystems": keeping.disks(note),
        "devices": note.get("devices", []),
        "mounts": note.get("mounts", []),
        "knownHosts": str(_known(context, host)),
        "kept": [path for path, how in keeping.patterns(context) if how != "aside"],
    }
    state_directory.keep(listed, json.dumps(told, indent=1))
    command = (decided.back_command or decided.command) if back else decided.command
    asked = [*command, host.name, host.address, str(listed)]
    if wrong := operators.run(context, asked, _name(host), decided.limit_seconds):
        raise StepError(f"{host.name}: {wrong}; {_stays(context, host)}")


def _name(host: Host) -> str:
    return f"reinstall-{host.name}"


def reached(context: Context, host: Host) -> Host:
    """*host* as its key is known now: of the fresh system, until it has its own again."""
    path = _known(context, host)
    if not path.exists() or not path.stat().st_size:
        return host
    fresh = trusting(context, host, path)
    try:
        fresh.run("true", timeout=10)
    except RefusedError:
        return host
    return fresh


def let_in(context: Context, those: Collection[Host]) -> None:
    """Have fresh systems among *those* let this run in, and end what another left there.

    When the run began they were asked by the keys that they do not have: without this, whatever
    stopped in the middle could not go on.
    """
    if not (run := context.run):
        return
    unmarked = replace(context, run=None)

    def admit(host: Host) -> None:
        with suppress(UnreachableError):  # the step that needs it says so
            if (here := reached(unmarked, host)) is not host:
                call(here, "runs.admit", run.id, timeout=120)

    hosts.gather(those, admit)


def is_itself(context: Context, host: Host) -> None:
    """It has its own key again: forget that of the fresh system; StepError where it has not."""
    state_directory.forget(_known(context, host))

    def lets_in() -> bool:
        try:
            host.run("true", timeout=10)
        except UnreachableError:  # sshd may just be reading its key
            return False
        return True

    told = f"{host.name}: it has its own ssh host key again, and does not let us in by known_hosts"
    wait.until(lets_in, ANSWER_SECONDS, told)


def _known(context: Context, host: Host) -> Path:
    return context.home / f"fresh-{host.name}.known_hosts"


def _is_fresh(context: Context, host: Host) -> bool:
    note = keeping.read(context, host)
    try:
        other = systems.is_other(reached(context, host), note)
        _refuse_another(context, host, note)
    except (UnreachableError, StepError):
        return False
    return other
