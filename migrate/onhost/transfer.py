"""Files that another host sends: here they are whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile


def pull(command: list[str], folder: str, incoming: str, names: list[str]) -> str:
    """Put *names*, which *command* is asked for and sends, into *folder*; "" or what is wrong.

    They come to *incoming* first, a folder on the same file system.
    """
    shutil.rmtree(incoming, ignore_errors=True)
    os.mkdir(incoming, 0o700)
    try:
        if wrong := _receive(command, incoming, names):
            return wrong
        for name in names:
            place = os.path.join(folder, name)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.replace(os.path.join(incoming, name), place)
        return ""
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _receive(command: list[str], incoming: str, names: list[str]) -> str:
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as errors:
        asked.write(b"".join(os.fsencode(name) + b"\0" for name in names))
        asked.seek(0)
        with subprocess.Popen(command, stdin=asked, stdout=subprocess.PIPE, stderr=errors) as sent:
            argv = ["tar", "-x", "-p", "-f", "-", "-C", incoming]
            taken = subprocess.run(argv, stdin=sent.stdout, stderr=errors, check=False)
        missing = [n for n in names if not os.path.isfile(os.path.join(incoming, n))]
        if not (sent.returncode or taken.returncode or missing):
            return ""
        errors.seek(0)
        said = errors.read()[-500:].decode(errors="replace").strip()
    return (
        f"ssh {sent.returncode}, tar {taken.returncode}, "
        f"{len(missing)} missing {missing[:3]}: {said}"
    )
