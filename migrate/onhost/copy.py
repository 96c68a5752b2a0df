"""Import what another host sends of its databases."""

import subprocess
import tempfile
from typing import IO, Any

LOAD = (
    *("mariadb", "--batch", "--skip-column-names", "--max-allowed-packet=1G"),
    "--default-character-set=utf8mb4",
)


def load(command: list[str], asked: list[str]) -> str:
    """Import what *command* prints for *asked*; "" when it was whole, else what is wrong."""
    with tempfile.TemporaryFile() as errors, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
    ) as sent:
        return load_from(sent, errors, asked)


def load_from(
    sent: subprocess.Popen[Any], errors: IO[bytes], asked: list[str], *own: str, text: bytes = b""
) -> str:
    """The same of a command that runs, whose errors go to *errors*; *own* are the client's options.

    Both ends of the pipe are waited for and judged; the mark is the answer to the last statement.
    Where all that was sent is known already, it is *text*.
    """
    given: dict[str, Any] = {"input": text} if text else {"stdin": sent.stdout}
    loaded = subprocess.run(
        [*LOAD, *own], **given, stdout=subprocess.PIPE, stderr=errors, check=False
    )
    assert sent.stdout is not None
    sent.stdout.close()  # who sends would wait for a reader
    status = sent.wait(), loaded.returncode
    whole = loaded.stdout.splitlines()[-1:] == [f"complete {' '.join(asked)}".encode()]
    if status == (0, 0) and whole:
        return ""
    errors.seek(0)
    # the client puts the statement that failed between two such lines: rows are nobody's to read
    said = errors.read().decode(errors="replace").split("--------------\n")[::2]
    mark = "came" if whole else "is missing"
    return (
        f"ssh {status[0]}, import {status[1]}, mark of completeness {mark}: "
        f"{''.join(said).strip()[-500:]}"
    )
