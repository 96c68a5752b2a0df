"""The smaller parts: ini files, transport URLs, horizon's settings, the rules' data."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud.addresses import Mapping
from migrate.cloud.ini import Ini
from migrate.configuration import dashboard, paths, volumes
from migrate.configuration.broker import Account, accounts
from migrate.engine.finding import Severity
from migrate.onhost import dashboard as onhost
from migrate.services import RECIPES, cinder, nova


class Disk:
    """A host of which only is known which paths it has."""

    def __init__(self, name: str, *there: str) -> None:
        self.name, self.there = name, there

    def python(self, source: str, payload: Any, *_: object) -> list[str]:
        (paths,) = payload["arguments"]
        return [path for path in paths if path in self.there]


EVERYTHING = "[DEFAULT]\na=1\n[S]\nb : 2\n c\n#x\n\n[s]\nb = 'q'\n d\nbroken\n"


def test_ini_keeps_every_byte() -> None:
    for text in (EVERYTHING, EVERYTHING.rstrip("\n"), "", "\n", "[x]", "[x]\r\na = 1\r\n"):
        assert Ini.parse(text).text() == text


def test_ini_reads_as_oslo_does() -> None:
    ini = Ini.parse(EVERYTHING)
    told = [(o.section, o.name, o.value) for o in ini.options()]
    assert told == [("DEFAULT", "a", "1"), ("s", "b", "2\nc"), ("s", "b", "q\nd")]
    assert [line.number for line in ini.broken()] == [11]
    assert ini.get("s", "b") == "q\nd"


def test_ini_put_replaces_all_repeats() -> None:
    ini = Ini.parse("[x]\na = 1\nb = 2\na = 3\n")
    ini.put("x", "a", "4")
    assert ini.text() == "[x]\na = 4\nb = 2\n"


def test_ini_put_into_default_of_a_file_without_heading() -> None:
    ini = Ini.parse("# head\n[x]\na = 1")
    ini.put("DEFAULT", "debug", "true")
    ini.put("x", "b", "2")
    reread = Ini.parse(ini.text())
    assert (reread.get("DEFAULT", "debug"), reread.get("x", "b")) == ("true", "2")
    assert reread.get("x", "a") == "1"


def test_accounts_of_transport_urls() -> None:
    url = "rabbit://o:p%40w@10.0.0.1:5672,other:x@10.0.0.2:5672/cloud%2f1?ssl=1"
    assert accounts(url) == {Account("o", "p@w", "cloud/1"), Account("other", "x", "cloud/1")}
    assert accounts("rabbit://o:p@10.0.0.1:5672/") == {Account("o", "p", "/")}
    assert accounts("rabbit://10.0.0.1/") == set()
    assert accounts("amqp1://o:p@h/") == accounts("none") == set()


def test_an_account_does_not_show_its_password() -> None:
    assert "secret" not in repr(Account("o", "secret", "/"))


def test_horizon_is_plain_values_and_our_folders() -> None:
    told = dashboard.DjangoSettings(
        settings=(
            dashboard.Setting(
                "OPENSTACK_KEYSTONE_URL", "", "/l.py", 3, "'http://10.0.0.1:5000/v3'"
            ),
            dashboard.Setting("STATIC_ROOT", "", "/l.py", 4, "'/somewhere'"),
            dashboard.Setting("LOGGING", "", "/l.py", 5, "{}"),
            dashboard.Setting("AUTHENTICATION", "", "/l.py", 6, None),
            dashboard.Setting("OLD_NAME", "", "/l.py", 7, "1"),
            dashboard.Setting("CACHES", "", "/l.py", 8, None),
            dashboard.Setting("HORIZON_CONFIG", "help_url", "/l.py", 9, "'http://h/'"),
        ),
        wrong=(("", 0, "API_RESULT_LIMIT"), ("/l.py", 10, "reads its environment")),
    )
    mapping = Mapping({"10.0.0.1": "10.9.0.1"})
    names = {"OPENSTACK_KEYSTONE_URL", "STATIC_ROOT", "LOGGING", "CACHES", "HORIZON_CONFIG"}
    made, findings = dashboard.translate(told, "ctl", mapping, frozenset(names))
    assert made.text.splitlines()[1:] == [
        "from openstack_dashboard.settings import HORIZON_CONFIG",
        "HORIZON_CONFIG['help_url'] = 'http://h/'",
        "OLD_NAME = 1",
        "OPENSTACK_KEYSTONE_URL = 'http://10.9.0.1:5000/v3'",
        "STATIC_ROOT = '/var/lib/horizon/static'",
        "COMPRESS_OFFLINE = True",
    ]
    assert (made.mode, made.owner) == (0o640, "root:horizon")
    assert [(f.severity, f.where) for f in findings] == [
        (Severity.ERROR, "ctl:horizon"),
        (Severity.ERROR, "ctl:/l.py:10"),
        (Severity.WARNING, "ctl:/l.py:6"),
        (Severity.ERROR, "ctl:/l.py:8"),
        (Severity.INFO, "ctl:/l.py:5"),
        (Severity.INFO, "ctl:/l.py:7"),
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("A = B = 1\nC, (D, *E) = f()\n", "ABCDE"),
        ("if x:\n    A = 1\nelse:\n    B += 1\n", "AB"),
        ("try:\n    from site import A\nexcept ImportError:\n    B: int = 1\n", "B"),
        ("A['x']['y'] = 1\nB.update(x=1)\nC.setdefault('x', {}).update(y=1)\ndel D['x']\n", "ABCD"),
        ("for A in (1, 2):\n    with B() as C:\n        pass\n", "AC"),
        ("a = A + f(B)\ndef f():\n    C = 1\nclass X:\n    D = 1\nprint(E)\n", ""),
    ],
)
def test_what_a_file_of_horizon_changes(text: str, names: str) -> None:
    assert sorted(onhost.touched(ast.parse(text))) == sorted(names)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [("x", 1.5, None)]}, "{'a': [('x', 1.5, None)]}"),
        (b"key", "b'key'"),
        ({1}, "{1}"),
        (re.compile("x"), None),
        (float("nan"), None),
        (Path("/etc"), None),
        ({"a": print}, None),
    ],
)
def test_values_of_horizon_that_read_back_equal(value: object, text: str | None) -> None:
    assert onhost.literal(value) == text


def test_the_targets_django_has_the_last_word() -> None:
    text = "from openstack_dashboard.settings import H\nH['a'] = 1\nB = '/x'\nC = {'y': 2}\n"
    good: dict[str, Any] = {"values": {"H": {"a": "1", "b": None}, "B": "'/x'", "C": "{'y': 2}"}}
    good |= {"lost": [], "apps": [], "policies": {"p.yaml": ["a"]}}
    assert [*dashboard.objections(text, good, {"p.yaml": ["a"]})] == []
    (other,) = dashboard.objections(text, good, {"p.yaml": ["b"]})
    assert "p.yaml has rules of this site" in other.message
    bad: dict[str, Any] = {
        "values": {"H": {}, "B": "'/x/'"},
        "lost": ["a.Gone"],
        "apps": ["heat"],
        "policies": {},
    }
    told = [one.message for one in dashboard.objections(text, bad, {})]
    assert [" ".join(one.split()[:2]) for one in told] == [
        *("name a.Gone,", "heat has"),
        *("H['a'] comes", "B comes", "C comes"),
    ]
    (failed,) = dashboard.objections(text, {"failed": "ImportError: no x"}, {})
    assert failed.severity is Severity.ERROR


def test_rules_concern_files_that_recipes_translate() -> None:
    for recipe in RECIPES:
        paths = {config.path for config in recipe.configs}
        assert {one.file for one in recipe.rules.settings} <= paths
        assert all(one.why and one.source for one in recipe.rules.settings)
        if recipe.rules.backend_host:
            assert recipe.rules.backend_host.file in paths


def test_a_setting_waits_for_its_release() -> None:
    values = {"tools": "/v/bin", "compute_alias": "caracal", "source_name": "c"}
    named = {s.option for s in nova.RECIPE.rules.on_target(values, "2025.1").settings}
    assert "compute" in named
    assert "manager_shutdown_timeout" not in named


def test_volumes_of_a_backend_that_nobody_would_serve() -> None:
    text = "[DEFAULT]\nenabled_backends = nfs1, Gold\n[nfs1]\nbackend_host = ctl-a\n"
    text += "[Gold]\nbackend_host = rbd:gold\n"
    used = {"ctl-a@nfs1#nfs1": 4, "rbd:gold@Gold": 1, "ctl-b@nfs1#x": 2, "ctl-b@nfs1#y": 1}
    rule = cinder.RECIPE.rules.backend_host
    assert rule
    found = volumes.unserved(cinder.RECIPE, rule, used, [{"/etc/cinder/cinder.conf": text}])
    assert [finding.message for finding in found] == [
        "3 volume(s) are of ctl-b@nfs1, which no controller of the target would serve"
    ]


def test_a_file_that_an_option_names_and_that_would_be_missing() -> None:
    text = (
        "[ssl]\nca = /etc/ssl/ours.pem\ncert = /etc/ssl/both.pem\nkey = /etc/nowhere.pem\n"
        "logs = /var/log/nova\nlist = /etc/x/a.conf, /etc/ssl/ours.pem\ntext = /etc and more\n"
        "folder = /etc/nova/\n"
        "[db]\nconnection = mysql://n:x@h/n?ssl_key=/etc/ssl/both.pem&ssl_ca=/etc/ssl/ours.pem\n"
    )
    source = Disk("ctl", "/etc/ssl/ours.pem", "/etc/ssl/both.pem", "/var/log/nova", "/etc/nova")
    target = Disk("new", "/etc/ssl/both.pem")
    found = paths.findings(
        source,  # type: ignore[arg-type]
        target,  # type: ignore[arg-type]
        {"/etc/nova/nova.conf": text},
        ["/etc/nova/nova.conf", "/etc/x/a.conf"],
    )
    assert [finding.where for finding in found] == [
        "ctl:/etc/nova/nova.conf:2",
        "ctl:/etc/nova/nova.conf:6",
        "ctl:/etc/nova/nova.conf:10",
    ]
