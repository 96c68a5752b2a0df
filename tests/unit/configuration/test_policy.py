"""Which policies are carried, and what of a hand-made pipeline is told."""

import json
from typing import Any

import pytest

from migrate.configuration import paste, policy
from migrate.engine.finding import filled
from migrate.services.keystone import RECIPE


class Files:
    """A host that has files and nothing else."""

    name = "ctl-a"

    def __init__(self, **texts: str) -> None:
        self.texts = {f"/etc/keystone/{name}": text for name, text in texts.items()}

    def python(self, *_: Any) -> Any:
        return self.texts


def test_only_files_with_rules_are_carried() -> None:
    host = Files(**{"policy.yaml": '"a:b": "role:admin"\n', "policy.d/00_default.yaml": "# x\n"})
    found, findings = policy.carried(host, RECIPE, {})  # type: ignore[arg-type]
    assert (list(found), findings) == (["/etc/keystone/policy.yaml"], [])


@pytest.mark.parametrize(
    ("written", "pattern"),
    [
        ("policy_file = custom-policy.yaml", "/etc/keystone/custom-policy.yaml"),
        ("policy_file = /srv/policies/keystone.json", "/srv/policies/keystone.json"),
        ("policy_dirs = ours\npolicy_dirs = /srv/more", "/srv/more/*"),
        ("x = rules\npolicy_dirs = $x.d", None),
        ("x = rules\npolicy_dirs = ${x}/a", "/etc/keystone/rules/a/*"),
    ],
)
def test_policies_are_looked_for_where_the_service_reads_them(
    written: str, pattern: str | None
) -> None:
    """In a folder oslo.policy reads every file, whatever its name ends in."""
    conf = {"/etc/keystone/keystone.conf": f"[Oslo_Policy]\n{written}\n"}
    found, findings = policy.patterns(Files(), RECIPE, conf)  # type: ignore[arg-type]
    assert (pattern in found) if pattern else [one.severity for one in findings] == ["error"]


def test_a_custom_file_stays_where_it_is_named() -> None:
    conf = {"/etc/keystone/keystone.conf": "[oslo_policy]\npolicy_file = ours.json\n"}
    rule = json.dumps({"a:b": "role:admin"})
    host = Files(**{"ours.json": rule, "policy.d/10-ours.yml": rule})
    found, _ = policy.carried(host, RECIPE, conf)  # type: ignore[arg-type]
    assert list(found) == ["/etc/keystone/ours.json", "/etc/keystone/policy.d/10-ours.yml"]


def test_a_json_policy_becomes_the_file_that_is_read() -> None:
    host = Files(**{"policy.json": json.dumps({"a:b": "role:admin"})})
    found, _ = policy.carried(host, RECIPE, {})  # type: ignore[arg-type]
    assert list(found) == ["/etc/keystone/policy.yaml"]


def test_what_is_no_policy_is_told_with_its_line() -> None:
    host = Files(**{"policy.yaml": "a: b\n c: [\n", "policy.d/x.yaml": "- a\n"})
    found, findings = policy.carried(host, RECIPE, {})  # type: ignore[arg-type]
    assert found == {}
    assert [str(one) for one in filled(findings, check="configuration")] == [
        "error [configuration] ctl-a:/etc/keystone/policy.yaml:2: is not YAML. Mend it",
        "error [configuration] ctl-a:/etc/keystone/policy.d/x.yaml: is no mapping of rules. "
        "Mend it",
    ]


def test_a_filter_of_the_operator_is_told() -> None:
    own = "[filter:cors]\npaste.filter_factory = oslo_middleware:CORS.factory\n"
    text = own + "[filter:audit]\npaste.filter_factory = ours.audit:factory\n"
    found = paste.compared("ctl-a:/etc/nova/api-paste.ini", text, own)
    assert [finding.where for finding in found] == ["ctl-a:/etc/nova/api-paste.ini:4"]
    assert paste.compared("x", own, own) == []


OUTPUT = """ERROR:oslo_policy._parser:Failed to understand rule rule:x and
WARNING:oslo_policy.policy:Policies ['volume:get'] reference a rule that is not defined.
WARNING:oslo_policy.policy:Policies ['volume:get'] reference a rule that is not defined.
Invalid rules found
Unknown rule found in policy file: volume:gone
Unknown rule found in policy file: our_team
Failed to parse rule: rule:x and
"""


def test_the_validators_words_become_lines_of_the_file() -> None:
    text = '"our_team": "role:us"\n"volume:get": "rule:x"\n"volume:gone": "rule:x and"\n'
    found = policy.objections("ctl-a:/etc/cinder/policy.yaml", text, OUTPUT)
    assert [(str(one.severity), one.where.rpartition(":")[2]) for one in found] == [
        ("warning", "3"),
        ("error", "3"),
        ("error", "2"),
    ]
