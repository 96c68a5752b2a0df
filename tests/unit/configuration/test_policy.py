"""Which policies are carried, and what of a hand-made pipeline is told."""

import json
from typing import Any

from migrate.configuration import paste, policy
from migrate.services.keystone import RECIPE


class Files:
    """A host that has files and nothing else."""

    name = "ctl-a"

    def __init__(self, **texts: str) -> None:
        self.texts = {f"/etc/keystone/{name}": text for name, text in texts.items()}

    def python(self, source: str, payload: Any = None, timeout: float = 60) -> Any:
        return self.texts


def test_only_files_with_rules_are_carried() -> None:
    host = Files(**{"policy.yaml": '"a:b": "role:admin"\n', "policy.d/00_default.yaml": "# x\n"})
    found, findings = policy.carried(host, RECIPE)  # type: ignore[arg-type]
    assert (list(found), findings) == (["/etc/keystone/policy.yaml"], [])


def test_a_json_policy_becomes_the_file_that_is_read() -> None:
    host = Files(**{"policy.json": json.dumps({"a:b": "role:admin"})})
    found, _ = policy.carried(host, RECIPE)  # type: ignore[arg-type]
    assert list(found) == ["/etc/keystone/policy.yaml"]


def test_what_is_no_policy_is_told_with_its_line() -> None:
    host = Files(**{"policy.yaml": "a: b\n c: [\n", "policy.d/x.yaml": "- a\n"})
    found, findings = policy.carried(host, RECIPE)  # type: ignore[arg-type]
    assert found == {}
    assert [str(finding) for finding in findings] == [
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
