"""This process, and who it starts, leave the host's network and some of its folders for good."""

import ctypes
import os

from migrate.onhost.systemd import run

NEW_MOUNTS, NEW_NETWORK = 0x00020000, 0x40000000


def leave(hidden: list[str]) -> None:
    """Have a network of our own in which nobody is, and empty folders in place of *hidden*.

    What is listening by a path in one of these cannot be met. OSError where it cannot be done.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_MOUNTS | NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "no network name space of its own can be had here")
    run("mount", "--make-rprivate", "/")
    for folder in hidden:
        about = os.stat(folder) if os.path.isdir(folder) else None
        os.makedirs(folder, exist_ok=True)  # below a folder that is ours already
        run("mount", "-t", "tmpfs", "tmpfs", folder)
        if about:
            os.chown(folder, about.st_uid, about.st_gid)
            os.chmod(folder, about.st_mode & 0o7777)
