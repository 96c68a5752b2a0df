"""How checks are run together, and what the words of the source's own tools mean."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from migrate import checks
from migrate.checks import Check, agents, path, upgrade_status
from migrate.cloud import Context, login
from migrate.cloud.api import ApiError
from migrate.configuration import service_options
from migrate.engine.finding import Finding, Severity
from migrate.errors import PreconditionError, UnreachableError
from migrate.services import glance, neutron, nova
from migrate.services.base import Recipe
from tests.checked import check_of

NOBODY = cast(Context, None)
TABLE = """
+---------------------------------------------------------------+
| Upgrade Check Results                                         |
+---------------------------------------------------------------+
| Check: Cells v2                                               |
| Result: Success                                               |
| Details: None                                                 |
+---------------------------------------------------------------+
| Check: Check trust policies are not empty                     |
| Result: Warning                                               |
| Details: Failed to connect to OVN. Error: Could not           |
|   retrieve schema                                             |
+---------------------------------------------------------------+
| Check: Older than N-1 computes                                |
| Result: Failure                                               |
| Details: Current Nova version does not support computes older |
|   than Caracal                                                |
+---------------------------------------------------------------+
"""


def raising(error: Exception) -> Check:
    def run(_: Context) -> list[Finding]:
        raise error

    return Check("broken", run)


def finding(severity: Severity) -> Check:
    return Check("whole", lambda _: [Finding("", severity, "found", "mend")])


def test_a_check_that_breaks_is_a_finding_and_hides_no_other() -> None:
    found = checks.run(NOBODY, (raising(ValueError("odd")), finding(Severity.WARNING)))
    assert [one.check for one in found] == ["broken", "whole"]
    assert "ValueError: odd" in found[0].message
    assert found[0].severity is Severity.ERROR


def test_the_same_trouble_of_several_checks_is_told_once() -> None:
    error = PreconditionError("ctl: MariaDB does not let root in")
    assert len(checks.run(NOBODY, (raising(error), raising(error)))) == 1


def test_a_host_that_is_away_is_never_passed_over_in_silence() -> None:
    found = checks.run(NOBODY, (raising(UnreachableError("ctl: cannot be reached")),))
    assert [one.severity for one in found] == [Severity.ERROR]
    assert "broken" in found[0].message


def test_a_skip_is_told_also_where_no_host_answers() -> None:
    clouds = SimpleNamespace(release="2024.1"), SimpleNamespace(release="2026.1")
    context: Any = SimpleNamespace(source=clouds[0], target=clouds[1])
    found = checks.run(context, (check_of(path), raising(UnreachableError("away"))))
    assert "2024.1 to 2025.1, then 2025.1 to 2026.1" in found[0].message
    assert found[0].severity is Severity.ERROR


def test_the_table_of_an_upgrade_check() -> None:
    assert upgrade_status.entries(TABLE) == [
        ("Cells v2", "Success", ""),
        (
            "Check trust policies are not empty",
            "Warning",
            "Failed to connect to OVN. Error: Could not retrieve schema",
        ),
        (
            "Older than N-1 computes",
            "Failure",
            "Current Nova version does not support computes older than Caracal",
        ),
    ]


@pytest.mark.parametrize(
    ("status", "output", "severities"),
    [
        (0, "", []),
        (2, TABLE, ["warning", "error"]),
        (1, TABLE.partition("| Check: Older")[0], ["warning"]),
        (1, "Traceback: KeyError", ["error"]),
        (2, "", ["error"]),
        (255, "Unknown column instances.compute_id", ["error"]),
        (124, "", ["error"]),
        (255, TABLE, ["warning", "error", "error"]),
    ],
)
def test_what_an_exit_status_means(status: int, output: str, severities: list[str]) -> None:
    found = upgrade_status.judge("nova-status upgrade check", status, output)
    assert [one.severity for one in found] == severities


class FakeApi:
    """Answers `pages` from a mapping of paths."""

    def __init__(self, answers: dict[str, list[dict[str, Any]]]) -> None:
        self.answers = answers
        self.bases = dict.fromkeys(("compute", "network"), "")

    def pages(self, _: str, path: str, __: str, **___: str) -> list[dict[str, Any]]:
        return self.answers[path]


def silent(recipe: Recipe, api: Any) -> list[Finding]:
    assert recipe.rest
    assert recipe.rest.workers
    return agents.silent(recipe.rest, recipe.rest.workers, api)


def test_a_compute_that_is_not_heard() -> None:
    row = {"binary": "nova-compute", "host": "cmp1", "status": "enabled", "state": "down"}
    off = {**row, "host": "cmp2", "status": "disabled"}
    api: Any = FakeApi({"/os-services": [row, off, {**row, "state": "up"}]})
    found = silent(nova.RECIPE, api)
    assert [(one.where, one.severity) for one in found] == [
        ("cmp1", Severity.ERROR),
        ("cmp2", Severity.WARNING),
    ]


def test_who_is_heard_of_apis_that_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"binary": "cinder-backup", "host": "ctl", "status": "enabled", "state": "up"}
    api: Any = FakeApi({"/os-services": [row, {**row, "host": "old", "state": "down"}]})
    api.bases = {"volume": "", "network": ""}
    ask = api.pages

    def pages(service: str, *asked: str) -> list[dict[str, Any]]:
        if service == "network":
            raise ApiError("network /agents", 503, "closed")
        return list(ask(service, *asked))

    api.pages = pages
    monkeypatch.setattr(login, "api", lambda _: api)
    assert agents.heard(NOBODY) == [("cinder-backup", "ctl")]


def test_an_agent_that_is_not_heard() -> None:
    row = {"binary": "neutron-l3-agent", "host": "ctl", "admin_state_up": True, "alive": False}
    api: Any = FakeApi({"/agents": [row, {**row, "alive": True}]})
    assert [one.message for one in silent(neutron.RECIPE, api)] == [
        "neutron-l3-agent is not heard by the cloud"
    ]


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("", "/var/lib/glance/images"),
        ("[glance_store]\nfilesystem_store_datadir = /srv/images/\n", "/srv/images"),
        (
            "[DEFAULT]\nbase = /srv\n[glance_store]\ndefault_backend = fast\n"
            "[slow]\nfilesystem_store_datadir = /slow\n[fast]\n"
            "filesystem_store_datadir = ${base}/fast\n",
            "/srv/fast",
        ),
    ],
)
def test_the_folder_of_images_is_that_of_the_default_store(text: str, folder: str) -> None:
    assert glance.RECIPE.images
    assert glance.RECIPE.images.folder(service_options.parsed({"glance-api.conf": text})) == folder
