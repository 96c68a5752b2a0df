"""Debian's modules of Ceph in a release's environment: run by that environment's own Python.

No index of packages has `rados` and `rbd`. Each is one file, linked where the environment looks;
with Debian's whole folder on the path the release would find other versions of what it brings.
A link goes on where Debian's package is upgraded. Whoever makes the environment anew takes it away.
"""

import os
import sysconfig

PACKAGED = "/usr/lib/python3/dist-packages"


def linked(modules: list[str]) -> list[str]:
    """Those of *modules* that are linked, and whose file is there."""
    return [one for one in modules if _leads(one) and os.path.exists(_place(one))]


def link(modules: list[str]) -> None:
    """Link each of *modules*; RuntimeError where Debian has none for this Python."""
    for one in modules:
        if not os.path.exists(_packaged(one)):
            raise RuntimeError(
                f"{_packaged(one)} is not there: python3-{one} is of another Python than the "
                "release's environment"
            )
        if not _leads(one):
            staged = f"{_place(one)}.new"
            if os.path.lexists(staged):
                os.unlink(staged)
            os.symlink(_packaged(one), staged)
            os.rename(staged, _place(one))


def unlink(modules: list[str]) -> None:
    """Take our links away."""
    for one in modules:
        if _leads(one):
            os.unlink(_place(one))


def _leads(module: str) -> bool:
    return os.path.islink(_place(module)) and os.readlink(_place(module)) == _packaged(module)


def _file(module: str) -> str:
    return f"{module}{sysconfig.get_config_var('EXT_SUFFIX')}"


def _packaged(module: str) -> str:
    return os.path.join(PACKAGED, _file(module))


def _place(module: str) -> str:
    return os.path.join(sysconfig.get_path("platlib"), _file(module))
