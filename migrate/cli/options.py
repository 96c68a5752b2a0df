"""How a command is declared: its options, and where what it does stands.

Neither this nor `commands.py` imports what moves a cloud: `--help`, completion and errors of usage
cost no more than click.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import click
from click.core import ParameterSource

from migrate.errors import SettingsError

Option = Callable[[Callable[..., Any]], Callable[..., Any]]
Declared = Callable[[Callable[[], None]], click.Command]

COMMON: tuple[Option, ...] = (
    click.option("--stack", default="", help="The stack; default: the one selected in Pulumi."),
    click.option(
        "-f",
        "--format",
        "form",
        type=click.Choice(["table", "json", "yaml", "value"]),
        default="table",
        help="For people, or an answer for programs on stdout; value: bare values, a line each.",
    ),
    click.option("--json", "form", flag_value="json", help="The same as -f json."),
)
execute = click.option(
    "--execute", is_flag=True, help="Do it. Without this, show what would be done."
)
take_over = click.option(
    "--take-over", is_flag=True, help="Shut out a run of another state directory, which is dead."
)
os_cloud = click.option(
    "--os-cloud",
    default="",
    metavar="NAME",
    help="The administrator's entry of clouds.yaml; default: `cloud` of the stack file.",
)
past = click.option(
    "--past",
    multiple=True,
    metavar="STEP",
    help="Go past this step, which has no way back; may be repeated.",
)


def refuse_unconfirmed(stack: str, confirm: str) -> None:
    """SettingsError where *confirm* is not the stack's name."""
    if confirm != stack:
        raise SettingsError(f"not confirmed: give --confirm {stack}")


def _refuse_empty(context: click.Context) -> None:
    """SettingsError where an option is given as nothing, as by a variable of a shell that is not
    set: left out it may mean all.
    """
    asked = [
        one.opts[0]
        for one in context.command.params
        if context.get_parameter_source(one.name or "") is ParameterSource.COMMANDLINE
        and "" in (context.params[one.name or ""], *_listed(context.params[one.name or ""]))
    ]
    if asked:
        raise SettingsError(f"{', '.join(asked)}: nothing is named there: name it, or leave it out")


def _listed(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else ()


def _once(value: Any) -> Any:
    """What was named twice counts once."""
    return tuple(dict.fromkeys(value)) if isinstance(value, tuple) else value


def command(group: click.Group, module: str, *options: Option) -> Declared:
    """Declare a command of *group* by an empty function: its name and its docstring, the help.

    `run_<name>` of `migrate.cli.<module>` does it, and is imported when the command runs. It is
    given a screen, the stack's name, and *options* by their names.
    """

    def declared(about: Callable[[], None]) -> click.Command:
        def run(stack: str, form: str, **given: Any) -> None:
            _refuse_empty(click.get_current_context())
            given = {key: _once(value) for key, value in given.items()}
            if stack and given.get("execute") and given.get("confirm"):
                refuse_unconfirmed(stack, given["confirm"])  # what comes now is slow to load
            from migrate.cli.output import Screen  # noqa: PLC0415
            from migrate.cloud import pulumi  # noqa: PLC0415

            work = getattr(import_module(f"migrate.cli.{module}"), f"run_{about.__name__}")
            try:
                work(Screen(form), stack or pulumi.selected(), **given)
            except BrokenPipeError as error:  # click would end without a word
                raise RuntimeError("a bug: a pipe broke that is not the terminal") from error

        for option in reversed((*COMMON, *options)):
            option(run)
        return group.command(about.__name__, help=about.__doc__)(run)

    return declared
