"""Who cannot log in is named, with the entry of clouds.yaml that says how."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from migrate.checks import agents, operations
from migrate.cloud import Context, login, serving
from migrate.cloud.settings import CloudsFile
from tests.checked import check_of
from tests.unit import fakes


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A cloud whose keystone does not answer."""
    user = {"username": "u", "password": "p", "project_name": "p"}
    entry = {"auth": {"auth_url": "http://127.0.0.1:9/v3", **user}}
    file = tmp_path / "clouds.yaml"
    file.write_text(json.dumps({"clouds": {"prod": entry, "ann": entry}}))
    context, _ = fakes.context(tmp_path)
    cloud = CloudsFile(name="prod", file=file)
    return replace(context, settings=context.settings.model_copy(update={"cloud": cloud}))


@pytest.mark.parametrize(
    ("name", "who", "entry"),
    [(login.ADMIN, "the administrator", "prod"), ("ann", "user ann", "ann")],
)
def test_who_cannot_log_in_is_named(context: Context, name: str, who: str, entry: str) -> None:
    with pytest.raises(login.LoginError, match=f"{who} cannot log in: .") as found:
        login.api(context, name=name)
    assert f"entry '{entry}' of clouds.yaml" in found.value.remedy
    url = re.escape("http://127.0.0.1:9/v3/auth/tokens")
    assert re.search(rf"to {url}: \[Errno 111\] Connection refused$", found.value.message)
    assert found.value.exit_code == 3


@pytest.mark.parametrize("there", [True, False])
def test_an_entry_that_there_is_not_is_told_with_those_there_are(
    context: Context, there: bool
) -> None:
    file = context.settings.cloud.file
    assert file
    if not there:
        file.unlink()
    told = (
        f"{file} has no such entry; there are: prod, ann" if there else f"there is no file {file}"
    )
    with pytest.raises(login.LoginError, match=f"user bob cannot log in: {re.escape(told)}"):
        login.api(context, name="bob")


def test_one_check_tells_it_and_the_others_ask_nothing(context: Context) -> None:
    (told,) = check_of(agents).run(context)
    assert "the administrator cannot log in" in told.message
    assert "'prod'" in told.remedy
    assert agents.administrator(context) is None
    assert check_of(operations).run(context) == []
    assert serving.unanswered(context, 0) == ["identity"]
