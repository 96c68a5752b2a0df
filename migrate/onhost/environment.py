"""A release's environment on a host: brought whole, with this host's own libvirt for servers."""

import glob
import importlib.util
import os
import platform
import shutil
import subprocess
from typing import Any

from migrate.onhost import disk, record, undo
from migrate.onhost.systemd import run

RECORD, UPDATE = "settle-environment", "settle-update"  # of the second see onhost/update.py
STAMP = ".sidestep-settle"  # the last thing that is written: before it nothing counts
LOCK = ".sidestep-lock"
SPARE = 2**30  # bytes that stay free beside it
CACHES = ("/root/.cache/python-entrypoints/*", "/var/lib/*/.cache/python-entrypoints/*")
NO_CACHE = {**os.environ, "XDG_CACHE_HOME": "/dev/null"}  # or one is left in root's home


def system() -> str:
    """What a program that was built elsewhere must find: "Python 3.13, x86_64, glibc 2.41"."""
    python = ".".join(platform.python_version_tuple()[:2])
    return f"Python {python}, {platform.machine()}, {' '.join(platform.libc_ver())}"


def beside(folder: str) -> str:
    """Where the one that does not run stands, of two from different locks."""
    return f"{folder}.beside"


def size(folder: str) -> int:
    """Bytes that *folder* takes."""
    return int(run("du", "-sB1", folder).split()[0])


def claim(folder: str, bytes_: int, servers: bool = True) -> list[str]:
    """Note that *folder* will be ours, unless `unfit` says something."""
    wrong = unfit(folder, bytes_, servers)
    if not wrong:
        record.save(RECORD, {"folder": folder})
    return wrong


def unfit(folder: str, bytes_: int, servers: bool = True) -> list[str]:
    """Why an environment of *bytes_* cannot stand in *folder*; changes nothing.

    Without *servers* nothing of libvirt is needed here.
    """
    above = folder
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    free = shutil.disk_usage(above).free
    wrong = []
    if os.path.lexists(folder) and record.load(RECORD) is None:
        wrong.append(f"{folder} is there and not ours; move it away")
    if free < bytes_ + SPARE:
        wrong.append(f"{above} has {free >> 20} MiB free, it takes {(bytes_ + SPARE) >> 20}")
    if servers and _libvirt() is None:
        wrong.append("python3 finds no libvirt here; install python3-libvirt")
    return wrong


def finish(folder: str, programs: list[str], servers: bool = True) -> list[str]:
    """Link this host's libvirt in, start each of *programs* for its version; what does not work.

    Without *servers* no binding of libvirt or Ceph is needed here.
    """
    packaged = _libvirt() if servers else None
    (packages,) = glob.glob(f"{folder}/lib/python3*/site-packages")
    bindings = ("libvirt*.py", "libvirtmod*.so") if packaged else ()
    for path in [path for one in bindings for path in glob.glob(f"{packaged}/{one}")]:
        place = os.path.join(packages, os.path.basename(path))
        if not os.path.lexists(place):
            os.symlink(path, place)
    # those of Ceph, which came with it and lead to the host's own packages
    absent = [path for path in glob.glob(f"{packages}/*.so") if not os.path.exists(path)]
    wrong = [f"{os.readlink(one)} is not there: install its package" for one in absent if servers]
    python = f"{folder}/bin/python"
    # by its own Python: a script names that of the folder where it will run
    tried = [[python, f"{folder}/bin/{one}", "--version"] for one in programs]
    for argv in [*([[python, "-m", "libvirt"]] if servers else []), *tried]:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, cwd="/", env=NO_CACHE
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["nothing"]
            wrong.append(f"{' '.join(argv)} exited {done.returncode}: {said[0]}")
    if not wrong:
        os.sync()  # the units that name it outlive a power cut, and so must it
        shutil.copyfile(f"{folder}/{LOCK}", f"{folder}/{STAMP}")
    return wrong


def stamp(folder: str, name: str = STAMP) -> str:
    """Which lock the environment in *folder* was made from; "" where there is none, or half."""
    return disk.text_if_there(f"{folder}/{name}").strip()


def remove() -> None:
    """Remove what was brought, half of it too; nothing where nothing was claimed."""
    noted = record.load(RECORD)
    if noted is None:
        return
    for folder in (noted["folder"], beside(noted["folder"])):
        forget_caches(f"{folder}/")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(undo.beside(folder), ignore_errors=True)
    disk.remove_empty(os.path.dirname(noted["folder"]))  # unless another release is there
    record.forget(UPDATE)  # nothing of it is left to go back to
    record.forget(RECORD)


def forget_caches(folder: str) -> None:
    """Remove what programs in *folder* have cached of it in the homes of those who ran them."""
    for pattern in CACHES:
        for path in glob.glob(pattern):
            if folder in disk.text_if_there(path):
                disk.remove(path)


def _libvirt() -> Any:
    """The folder of this host's own binding of libvirt; None where there is none."""
    found = importlib.util.find_spec("libvirt")
    return os.path.dirname(found.origin) if found and found.origin else None
