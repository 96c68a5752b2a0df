"""Monitors' addresses that domains name: a server with none of the new would not start again."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.onhost import monitors_known

DOMAIN = """<domain type='kvm'><name>instance-1</name><uuid>{uuid}</uuid><devices>
<disk type='file'><source file='/var/lib/nova/instances/1/disk.config'/></disk>
{disks}</devices></domain>"""
DISK = "<disk type='network'><source protocol='rbd' name='vms/1_disk'>{hosts}</source></disk>"
RUNNING = "<domstatus state='running'>{}</domstatus>"


def disk(*hosts: str) -> str:
    return DISK.format(hosts="".join(f"<host name='{one}' port='6789'/>" for one in hosts))


@pytest.mark.parametrize(
    ("persistent", "running", "told"),
    [
        ([disk("10.0.0.1", "10.0.0.9")], [disk("10.0.0.1", "10.0.0.9")], []),
        ([disk("10.0.0.1")], [disk("10.0.0.9")], ["one"]),
        ([disk("10.0.0.9")], [disk("10.0.0.1")], ["one"]),
        # the volume was refreshed by a live migration, the root disk was not
        ([disk("10.0.0.1", "10.0.0.9"), disk("10.0.0.1")], [], ["one"]),
        ([disk()], [disk()], []),  # by ceph.conf
        ([disk("10.7.0.1")], [disk("10.7.0.1")], []),  # of another cluster: no reboot changes that
        ([disk("10.7.0.1"), disk("10.0.0.1")], [], ["one"]),
        ([disk("10.0.0.1", "[fd00::9]")], [], []),
        ([], [], []),
    ],
)
def test_each_disk_has_to_name_a_new_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    persistent: list[str],
    running: list[str],
    told: list[str],
) -> None:
    for name, text in (
        ("etc", DOMAIN.format(uuid="one", disks="".join(persistent))),
        ("run", RUNNING.format(DOMAIN.format(uuid="one", disks="".join(running)))),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "instance-1.xml").write_text(text)
    monkeypatch.setattr(monitors_known, "FILES", (f"{tmp_path}/etc/*.xml", f"{tmp_path}/run/*.xml"))
    assert monitors_known.without(["10.0.0.9", "fd00::9"], ["10.0.0.1"]) == told
