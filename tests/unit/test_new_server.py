"""A new server: from an image where one can be, else from a volume of ours, and nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.cloud import Context, login
from migrate.verify import model, new_server
from tests.unit import booting


@pytest.fixture
def cloud() -> booting.Cloud:
    """One server boots from a volume, another from an image."""
    found = booting.Cloud()
    found.add("db")
    found.add_volume("v", "db")
    found.boots("db", "v")
    return found


@pytest.fixture
def context(tmp_path: Path, cloud: booting.Cloud, monkeypatch: pytest.MonkeyPatch) -> Context:
    return booting.context(tmp_path, cloud, monkeypatch)


def tried(context: Context) -> bool:
    return new_server.tried(context, login.api(context), "c1") is not None


def test_it_boots_from_an_image_where_one_does(cloud: booting.Cloud, context: Context) -> None:
    assert tried(context)
    assert "POST volumes" not in cloud.events
    assert cloud.left == []


@pytest.mark.parametrize("what", ["none boots from an image", "none of these fits"])
def test_it_boots_from_a_volume_elsewhere(
    cloud: booting.Cloud, context: Context, what: str
) -> None:
    if what == "none boots from an image":
        del cloud.servers["web"]
    else:
        cloud.diskless = {"c1"}
    assert tried(context)
    assert cloud.events.count("POST volumes") == 1
    assert cloud.left == []
    assert set(cloud.volumes) == {"v"}


def test_where_neither_fits_there_is_no_room(cloud: booting.Cloud, context: Context) -> None:
    cloud.full = {"c1"}
    assert not tried(context)
    assert cloud.events == []


def test_where_neither_shows_what_it_could_be_made_of_both_are_told(
    cloud: booting.Cloud, context: Context
) -> None:
    cloud.image["status"] = "deactivated"
    with pytest.raises(model.NoServerError, match=r"from an image by hand.*boot one so by hand"):
        tried(context)
    assert cloud.events == []


def test_a_server_of_which_only_the_volume_is_gone_meanwhile_shows_it_all_the_same(
    cloud: booting.Cloud, context: Context
) -> None:
    """As one of ours on another host of the batch."""
    api = login.api(context)
    models = list(model.candidates(api, "c1", from_volume=True))
    del cloud.volumes["v"]
    with new_server.booted(context, api, "c1", models) as one:
        assert one is not None
    assert cloud.left == []
