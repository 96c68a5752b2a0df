"""The `migrate` command: which commands there are, their help and options, and how they end."""

import logging
import sys
import traceback

import click

from migrate.cli.options import command, execute, os_cloud, past, take_over
from migrate.cli.terminal import TERMINAL, failure, stand_in, whole
from migrate.errors import MigrateError, SettingsError

EPILOG = (
    "Without --execute a command changes nothing, except verify, which makes and deletes a server, "
    "and pause, resume and abort, which act on a run that was begun with it. Exit codes: "
    "2 wrong input, 3 not ready, 4 a step failed, 5 no way back, 6 journal, 7 another run is at "
    "work, 8 a host cannot be reached."
)


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sidestep")
def migrate() -> None:
    """Move a running OpenStack cloud to a new release, side by side, with a way back.

    The usual order: pulumi up, then plan, check, backup, follow, cutover, verify, accept, settle,
    finish; until the last one `pulumi destroy` goes back.
    """


@command(migrate, "preparation")
def plan() -> None:
    """Show every step, its impact, its way back and about how long it takes. Asks no machine.

    These are the steps of follow, cutover and accept; settle, finish and rollback show their own
    without --execute. What users notice is in the column `impact`; steps that do not need each
    other run side by side. Changes nothing. Next: `migrate check`.
    """


@command(migrate, "preparation", os_cloud)
def check() -> None:
    """Find what would break, all of it at once, each with a remedy.

    Asks every host of both clouds over ssh and the source's APIs, and changes nothing there. On the
    target the next release's migrations are tried over empty copies of the source's databases, gone
    afterwards. Errors forbid to go on (exit code 3), warnings are for you to judge. Next:
    mend and check again until it says ready, then `migrate backup --execute`.
    """


@command(
    migrate,
    "preparation",
    execute,
    take_over,
    click.option(
        "--to", default="", help="file:// or s3:// URL; default: `backup` of the stack file."
    ),
)
def backup() -> None:
    """Store databases, configuration and package lists, then prove them by restoring them.

    It is restored on the target, into a private server that is gone afterwards; nothing else
    changes on either cloud. The way back does not need it, a lost data centre does. Next:
    `migrate follow --execute`.
    """


@command(migrate, "preparation", execute, take_over, past)
def follow() -> None:
    """Make the target ready while the source serves: configuration, keys, images. Repeatable.

    Changes the target; on the source a transfer key and a record of it are added. Run it again
    whenever you like: it brings what has changed since. Next: `migrate cutover`, when your users
    know of it.
    """


@command(migrate, "preparation", execute, take_over)
def rehearse() -> None:
    """The real upgrade of the databases in a clone of the target's, timed. Repeatable.

    Needs a first pass by `migrate follow`, and room for a clone beside the target's databases,
    which stay as they are. The release's own tools run there without network; a migration that
    fails is told with its statement (exit code 3). Changes nothing but that: the clone is gone
    afterwards, and `migrate plan` has the times from it. Next: `migrate cutover`.
    """


@command(
    migrate,
    "moving",
    execute,
    take_over,
    os_cloud,
    click.option(
        "--confirm", default="", metavar="STACK", help="The stack's name, instead of asking."
    ),
    past,
)
def cutover() -> None:
    """The window: close, fence, copy, compare, upgrade, start, take the virtual IP over.

    Refuses unless a preview made now shows no change and the quick ones of the checks find
    nothing. Changes both clouds: users' calls get 503 until the target serves; their servers
    keep running. A failure before the virtual IP has moved is undone by itself, and the same
    command begins again. Next: `migrate verify`; the way back is `migrate rollback --execute` or
    `pulumi destroy`.
    """


@command(migrate, "moving", take_over, os_cloud)
def verify() -> None:
    """Prove through the virtual IP that all is there and works. Boots a server, deletes it.

    What the APIs show of every project is listed again and compared field by field with the list
    from the window; tokens from before are tried. Changes nothing else. Next: `migrate status`, and
    leave the old controllers running.
    """


@command(migrate, "moving", execute, take_over)
def accept() -> None:
    """Say that the target stays: users may delete and change volumes on shared storage again.

    Changes the target's cinder only. Going back stays possible, but what is done to shared volumes
    from now on is lost with it. Next: `migrate status`.
    """


@command(
    migrate,
    "settling",
    execute,
    take_over,
    os_cloud,
    click.option(
        "--host", "hosts", multiple=True, metavar="HOST", help="Only this one; may be repeated."
    ),
    click.option("--zone", default="", help="Only hosts of this availability zone."),
    click.option(
        "--except",
        "without",
        multiple=True,
        metavar="HOST",
        help="Not this one, which stays as it is; may be repeated.",
    ),
    click.option(
        "--by",
        metavar="INSTALLER",
        help="In-place: servers stay; reinstall: they leave first; default: `settle`.",
    ),
    click.option(
        "--canary", type=click.IntRange(0), help="Hosts that go first, alone; default: `settle`."
    ),
    click.option("--batch", type=click.IntRange(1), help="Hosts at once; default: `settle`."),
    click.option(
        "--stop-after", type=click.IntRange(1), help="Hosts that may fail; default: `settle`."
    ),
    click.option(
        "--agents", is_flag=True, help="Network agents instead, to the target's controllers."
    ),
    click.option(
        "--ceph", is_flag=True, help="Ceph's old monitors instead; with --host, hosts with OSDs."
    ),
    click.option(
        "--update", is_flag=True, help="To the controllers' newer pins of the release they have."
    ),
    click.option("--back", is_flag=True, help="These hosts run what they ran before again."),
    click.option(
        "--past",
        multiple=True,
        metavar="HOST",
        help="This host too, though what is done there has no way back.",
    ),
)
def settle() -> None:
    """Compute hosts come over to the new release, a few at a time; the plan without --execute.

    Reads nova and placement through the virtual IP, before or after the cutover, and shows for each
    host when its turn is, what happens to its servers and where they would go, about how long it
    takes, and what forbids it (exit code 3). Policy and defaults are `settle` of the stack file.
    With --execute, after the cutover: in place nova-compute and Open vSwitch's agent start the
    release's programs beside the packages and servers run on; by a reinstall (--by reinstall) they
    leave, and the host is made anew by `settle.reinstall.command` of the stack file, an argv list
    that stacks/README.md tells of. Each is proven before it takes servers
    again. Changes the hosts, and nova's record of them. With --agents DHCP, L3 and
    metadata agents go from the old controllers to the new ones, network by network and router by
    router; a host that only carries such agents comes over in place, by its name.
    Next: the same again for more hosts; --back --host NAME, or --back --agents, undoes it.
    With --update hosts that have come over follow their controllers to newer pins of the release,
    after a `pulumi up` with these: units start again from an environment beside the one before; by
    a command of the stack file servers leave and the host is booted. --update --back --host NAME
    puts the version before back, also after `migrate finish`.
    With --ceph the old monitors leave for good, after which the cloud as a whole does not go back:
    each of their hosts is named by --past. With --ceph --host NAME a host with OSDs is made anew,
    one after the other; once its OSDs were started by the new release, which --past or `ceph.past`
    of the stack file allows, it does not go back either. Until then --back does.
    """


@command(migrate, "finishing", execute, take_over, os_cloud, past)
def finish() -> None:
    """Give up the way back: purge what only the old release needs; the plan without --execute.

    Asks the cloud whether all of it is new, and refuses with what to do where it is not (exit code
    3). Then records of old agents and control units are deleted, nova speaks the new release,
    online data migrations run until nothing is left, and keys, filter, private address and notes of
    ours go from every host. Changes the target, and a mark on both sides. From its first step on
    `migrate rollback` and `pulumi destroy` refuse, and nothing overrides that: name it by --past
    finish.mark. Next: `migrate status`, and power the old controllers off.
    """


@command(
    migrate,
    "moving",
    execute,
    take_over,
    os_cloud,
    click.option("--accept-losses", is_flag=True, help="Give up what was written on the target."),
)
def rollback() -> None:
    """Go back to the source as it was at the fence; names what was written since.

    Changes both clouds: the target is stopped, the virtual IP goes home, and the source is opened
    only when its data equals its fingerprint. The target's machines stay. Safe to run again after
    a crash. Hosts that were reinstalled are put back first, by `migrate settle --back --host NAME`:
    what runs on those that are not is stopped here, and they are named. Next: `migrate status`;
    `pulumi destroy` does the same and takes the target away.
    """


@command(
    migrate,
    "control",
    click.option("--reason", default="", help="Why, for those who see it waiting."),
)
def pause() -> None:
    """Let a cutover wait before anything is closed, or a settle between batches, until `resume`.

    Changes neither cloud: it leaves word for the run at work, or for the next one. Next:
    `migrate resume`, or `migrate abort` to call it off.
    """


@command(migrate, "control")
def resume() -> None:
    """Let a run that was paused go on: a cutover into the window, a settle with its next batch.

    Changes nothing itself; the run that waits goes on within a second. Next: watch it, or
    `migrate abort`.
    """


@command(migrate, "control", take_over, os_cloud)
def abort() -> None:
    """Go back to the source from inside the window, at once. After it, `rollback` goes back.

    A cutover at work is told to, and ends; one that died is undone by this command. Changes both
    clouds back to what they were before the window. A settle at work ends what it has begun and
    begins nothing more, as by Ctrl-C in its terminal. Next: `migrate status`.
    """


@command(migrate, "control")
def status() -> None:
    """Where the stack stands, who is at work on it, and what to do next. Always works.

    Reads the journal and asks the machines, each for a few seconds at most. Changes nothing.
    """


@migrate.result_callback()
def _shown(_: object) -> None:
    """A command has ended when all that it said is on the screen."""
    TERMINAL.flush()


def _usage(error: click.ClickException) -> str:
    """What is wrong with the command line, in one line that says where the right one stands."""
    context = getattr(error, "ctx", None)
    asked = context.command_path if context else "migrate"
    wrong = " ".join(error.format_message().split()).rstrip(".")
    return f"{wrong}; `{asked} --help` says what there is"


def _of_click(error: OSError) -> bool:
    """Whether click itself met *error*, which writes help and the version past our terminal."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals["__name__"]).startswith("click.")


def main() -> None:
    """Run the command line; one line per intended error, a traceback only for a bug."""
    stand_in()
    code, watched = 0, sys.stdout.isatty()
    logging.getLogger().addHandler(logging.NullHandler())  # what libraries warn of, errors tell
    try:
        migrate.main(prog_name="migrate", standalone_mode=False)
    except click.exceptions.Abort:
        TERMINAL.show(2, lambda: click.echo("stopped", err=True))
        code = 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        failure(SettingsError(_usage(error)))
        code = error.exit_code
    except MigrateError as error:
        failure(error)
        code = error.exit_code
    except OSError as error:
        if not _of_click(error):
            raise
        TERMINAL.lose(1, error)
    TERMINAL.flush()
    if not watched:  # a terminal that died says nothing about the run
        code = whole(code)
        TERMINAL.flush()
    sys.exit(code)
