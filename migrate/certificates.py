"""The files that the source's listeners name, at the same place on the target, for as long."""

from __future__ import annotations

from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from migrate.cloud import Context
from migrate.gate.edit import Section, sections
from migrate.listeners import FILES
from migrate.onhost import call


def named(texts: list[str]) -> list[str]:
    """The paths that `crt`, `ca-file` and the like name, relative ones below their base."""
    found = sections(*texts)
    bases = {word: _last(found, word) for word in ("crt-base", "ca-base")}
    paths = [_last(found, "ssl-dh-param-file")]
    for section in found:
        for words in section.lines if section.kind in ("listen", "frontend") else ():
            for word, path in pairwise(words):
                if words[0] == "bind" and word in FILES:
                    base = bases["crt-base" if word in ("crt", "crt-list") else "ca-base"]
                    paths.append(str(PurePosixPath(base, path)))
    return list(dict.fromkeys(path for path in paths if path.startswith("/")))


def carry(context: Context, texts: list[str]) -> None:
    """Put the source's files in place of whatever is there; that is kept for `give_back`."""
    files = _files(context, texts)
    for host in context.target.controllers:
        call(host, "certificates.put", files)


def carried(context: Context, texts: list[str]) -> bool:
    """Whether the target has the files as the source has them now."""
    files = _files(context, texts)
    return all(call(host, "certificates.same", files) for host in context.target.controllers)


def _files(context: Context, texts: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = call(context.source.first, "certificates.read", named(texts))
    return found


def _last(found: list[Section], word: str) -> str:
    """The value of the last *word* of the global sections; "" where there is none."""
    values = [w[1] for s in found if s.kind == "global" for w in s.lines if w[0] == word and w[1:]]
    return values[-1] if values else ""
