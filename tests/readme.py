"""The commands of the README, as it prints them: demo and tests run these, not copies of them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def commands(block: str) -> list[str]:
    """The lines of the fenced block "```sh <block>"."""
    found = re.search(rf"^```sh {re.escape(block)}\n(.*?)^```", README.read_text(), re.M | re.S)
    if found is None:
        raise LookupError(f"README.md has no block 'sh {block}'")
    return found[1].splitlines()


def run(lines: Iterable[str]) -> None:
    """Run each in a shell, in order; CalledProcessError at the first that fails."""
    for line in lines:
        subprocess.run(["bash", "-c", line], check=True)
