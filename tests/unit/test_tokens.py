"""Tokens from before the move are kept until they were tried, and no longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrate.cloud import login
from migrate.verify import live, views
from tests.unit import fakes


class Session:
    """Stands for keystoneauth's: hands out a token, and answers whether one is good."""

    def __init__(self, refused: str = "", hours: float = 1) -> None:
        self.refused = refused
        until = datetime.now(UTC) + timedelta(hours=hours)
        catalogue = SimpleNamespace(get_urls=lambda **_: ())
        access = SimpleNamespace(auth_token="before", expires=until, service_catalog=catalogue)
        self.auth = SimpleNamespace(auth_url="http://vip:5000/v3", get_access=lambda _: access)

    def get_token(self) -> str:
        return "fresh"

    def get(self, url: str, headers: dict[str, str], **_: Any) -> Any:
        refused = headers["X-Auth-Token"] == self.refused
        return SimpleNamespace(status_code=404 if refused else 200)


def cloud(monkeypatch: pytest.MonkeyPatch, session: Session) -> None:
    monkeypatch.setattr(views, "users", lambda _: ())
    asked = SimpleNamespace(get_region_name=lambda: "one", get_interface=lambda _: "public")
    connection = SimpleNamespace(session=session, config=asked)
    monkeypatch.setattr(login, "connection", lambda *_, **__: connection)


@pytest.mark.parametrize(("refused", "stays"), [("", False), ("before", True), ("fresh", True)])
def test_they_go_once_all_were_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str, stays: bool
) -> None:
    context, _ = fakes.context(tmp_path)
    cloud(monkeypatch, Session(refused))
    views.keep_users(context)
    path = views.tokens_path(context)
    assert path.stat().st_mode & 0o777 == 0o600
    result = live.Verification()
    live._tokens(context, result)
    assert result.document["tokens"] == {"users": 1, "from_before": 1}
    assert path.exists() is stays  # one that was refused is tried again after the repair
    assert result.good is not stays


def test_one_that_is_past_its_time_is_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = fakes.context(tmp_path)
    cloud(monkeypatch, Session("before", hours=-1))
    views.keep_users(context)
    result = live.Verification()
    live._tokens(context, result)
    assert result.good
    assert not views.tokens_path(context).exists()


def test_the_way_back_takes_them_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, _ = fakes.context(tmp_path)
    cloud(monkeypatch, Session())
    views.keep_users(context)
    assert views.kept_tokens(context) == {"admin": "before"}
    views.forget_users(context)
    assert list(tmp_path.iterdir()) == []
