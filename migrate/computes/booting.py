"""A host is booted by the operator's own command, which is not believed: its boot id is asked.

    COMMAND HOST ADDRESS

It may install what it likes before, and be asked for the same host again.
"""

from __future__ import annotations

from migrate.cloud import Context, wait
from migrate.cloud.host import Host
from migrate.computes import guests, operators
from migrate.errors import StepError
from migrate.onhost import call

NOTE = "settle-boot"
ANSWER_SECONDS = 600.0
STAYS = "the host stays closed; mend that and run the same again, or put it back with --back"


def booted(host: Host, lock: str) -> bool:
    """Whether it has booted since that was asked of it for the update to *lock*."""
    noted = call(host, "record.load", NOTE) or {}
    return noted.get("lock") == lock and noted.get("boot") != boot_id(host)


def boot(context: Context, host: Host, lock: str) -> None:
    """Have it booted; StepError where it was not, or a server runs there."""
    guests.refuse(host, "a boot")
    before = boot_id(host)
    call(host, "record.save", NOTE, {"lock": lock, "boot": before})
    decided = context.settings.settle.update
    asked = [*decided.command, host.name, host.address]
    if wrong := operators.run(context, asked, f"update-{host.name}", decided.limit_seconds):
        raise StepError(f"{host.name}: {wrong}; {STAYS}")
    told = f"{host.name}: it does not answer; {STAYS}"
    wait.until(lambda: operators.answers(lambda: host), ANSWER_SECONDS, told)
    if boot_id(host) == before:
        raise StepError(
            f"{host.name}: {decided.command[0]} came to an end and the host has not booted: its "
            f"boot id is the same; {STAYS}"
        )
    if context.run:
        call(host, "runs.admit", context.run.id)


def forget(host: Host) -> None:
    """Forget that it was asked."""
    call(host, "record.forget", NOTE)


def boot_id(host: Host) -> str:
    """Another one after each boot."""
    return str(call(host, "kept.system")["boot"])
