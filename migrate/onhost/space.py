"""What files take on this host, and what its file systems have left, in bytes."""

import os


def below(paths: list[str]) -> list[int]:
    """The size of all files below each of *paths*."""
    return [_size(path) for path in paths]


def _size(path: str) -> int:
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                pass
    return total


def free(paths: list[str]) -> list[list[int]]:
    """The device that each of *paths* is on, or would be, and what is free there."""
    return [_free(path) for path in paths]


def _free(path: str) -> list[int]:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    at = os.statvfs(path)
    return [os.stat(path).st_dev, at.f_bavail * at.f_frsize]
