"""How programs were started, compared with what their files say in their usual places."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from migrate.checks.started import wrongs
from migrate.onhost import configured
from migrate.services.neutron import RECIPE as NEUTRON
from migrate.services.nova import RECIPE as NOVA

MAIN = "/etc/nova/nova.conf"
ONE, OTHER = (
    "[database]\nconnection = mysql://n:x@h/n\n",
    "[database]\nconnection = mysql://n:y@h/n\n",
)


def program(
    texts: dict[str, str], *arguments: tuple[str, list[str]], **more: Any
) -> dict[str, Any]:
    files = sorted({path for _, paths in arguments for path in paths})
    told = {"program": "nova-conductor", "user": "nova", "environment": [], "given": {}}
    return {**told, "arguments": arguments, "files": files, "texts": texts, **more}


@pytest.mark.parametrize(
    ("texts", "arguments", "told"),
    [
        ({MAIN: ONE}, [("file", [MAIN])], ""),
        # a folder that is not named is read before the files that are: the file has its say
        ({MAIN: ONE, f"{MAIN}.d/a.conf": OTHER}, [("file", [MAIN])], "another [database]"),
        ({MAIN: ONE, f"{MAIN}.d/a.conf": "[x]\ny = z\n"}, [("file", [MAIN])], ""),
        ({MAIN: OTHER, f"{MAIN}.d/a.conf": ONE}, [("dir", [f"{MAIN}.d/a.conf"])], ""),
        # as SUSE's crowbar starts cinder-manage: two folders, the second overrides
        (
            {MAIN: ONE, f"{MAIN}.d/a.conf": ONE, "/run/override/b.conf": OTHER},
            [("dir", [f"{MAIN}.d/a.conf"]), ("dir", ["/run/override/b.conf"])],
            "/run/override/b.conf, which is not carried",
        ),
        # as RDO's units do: the distribution's file first
        (
            {MAIN: ONE, "/usr/share/nova/nova-dist.conf": "[DEFAULT]\nlog_dir = /var/log/nova\n"},
            [("file", ["/usr/share/nova/nova-dist.conf"]), ("file", [MAIN])],
            "nova-dist.conf, which is not carried",
        ),
        ({MAIN: ONE, "/etc/nova/empty": "# nothing\n"}, [("file", [MAIN, "/etc/nova/empty"])], ""),
    ],
)
def test_what_a_program_reads(texts: dict[str, str], arguments: list[Any], told: str) -> None:
    found = [one.message for one in wrongs(NOVA, program(texts, *arguments))]
    assert any(told in one for one in found) if told else found == []
    assert not any("n:x" in one or "n:y" in one for one in found)


def test_options_in_the_environment_are_told() -> None:
    """As Helm charts and systemd drop-ins set them, without the value."""
    one = program({MAIN: ONE}, environment=["OS_DATABASE__CONNECTION", "OS_DEFAULT__LOG_FILE"])
    (told,) = wrongs(NOVA, one)
    assert told.message == (
        "nova-conductor takes options from its environment (OS_DATABASE__CONNECTION), which is "
        "not carried"
    )


def test_debians_neutron_is_right() -> None:
    files = ["/etc/neutron/neutron.conf", "/etc/neutron/plugins/ml2/ml2_conf.ini"]
    texts = {files[0]: ONE, files[1]: "[ml2]\ntype_drivers = vxlan\n"}
    arguments = [("dir", []), ("file", files[:1]), ("file", files[1:])]
    one = program(texts, *arguments, program="neutron-rpc-server", user="neutron")
    assert list(wrongs(NEUTRON, one)) == []


def test_a_running_program_is_seen_with_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("[x]\ny = z\n")
    script = tmp_path / "nova-thing"
    script.write_text("import sys\nprint('up', flush=True)\nsys.stdin.read()\n")
    argv = [sys.executable, str(script), f"--config-dir={tmp_path}", "--config-file", "/nowhere"]
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OS_DATABASE__CONNECTION": "secret", "OS_CLOUD": "x"},
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline()
        found = configured.started([Path("/proc/self").owner()])
        running.communicate()
    (one,) = [one for one in found if one["program"] == "nova-thing"]
    assert one["arguments"] == [["dir", [f"{tmp_path}/a.conf"]], ["file", ["/nowhere"]]]
    assert one["environment"] == ["OS_DATABASE__CONNECTION"]
    assert one["texts"][f"{tmp_path}/a.conf"] == "[x]\ny = z\n"
    assert "secret" not in str(one)
