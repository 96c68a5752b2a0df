"""What a release's services need of records: roles, tokens, trusts, and no older services."""

from __future__ import annotations

from typing import Any

import pytest

from migrate import services
from migrate.checks import leftovers, tokens, trusts
from migrate.checks.trusts import Trust
from migrate.configuration import service_options
from migrate.errors import PreconditionError

SENT = "send_service_user_token = true\n"
LOGIN = "username = {0}\nuser_domain_name = Default\nproject_name = service\n"
NOVA = f"[keystone_authtoken]\n{LOGIN}[service_user]\n{SENT}{LOGIN}".format("nova")
WANTED = {"nova": ["service"], "cinder": ["service"]}


USERS = {"nova": "default", "cinder": "default", "twice": "default", "ldap": "d2"}
HELD = {
    "nova": [("service", "service"), ("admin", "service")],
    "cinder": [("admin", "service")],
    "ldap": [("service", "other")],
    "twice": [("service", "service")],
}


class Keystone:
    """Users by domain, and the roles that each holds by project; answers as the API does."""

    def pages(self, _: str, path: str, __: str, **query: str) -> list[dict[str, Any]]:
        if path == "/domains":
            return [{"id": {"Default": "default", "D2": "d2"}[query["name"]]}]
        if path == "/users":
            name, domain = query["name"], query.get("domain_id")
            there = name in USERS and domain in (None, USERS[name])
            return [{"id": name}] * (there + (name == "twice" and domain is None))
        return [
            {"role": {"name": role}, "scope": {"project": {"id": "p", "name": project}}}
            for role, project in HELD[query["user.id"]]
        ]


@pytest.mark.parametrize(
    ("text", "wanted", "told"),
    [
        (NOVA, WANTED, ""),
        # nova's guide to service user tokens: the role must be in the list of who is called
        (NOVA, {**WANTED, "cinder": ["cinder_service"]}, "nova does not hold the role cinder_ser"),
        (NOVA.replace("nova", "cinder"), WANTED, "does not hold the role service in project serv"),
        # the role in another project than the one that the service logs in to
        (
            NOVA.replace("nova", "ldap").replace("Default", "D2"),
            WANTED,
            "in project service, which",
        ),
        (NOVA.replace("Default", "D2"), WANTED, "is not known to keystone"),
        (
            NOVA.replace("nova", "twice").replace("user_domain_name = Default", ""),
            WANTED,
            "several",
        ),
        # an auth_section, and the old names of options
        (f"[a]\n{LOGIN.format('nova')}[keystone_authtoken]\nauth_section = a\n", WANTED, ""),
        ("[keystone_authtoken]\nuser-name = nova\ntenant_name = service\n", WANTED, ""),
        ("[keystone_authtoken]\npassword = x\n", WANTED, "[keystone_authtoken] of nova names no"),
        (
            f"{NOVA.partition('[service')[0]}[service_user]\n{SENT}",
            WANTED,
            "[service_user] of nova",
        ),
    ],
)
def test_who_vouches(text: str, wanted: dict[str, list[str]], told: str) -> None:
    api: Any = Keystone()
    given = service_options.parsed({"nova.conf": text})
    found = list(dict.fromkeys(tokens._roles(api, "nova", given, wanted)))
    assert bool(found) is bool(told)
    assert all(told in one.message and one.remedy for one in found), found


def test_a_login_that_was_pasted_from_the_guide_is_refused() -> None:
    """nova's guide to service user tokens has `$USER_DOMAIN_NAME` in it."""
    text = NOVA.replace("Default", "$USER_DOMAIN_NAME")
    with pytest.raises(PreconditionError, match=r"refers to \$USER_DOMAIN_NAME"):
        tokens.login(service_options.parsed({"nova.conf": text}), "service_user")


@pytest.mark.parametrize(
    ("trust", "told"),
    [
        ("good", ""),
        ("", "cannot open"),
        ("nobody", "is not there"),
        ("expired", "has expired"),
        ("more", "does not hold any more"),
        ("unasked", ""),
    ],
)
def test_trusts_of_stacks(trust: str, told: str) -> None:
    known = {
        "good": Trust("u", "p", "", frozenset({"r"})),
        "expired": Trust("u", "p", "has expired", frozenset({"r"})),
        "more": Trust("u", "p", "", frozenset({"r", "gone"})),
        "unasked": Trust("u", "q", "", frozenset({"r"})),
    }
    found = trusts.judge(trust, known, {("u", "p"): frozenset({"r", "s"})})
    assert (told in found) if told else found == ""


def test_many_stacks_are_one_finding() -> None:
    (heat,) = services.chosen(("heat",))
    assert heat.trusts
    found = trusts._finding("ctl", heat.trusts, "has expired", [f"s{one}" for one in range(12)])
    assert found.message.startswith("12 stack(s) act by a trust that has expired: s0, s1, ")
    assert "s9 and 2 more" in found.message


def _too_old(project: str, rows: list[dict[str, Any]], release: str) -> list[tuple[str, str]]:
    (recipe,) = services.chosen((project,))
    assert recipe.oldest
    return list(recipe.oldest.judge(rows, release, leftovers.least(release)))


def test_records_of_computes_that_are_too_old() -> None:
    """nova's note prevent-starting-services-with-old-compute: a dead one that nobody deleted."""
    rows = [{"host": host, "version": level} for host, level in (("a", 68), ("b", 66), ("c", None))]
    told = [*_too_old("nova", rows, "2026.1")]
    assert [message.split(" of level")[0] for message, _ in told] == [
        "nova keeps a nova-compute at b",
        "nova keeps a nova-compute at c",
    ]
    assert _too_old("nova", rows[:2], "2025.1") == []
    assert _too_old("nova", rows, "1.0") == []


def test_records_of_cinder_that_are_too_old() -> None:
    """cinder's guide to upgrades: CappedVersionUnknown means orphaned records."""
    rows: list[dict[str, Any]] = [
        {"host": "ctl", "binary": "cinder-scheduler", "objects": "1.39", "rpc": "3.12"},
        {"host": "ctl@nfs", "binary": "cinder-volume", "objects": "1.39", "rpc": "3.19"},
        {"host": "gone@lvm", "binary": "cinder-volume", "objects": "1.9", "rpc": "3.2"},
        {"host": "old", "binary": "cinder-backup", "objects": None, "rpc": None},
    ]
    assert _too_old("cinder", rows[:2], "2026.1") == []
    told = dict.fromkeys(_too_old("cinder", rows, "2026.1"))
    assert [message.split(" of an older")[0] for message, _ in told] == [
        "cinder keeps a record of cinder-volume gone@lvm",
        "cinder keeps a record of cinder-backup old",
    ]
    assert all("cinder-manage service remove" in remedy for _, remedy in told)
