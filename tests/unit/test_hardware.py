"""By what a machine is told from another: real files in the place of the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.onhost import hardware


@pytest.fixture
def sys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    names = ("product_uuid", "product_serial")
    monkeypatch.setattr(hardware, "BOARD", tuple(str(tmp_path / one) for one in names))
    monkeypatch.setattr(hardware, "LINKS", str(tmp_path / "net"))
    return tmp_path


def card(sys: Path, name: str, address: str, *, real: bool = True) -> None:
    link = sys / "net" / name
    (link / "device" if real else link).mkdir(parents=True)
    (link / "type").write_text("1\n")
    (link / "address").write_text(f"{address}\n")


def test_it_is_the_board_that_tells(sys: Path) -> None:
    (sys / "product_uuid").write_text("4C4C4544-0042\n")
    (sys / "product_serial").write_text("CZ3\n")
    card(sys, "eth0", "52:54:00:00:00:01")
    assert hardware.identity() == ["product_uuid 4c4c4544-0042", "product_serial cz3"]


def test_what_makers_leave_in_tells_nothing(sys: Path) -> None:
    (sys / "product_uuid").write_text("00000000-0000-0000-0000-000000000000\n")
    card(sys, "eth0", "52:54:00:00:00:01")
    card(sys, "tap1", "fe:54:00:00:00:02", real=False)
    for word in ("To be filled by O.E.M.", "Default string", "Not Specified", "0123456789", ""):
        (sys / "product_serial").write_text(f"{word}\n")
        assert hardware.identity() == ["address 52:54:00:00:00:01"]


def test_a_card_of_a_bond_has_its_own_address(sys: Path) -> None:
    card(sys, "eth1", "52:54:00:00:00:01")
    (sys / "net/eth1/bonding_slave").mkdir()
    (sys / "net/eth1/bonding_slave/perm_hwaddr").write_text("52:54:00:00:00:07\n")
    assert hardware.identity() == ["address 52:54:00:00:00:07"]


def test_a_container_is_told_by_the_links_that_it_was_given(sys: Path) -> None:
    card(sys, "host0", "9a:54:00:00:00:01", real=False)
    assert hardware.identity() == ["address 9a:54:00:00:00:01"]
