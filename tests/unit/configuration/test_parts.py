"""The smaller parts: ini files, transport URLs, horizon's settings, the rules' data."""

import ast

from migrate.checks.finding import Severity
from migrate.cloud.ini import Ini
from migrate.configuration import dashboard, paths, rules, volumes
from migrate.configuration.broker import Account, accounts
from migrate.configuration.mapping import Mapping
from migrate.services import RECIPES


class Disk:
    """A host of which only is known which paths it has."""

    def __init__(self, name: str, *there: str) -> None:
        self.name, self.there = name, there

    def python(self, source: str, payload: list[str], timeout: float = 60) -> list[str]:
        return [path for path in payload if path in self.there]


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
    told: dashboard.Told = {
        "OPENSTACK_KEYSTONE_URL": ("/l.py", 3, "'http://10.0.0.1:5000/v3'"),
        "STATIC_ROOT": ("/l.py", 4, "'/somewhere'"),
        "LOGGING": ("/l.py", 5, "{}"),
        "AUTHENTICATION": ("/l.py", 6, None),
        "OLD_NAME": ("/l.py", 7, "1"),
    }
    mapping = Mapping({"10.0.0.1": "10.9.0.1"})
    names = frozenset({"OPENSTACK_KEYSTONE_URL", "STATIC_ROOT", "LOGGING"})
    made, findings = dashboard.translate(told, "ctl", mapping, names)
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(made.text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert values == {
        "OPENSTACK_KEYSTONE_URL": "http://10.9.0.1:5000/v3",
        "OLD_NAME": 1,
        "STATIC_ROOT": "/var/lib/horizon/static",
        "COMPRESS_OFFLINE": True,
    }
    assert (made.mode, made.owner) == (0o640, "root:horizon")
    assert [(f.severity, f.where) for f in findings] == [
        (Severity.WARNING, "ctl:/l.py:6"),
        (Severity.INFO, "ctl:/l.py:5"),
        (Severity.INFO, "ctl:/l.py:7"),
    ]


def test_rules_concern_files_that_recipes_translate() -> None:
    translated = {config.path for recipe in RECIPES for config in recipe.configs}
    projects = {recipe.project for recipe in RECIPES}
    document = rules.document()
    assert {row["file"] for row in document["settings"]} <= translated
    assert document["backend_host"]["file"] in translated
    for key in ("settings", "dynamic", "auth_groups", "identity", "gone"):
        assert {row["project"] for row in document[key]} <= projects | {"*"}
    assert all(row["why"] and row["source"] for row in document["settings"])


def test_a_setting_waits_for_its_release() -> None:
    values = {"venv": "/v", "compute_alias": "caracal", "source_name": "c"}
    named = {s.option for s in rules.of("nova", values, "2025.1").settings}
    assert "compute" in named
    assert "manager_shutdown_timeout" not in named


def test_volumes_of_a_backend_that_nobody_would_serve() -> None:
    text = "[DEFAULT]\nenabled_backends = nfs1, Gold\n[nfs1]\nbackend_host = ctl-a\n"
    text += "[Gold]\nbackend_host = rbd:gold\n"
    used = {"ctl-a@nfs1#nfs1": 4, "rbd:gold@Gold": 1, "ctl-b@nfs1#x": 2, "ctl-b@nfs1#y": 1}
    found = volumes.unserved(used, [{"/etc/cinder/cinder.conf": text}])
    assert [finding.message for finding in found] == [
        "3 volume(s) are of ctl-b@nfs1, which no cinder-volume of the target would serve"
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
