"""What is a host's own is gathered, read back and put back: real files, a system of fakes."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
from pathlib import Path
from typing import Any

import pytest

from migrate.computes.reinstalling.kept import KEPT
from migrate.onhost import disk, exchange, kept, record, systemd

ME, GROUP = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
SECRET = b"[DEFAULT]\r\npassword = \xff\xfe s\n"


class System:
    """What the host is asked to run, and the units it knows."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.units = {"provider-bridge.service", "libvirtd.service"}

    def run(self, *argv: str, check: bool = True, stdin: str = "") -> str:
        self.ran.append(" ".join(argv))
        return ""

    def show(self, names: Any) -> dict[str, dict[str, str]]:
        state = {"ActiveState": "active", "UnitFileState": "enabled"}
        return {name: state for name in names if name in self.units}


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> System:
    found = System()
    monkeypatch.setattr(systemd, "run", found.run)
    monkeypatch.setattr(systemd, "show", found.show)
    monkeypatch.setattr(systemd, "start", lambda names, _: found.run("start", *names) or [])
    monkeypatch.setattr(exchange, "running", lambda names: {one: {"user": ME} for one in names})
    monkeypatch.setattr(kept, "_switch", dict)
    monkeypatch.setattr(kept, "UNITS", str(tmp_path / "etc/systemd/system"))
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "notes"))
    return found


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Files of a host: a folder with a secret and a link, one that only writes, a unit."""
    own = tmp_path / "etc"
    (own / "nova").mkdir(parents=True)
    (own / "nova/nova.conf").write_bytes(SECRET)
    (own / "nova/nova.conf").chmod(0o640)
    (own / "nova/link").symlink_to("nova.conf")
    (own / "nova").chmod(0o750)
    (own / "log").mkdir(mode=0o700)
    (own / "log/old.log").write_text("much")
    (own / "systemd/system").mkdir(parents=True)
    (own / "systemd/system/provider-bridge.service").write_text("[Service]\n")
    (own / "sysctl.d").mkdir()
    (own / "sysctl.d/10.conf").write_text("of before")
    (own / "network").write_text("of before")
    return own


def gathered(etc: Path, folder: Path) -> dict[str, Any]:
    patterns = [
        [f"{etc}/nova", "back"],
        [f"{etc}/log/", "back"],
        [f"{etc}/systemd/system/*.service", "back"],
        [f"{etc}/sysctl.d", "absent"],
        [f"{etc}/network", "aside"],
        [f"{etc}/none", "back"],
    ]
    units = [["nova-compute"], ["libvirtd.service", "virtqemud.socket"]]
    return kept.gather(str(folder), patterns, [ME], units, "token")


def test_it_comes_back_byte_by_byte_with_owner_mode_and_links(
    system: System, etc: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "kept/cmp1"
    told = gathered(etc, folder)
    assert kept.wrong_in(str(folder)) == []
    assert {one.stat().st_mode & 0o777 for one in folder.rglob("*") if one.is_file()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert told["units"] == {"nova-compute": {"user": ME}}
    assert told["active"] == told["enabled"] == ["libvirtd.service", "provider-bridge.service"]
    shutil.rmtree(etc)
    (etc / "sysctl.d").mkdir(parents=True)
    (etc / "sysctl.d/10.conf").write_text("fresh")
    for _ in range(2):
        kept.put_back(str(folder), [])
        assert (etc / "nova/nova.conf").read_bytes() == SECRET
        assert (etc / "nova/nova.conf").stat().st_mode & 0o777 == 0o640
        assert (etc / "nova").stat().st_mode & 0o777 == 0o750
        assert (etc / "nova/link").readlink() == Path("nova.conf")
        assert list((etc / "log").iterdir()) == []
        assert (etc / "sysctl.d/10.conf").read_text() == "fresh"
        assert not (etc / "network").exists()
    assert "start libvirtd.service provider-bridge.service" in system.ran
    assert "systemctl enable -q libvirtd.service provider-bridge.service" in system.ran


def test_what_a_link_leads_to_is_kept_with_it_and_putting_back_may_be_repeated(
    system: System, etc: Path, tmp_path: Path
) -> None:
    far, folder = tmp_path / "far", tmp_path / "kept/cmp1"
    (far / "policy.d").mkdir(parents=True)
    (far / "policy.d/one.yaml").write_text("mine")
    (far / "secret.conf").write_text("key")
    (etc / "nova/policy.d").symlink_to(far / "policy.d")
    (etc / "nova/secret.conf").symlink_to("../../far/secret.conf")
    (etc / "nova/null").symlink_to("/dev/null")
    (etc / "nova/gone").symlink_to("nowhere")
    gathered(etc, folder)
    shutil.rmtree(etc)
    shutil.rmtree(far)
    (etc / "nova/policy.d").mkdir(parents=True)  # of a package
    for _ in range(2):
        kept.put_back(str(folder), [])
        assert (etc / "nova/policy.d").readlink() == far / "policy.d"
        assert (etc / "nova/policy.d/one.yaml").read_text() == "mine"
        assert (etc / "nova/secret.conf").read_text() == "key"
        assert (etc / "nova/null").readlink() == Path("/dev/null")
    assert not any("null" in path.name for path in (folder / "files").iterdir())


def test_a_folder_that_is_reached_by_a_link_is_the_same_again(
    system: System, etc: Path, tmp_path: Path
) -> None:
    (etc / "nova").rename(tmp_path / "far")
    (etc / "nova").symlink_to(tmp_path / "far")
    folder = tmp_path / "kept/cmp1"
    kept.gather(str(folder), [[f"{etc}/nova/*.conf", "back"]], [], [[], []], "token")
    shutil.rmtree(tmp_path / "far")
    (etc / "nova").unlink()
    for _ in range(2):
        kept.put_back(str(folder), [])
        assert (etc / "nova").readlink() == tmp_path / "far"
        assert (tmp_path / "far/nova.conf").read_bytes() == SECRET


def test_a_folder_in_use_where_a_link_was_is_refused(
    system: System, etc: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "kept/cmp1"
    gathered(etc, folder)
    (etc / "nova/link").unlink()
    (etc / "nova/link/more").mkdir(parents=True)
    with pytest.raises(RuntimeError, match=r"nova/link is a folder with files here and was a link"):
        kept.put_back(str(folder), [])


def test_what_was_changed_since_is_told(system: System, etc: Path, tmp_path: Path) -> None:
    rows = gathered(etc, tmp_path / "kept/cmp1")["rows"]
    patterns = [[f"{etc}/nova", "back"], [f"{etc}/log/", "back"]]
    assert kept.changed(rows, patterns) == []
    (etc / "nova/nova.conf").write_text("since")
    (etc / "nova/new.conf").write_text("since")
    (etc / "nova/folder").mkdir()
    (etc / "nova/link").unlink()
    names = ("link", "new.conf", "nova.conf")
    assert kept.changed(rows, patterns) == [f"{etc}/nova/{one}" for one in names]


def test_nothing_of_it_is_seen_in_what_is_told(system: System, etc: Path, tmp_path: Path) -> None:
    told = gathered(etc, tmp_path / "kept/cmp1")
    assert "password" not in json.dumps(told)


def test_one_that_was_changed_on_its_way_is_named(
    system: System, etc: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "kept/cmp1"
    told = gathered(etc, folder)
    (at,) = (row["at"] for row in told["rows"] if row["path"].endswith("nova.conf"))
    (folder / "files" / at).write_text("cut")
    assert kept.wrong_in(str(folder)) == [f"{etc}/nova/nova.conf"]
    (folder / "files" / at).unlink()
    assert kept.wrong_in(str(folder)) == [f"{etc}/nova/nova.conf"]


def test_an_owner_who_is_not_here_is_told(
    system: System, etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept/cmp1"
    told = gathered(etc, folder)
    told["rows"][0]["user"] = "nobody-knows"
    told["accounts"] = []
    (folder / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(RuntimeError, match="no account nobody-knows here"):
        kept.put_back(str(folder), [])


def test_a_host_that_calls_itself_otherwise_is_refused(
    system: System, etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept/cmp1"
    gathered(etc, folder)
    monkeypatch.setattr(kept, "_names", lambda: {"short": "cmp1.site", "long": "cmp1.site"})
    with pytest.raises(RuntimeError, match="nova would take it for another host"):
        kept.put_back(str(folder), [])


def test_the_journal_goes_on_under_the_machine_s_own_number(
    system: System, etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, folder = etc / "nova/machine-id", tmp_path / "kept/cmp1"
    monkeypatch.setattr(kept, "MACHINE", str(own))
    own.write_text("its own\n")
    gathered(etc, folder)
    own.write_text("of the fresh system\n")
    for _ in range(2):  # what is itself already is left to run
        kept.put_back(str(folder), [])
    assert system.ran.count("systemctl restart systemd-journald") == 1


def test_what_is_spared_stays_as_it_is(system: System, etc: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept/cmp1"
    gathered(etc, folder)
    (etc / "nova/nova.conf").write_text("of the fresh system")
    kept.put_back(str(folder), [f"{etc}/nova/nova"])
    assert (etc / "nova/nova.conf").read_text() == "of the fresh system"
    assert kept.wrong_here(str(folder), []) == [f"{etc}/nova/nova.conf"]


def test_a_system_is_told_from_the_next_by_what_was_left_on_it(system: System) -> None:
    assert kept.system()["token"] == ""
    kept.mark("a")
    assert kept.system()["token"] == "a"


def test_a_folder_on_the_system_s_own_disk_does_not_outlast_it(tmp_path: Path) -> None:
    assert kept.own_disk(str(tmp_path / "none")) == {"why": f"there is no {tmp_path}/none"}
    assert set(kept.own_disk("/etc")) == {"why"}


def test_daemons_of_ceph_are_told_by_their_data_and_by_their_units(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "ceph"
    for one in ("osd", "mon", "bootstrap-osd/ceph.keyring", "crash/posted"):
        (root / one).mkdir(parents=True)
    assert kept.daemons_of_ceph(str(root)) == []
    (root / "osd/ceph-3").mkdir()
    (root / "0a1b2c3d-0000-11ee-8000-525400000001/osd.4").mkdir(parents=True)
    assert kept.daemons_of_ceph(str(root)) == ["osd.4", "osd.ceph-3"]
    told = "ceph-osd@7.service loaded active running Ceph\nceph.target loaded active active x\n"
    monkeypatch.setattr(kept, "_units", lambda: told)
    assert "ceph-osd@7.service" in kept.daemons_of_ceph(str(root))


def test_a_disk_is_known_again_by_what_was_planted(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda _: True)
    fstab = {"/etc/fstab": "UUID=1 / ext4 defaults 0 1\n"}
    plain, write = disk.text_if_there, disk.write

    def written(path: str, text: str, mode: int) -> None:
        if path == "/etc/fstab":
            fstab[path] = text
        else:
            write(path, text, mode)

    monkeypatch.setattr(disk, "text_if_there", lambda p: fstab.get(p) or plain(p))
    monkeypatch.setattr(disk, "write", written)
    own = {"mount": str(tmp_path), "uuid": "6f", "line": f"UUID=6f {tmp_path} ext4 defaults 0 2"}
    with pytest.raises(RuntimeError, match="is not the disk that was there"):
        kept.mount_again(own, "token")
    kept.plant(str(tmp_path), "token")
    kept.mount_again(own, "token")
    assert fstab["/etc/fstab"].count(own["line"]) == 1
    kept.pull_out(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_each_kept_thing_has_its_reason() -> None:
    assert all(one.why and one.paths for one in KEPT)
    paths = [path for one in KEPT for path in one.paths]
    assert len(paths) == len(set(paths))
    assert all(path.startswith("/") for path in paths)
