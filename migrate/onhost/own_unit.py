"""A unit of ours that stands here by itself, with the programs that it runs; and no trace of it."""

from collections.abc import Mapping

from migrate.onhost import disk, systemd


def put_up(unit: str, text: str, folder: str, programs: Mapping[str, str]) -> None:
    """Install *unit*, which finds *programs* below *folder*, now and at each boot; begin anew."""
    inner = f"{folder}/migrate/onhost"
    disk.make_private(inner)
    for path in (f"{folder}/migrate/__init__.py", f"{inner}/__init__.py"):
        disk.write(path, "", 0o600)
    for name, program in programs.items():
        disk.write(f"{inner}/{name}.py", program, 0o600)
    disk.write(f"{systemd.UNITS}/{unit}", text, 0o644)
    systemd.run("systemctl", "daemon-reload")
    systemd.run("systemctl", "enable", "--quiet", unit)
    systemd.run("systemctl", "restart", unit)


def remove(unit: str) -> None:
    """End *unit*, which is none any more; safe to repeat."""
    systemd.run("systemctl", "disable", "--quiet", "--now", unit, check=False)
    if disk.remove(f"{systemd.UNITS}/{unit}"):
        systemd.run("systemctl", "daemon-reload")
