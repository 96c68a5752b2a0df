"""`--os-cloud NAME`: an entry of the operator's clouds.yaml, but of this very cloud."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from migrate.cli.commands import migrate
from migrate.cloud import settings
from migrate.errors import SettingsError
from migrate.phases.session import context_of
from tests.unit import fakes

ENTRIES = {
    "admin": "http://10.0.0.9:5000/v3",
    "ann": "http://10.0.0.9:5000/v3",
    "elsewhere": "http://10.9.9.9:5000/v3",
    "nowhere": "http://no-such-host.invalid:5000/v3",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "stacks").mkdir()
    config = {f"sidestep:{key}": one for key, one in fakes.STACK.items()}
    config["sidestep:cloud"] = {"name": "admin", "file": "clouds.yaml"}
    (tmp_path / "stacks/Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
    user = {"username": "admin", "password": "secret", "project_name": "admin"}
    clouds = {name: {"auth": {"auth_url": url, **user}} for name, url in ENTRIES.items()}
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": clouds}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("project")
def test_another_entry_of_this_cloud_is_taken() -> None:
    context = context_of("prod", os_cloud="ann")
    assert context.settings.cloud.name == "ann"
    assert context.settings.cloud.file == settings.load("prod").cloud.file
    assert context_of("prod").settings.cloud.name == "admin"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bob", "clouds.yaml has no such entry; there are: admin, ann, elsewhere, nowhere"),
        ("elsewhere", r"'http://10.9.9.9:5000/v3' is at no virtual IP of this cloud \(10.0.0.9\)"),
        ("nowhere", "is at no virtual IP of this cloud"),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_is_no_entry_of_this_cloud_is_refused(name: str, words: str) -> None:
    with pytest.raises(SettingsError, match=f"--os-cloud {name}: .*{words}"):
        context_of("prod", os_cloud=name)


@pytest.mark.parametrize(
    "text", ["- a", "clouds: 3", "clouds: {ann: {}}", "clouds: {ann: {auth: 1}}"]
)
def test_a_file_that_openstacksdk_cannot_use_is_one_line(project: Path, text: str) -> None:
    (project / "clouds.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"clouds\.yaml cannot be used: ."):
        context_of("prod", os_cloud="ann")


def test_commands_that_ask_the_apis_have_it() -> None:
    having = {
        name
        for name, command in migrate.commands.items()
        if any("--os-cloud" in one.opts for one in command.params)
    }
    assert having == {"abort", "check", "cutover", "finish", "rollback", "settle", "verify"}
