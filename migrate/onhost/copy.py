"""Import what another host sends of its databases."""

import subprocess
import tempfile

LOAD = (
    *("mariadb", "--batch", "--skip-column-names", "--max-allowed-packet=1G"),
    "--default-character-set=utf8mb4",
)


def load(command: list[str], asked: list[str]) -> str:
    """Import what *command* prints for *asked*; "" when it was whole, else what is wrong.

    Both ends of the pipe are waited for and judged; the mark is the answer to the last statement.
    """
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as sent:
            loaded = subprocess.run(
                LOAD, stdin=sent.stdout, stdout=subprocess.PIPE, stderr=errors, check=False
            )
        status = sent.returncode, loaded.returncode
        whole = loaded.stdout.splitlines()[-1:] == [f"complete {' '.join(asked)}".encode()]
        if status == (0, 0) and whole:
            return ""
        errors.seek(0)
        # the client puts the statement that failed between two such lines: rows are nobody's
        # to read
        said = errors.read().decode(errors="replace").split("--------------\n")[::2]
    mark = "came" if whole else "is missing"
    return (
        f"ssh {status[0]}, import {status[1]}, mark of completeness {mark}: "
        f"{''.join(said).strip()[-500:]}"
    )
