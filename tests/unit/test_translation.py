"""What a compute host's files say of old controllers, and what is read in its place."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from migrate.cloud import Context, addresses
from migrate.cloud.settings import VirtualIp
from migrate.computes import translation
from migrate.computes.translation import Named
from tests.unit import fakes

OLD = addresses.Mapping(
    {"10.0.0.2": "10.0.0.12", "10.0.0.5": "10.0.0.13"},
    {"ctl-old": "ctl-new"},
    frozenset({"10.5.0.2"}),
)
PATH = "/etc/nova/nova.conf"


class Answering(fakes.FakeHost):
    """A host that reaches everything but `shut`; TLS is spoken at `encrypted`."""

    def __init__(self) -> None:
        super().__init__("compute")
        self.shut: list[int] = []
        self.encrypted: list[int] = []

    def answer(self, function: str, payload: Any) -> Any:
        assert isinstance(payload, dict)
        (asked,) = payload["arguments"]
        if payload["function"] == "tls":
            return [port in self.encrypted for _, port in asked]
        assert payload["function"] == "ports"
        return ["refused" if port in self.shut else "open" for _, port in asked]


@pytest.fixture
def host() -> Answering:
    return Answering()


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return fakes.context(tmp_path)[0]


def named(context: Context, host: Answering, text: str, path: str = PATH) -> list[Named]:
    return translation.of(context, host, OLD, {"nova-compute": {path: text}})


LISTED = "['http://10.0.0.9:9292', 'http://10.0.0.9:9292']"
TRANSLATED = {
    "[DEFAULT]\ntransport_url = rabbit://n:10.0.0.2@10.0.0.2:5672/": (
        "rabbit://n:10.0.0.2@10.0.0.9:5672/"
    ),
    "[DEFAULT]\ntransport_url = rabbit://n:a$$b@ctl-old,n:c@10.5.0.2:5672/v": (
        "rabbit://n:a$b@10.0.0.9,n:c@10.0.0.9:5672/v"
    ),
    "[cache]\nmemcache_servers = 10.0.0.2:11211,\n  10.0.0.5:11211": (
        "['10.0.0.9:11211', '10.0.0.9:11211']"
    ),
    "[keystone_authtoken]\nauth_url: 'http://10.0.0.2:5000/v3'": "http://10.0.0.9:5000/v3",
    "[glance]\napi_servers = http://10.0.0.2:9292 , http://10.0.0.5:9292": LISTED,
}


@pytest.mark.parametrize("text", TRANSLATED)
def test_oslo_config_reads_the_virtual_ip_from_files_in_which_the_host_names_others(
    context: Context, host: Answering, text: str, tmp_path: Path
) -> None:
    """And so it does once the operator has run what `migrate check` tells, before the cutover."""
    (own, ours) = (tmp_path / "nova.conf", tmp_path / "sidestep.conf")
    own.write_text(f"# the operator's\n{text}\nlast = 10\n")
    (one,) = named(context, host, own.read_text(), str(own))
    assert one.why == ""
    ours.write_text(f"[{one.line.section}]\n{one.setting}\n")
    assert read(one, own, ours) == TRANSLATED[text]
    assert read(one, own) != TRANSLATED[text]
    (told,) = translation.findings_before([one])
    assert ("sed" in told.remedy) == (told.severity == "error")  # not of a cache
    if "sed" in told.remedy:
        edit = told.remedy.removeprefix("Run there: ").partition(" && ")[0]
        subprocess.run(edit, shell=True, check=True)
        assert named(context, host, own.read_text(), str(own)) == []
        assert read(one, own) == TRANSLATED[text]
        assert own.read_text().endswith("\nlast = 10\n")


def read(one: Named, *paths: Path) -> str:
    """What oslo.config sees of *one* in files *paths*, in that order."""
    conf = cfg.ConfigOpts()
    kind = cfg.ListOpt if "servers" in one.line.name else cfg.StrOpt
    group = None if one.line.section == "DEFAULT" else one.line.section
    conf.register_opt(kind(one.line.name), group=group)
    conf([f"--config-file={path}" for path in paths], default_config_files=[])
    return str((conf[group] if group else conf)[one.line.name])


REFUSED = {
    "[DEFAULT]\nmy_proxy = http://10.0.0.2:9292": "what this option means is not known",
    "[DEFAULT]\ntransport-url = rabbit://n:x@10.0.0.2:5672/": "what this option means is not known",
    "[cache]\nbackend_argument = url:10.0.0.2:11211": "what this option means is not known",
    "[database]\nconnection = mysql+pymysql://n:x@10.0.0.2/n": "asks no database",
    "[DEFAULT]\ntransport_url = rabbit://n:x@10.0.0.2:5671/": "nothing of that kind on port 5671",
    "[DEFAULT]\ntransport_url = amqp-x://n:x@10.0.0.2:5672/": "its value is not understood",
    "[DEFAULT]\ntransport_url = rabbit://n:x@10.0.0.2:$port/": "its value is not understood",
    "[x]\nauth_url = http://10.0.0.2:$port/v3": "its value is not understood",
    "[x]\nauth_url = http://10.0.0.2:5000 http://[10.0.0.2": "its value is not understood",
    "[x]\nauth_url = https://10.0.0.2:5000": "a certificate names one host",
    "[x]\nauth_url = http://10.0.0.2:15000": "nothing of that kind on port 15000",
    "[cache]\nmemcache_servers = 10.0.0.2:9292": "nothing of that kind on port 9292",
    "[x]\nauth_url = http://10.0.0.2:5000\nauth_url = http://h:5000": "it is set more than once",
    "[x]\nauth_url = http://10.0.0.2:8774": "10.0.0.9 does not answer on port 8774",
    "[x]\nauth_url = http://10.0.0.2:9696": "10.0.0.9 speaks TLS on port 9696",
    "[x]\ntransport_url = rabbit://u:p@10.0.0.2:5672/": "10.0.0.9 speaks TLS on port 5672",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_certain_is_refused_with_what_to_write(
    context: Context, host: Answering, text: str
) -> None:
    host.shut, host.encrypted = [8774], [9696, 5672]
    (one,) = named(context, host, f"{text}\n")
    assert REFUSED[text] in one.why
    assert one.value == "" or one.ports[0] in (8774, *host.encrypted)
    (told,) = translation.findings([one], OLD)
    assert told.severity == "error"
    assert "Name 10.0.0.9, the virtual IP, there, or 10.0.0.12, and restart nova" in told.remedy
    (before,) = translation.findings_before([one])
    assert "sed" not in before.remedy


def test_of_several_virtual_ips_it_is_the_one_that_the_host_names(
    context: Context, host: Answering
) -> None:
    more = VirtualIp.model_validate({"address": "192.0.2.9", "interface": "eth1"})
    ips = (*context.source.virtual_ips, more)
    context = replace(context, source=replace(context.source, virtual_ips=ips))
    text = "[DEFAULT]\ntransport_url = rabbit://n:x@10.0.0.2:5672/\n"
    (one,) = named(context, host, text)
    assert one.why == "which virtual IP serves this host is not known"
    (told,) = translation.findings([one], OLD)
    assert told.remedy.startswith("Name the virtual IP there, or 10.0.0.12, and restart")
    glance = "[glance]\nendpoint_override = http://192.0.2.9:9292\n"
    (one,) = named(context, host, text + glance)
    assert (one.why, one.value) == ("", "rabbit://n:x@192.0.2.9:5672/")
    other = "[cinder]\nendpoint_override = http://10.0.0.9:8776\n"
    (one,) = named(context, host, text + glance + other)
    assert one.why == "which virtual IP serves this host is not known"


def test_an_option_is_told_once_with_all_units_that_read_it(
    context: Context, host: Answering
) -> None:
    """Each unit by its own files: what another reads is no second value of it."""
    text = "[DEFAULT]\ntransport_url = rabbit://n:x@10.0.0.2:5672/\n"
    texts = {"a": {PATH: text}, "b": {PATH: text}, "c": {"/etc/c.conf": text.replace(":x@", ":y@")}}
    one, two = translation.of(context, host, OLD, texts)
    assert (one.path, one.units, one.why) == ("/etc/c.conf", ("c",), "")
    assert (two.path, two.units, two.why) == (PATH, ("a", "b"), "")


def test_no_secret_is_told(context: Context, host: Answering) -> None:
    text = "[DEFAULT]\ntransport_url = rabbit://n:s3cret@10.0.0.2:5672/s3cret\n"
    found = named(context, host, text)
    told = [*translation.findings(found, OLD), *translation.findings_before(found)]
    assert len(told) == 2
    assert "s3cret" not in f"{found} {told}"
