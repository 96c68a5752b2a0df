"""The operator's own slips: one line that says what to do, and the exit code of its kind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from migrate.cli import commands
from migrate.engine import state_lock
from tests.unit import fakes

TEXT = yaml.safe_dump({"config": {f"sidestep:{key}": one for key, one in fakes.STACK.items()}})
TWICE = '  sidestep:provider: "existing"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "stacks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MIGRATE_HOME", raising=False)
    write(tmp_path, TEXT)
    return tmp_path


def write(project: Path, text: str, encoding: str = "utf-8") -> None:
    (project / "stacks/Pulumi.prod.yaml").write_bytes(text.encode(encoding))


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *argv: str, code: int = 2
) -> str:
    """The one line of *argv*, which must end with exit code *code*."""
    monkeypatch.setattr(sys, "argv", ["migrate", *argv, "--stack", "prod"])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    said = capsys.readouterr()
    assert ended.value.code == code, said
    (line,) = (said.out + said.err).strip().splitlines()
    return line


COMMAND_LINES = [
    (["no-such"], "error: No such command 'no-such'; `migrate --help` says what there is"),
    (["plan", "--no-such"], "--no-such'; `migrate plan --help` says what there is"),
    (["cutover", "--exeute"], "Did you mean '--execute'?; `migrate cutover --help`"),
    (["plan", "extra"], "unexpected extra argument (extra); `migrate plan --help`"),
    (["check", "--reason"], "No such option '--reason'"),
]


@pytest.mark.parametrize(("argv", "said"), COMMAND_LINES)
def test_a_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    assert said in refused(monkeypatch, capsys, *argv)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("step", ["nope", "finish.mark"])
@pytest.mark.parametrize("command", ["follow", "cutover"])
def test_a_step_that_there_is_not_is_refused_before_it_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, step: str
) -> None:
    """One of another command is none of this one's: a word for it would go unheard."""
    line = refused(monkeypatch, capsys, command, "--past", step)
    assert f"--past {step}: no such step without a way back; the command without --execute" in line


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--update", "--agents"), "--update: hosts keep what they came over by"),
        (("--agents", "--zone", "z"), "--agents: all of them move together"),
        (("--ceph", "--by", "reinstall"), "--ceph: hosts are named by --host"),
        (("--agents", "--except", "c1"), "--except: of all compute hosts; no --agents"),
        (("--back", "--host", "c1", "--except", "c2"), "--except: of all compute hosts"),
        (("--back",), "--back: name each host that is to go back"),
        (("--agents", "--by", "reinstall"), "--agents: all of them move together"),
        (("--agents", "--batch", "2"), "--canary, --batch, --stop-after: of compute hosts"),
        (("--ceph", "--canary", "0"), "--canary, --batch, --stop-after: of compute hosts"),
        (("--back", "--host", "c1", "--stop-after", "2"), "--canary, --batch, --stop-after: of"),
        (("--back", "--host", "c1", "--zone", "z"), "--back: by what each came over by; no --zone"),
        (("--ceph", "--back", "--past", "c1"), "--back: by what each came over by; no --zone"),
        (
            ("--back", "--host", "ü", "--host", "b", "--host", "b"),
            "error: ü, b: not in sidestep:sou",
        ),
    ],
)
def test_options_of_settle_that_exclude_each_other(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    told: str,
) -> None:
    assert told in refused(monkeypatch, capsys, "settle", *options)


@pytest.mark.usefixtures("project")
def test_all_options_that_exclude_each_other_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(monkeypatch, capsys, "settle", "--ceph", "--zone", "z", "--agents", "--back")
    for one in ("; --ceph: hosts are", "error: --agents: all", "; --back: by what each came over"):
        assert one in line


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("settle", "--execute", "--zone", ""), "error: --zone: nothing is named there"),
        (("settle", "--host", "", "--by", ""), "error: --host, --by: nothing is named there"),
        (("cutover", "--past", "x", "--past", ""), "error: --past: nothing is named there"),
        (("backup", "--to", ""), "error: --to: nothing is named there: name it, or leave it out"),
    ],
)
def test_a_variable_of_the_shell_that_is_not_set_does_not_mean_all(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: tuple[str, ...],
    told: str,
) -> None:
    assert told in refused(monkeypatch, capsys, *argv)


STACK_FILES = [
    (TEXT + TWICE, "'sidestep:provider' stands in line"),
    (TEXT + "  sidestep:services: keystone, glance\n", "write a list, [keystone, glance]"),
    (TEXT + "  sidestep:services: keystone\n", "write a list, [keystone]"),
    (TEXT + "  sidestep:settle: {update: {command: boot now}}\n", "write a list, [boot, now]"),
    (TEXT + "  sidestep:settle: {probe: maybe}\n", "settle.probe: write true or false"),
    (TEXT + "  sidestep:window: {limitSeconds: abc}\n", "limitSeconds: write a whole number"),
    (TEXT + "  sidestep:leave: [1]\n", "sidestep:leave.0: write a word, in quotes"),
    (TEXT.replace("'2025.1'", "2025.1"), 'source.release: write it in quotes, "2025.1"'),
    (TEXT.replace("'2026.1'", "2026.1"), 'target.release: write it in quotes, "2026.1"'),
    (TEXT.replace("'2025.1'", "2025"), 'source.release: write it in quotes, "2025"'),
    (TEXT + "  sidestep:window: {limitSeconds: 60, limitSeconds: 90}\n", "'limitSeconds' stands"),
    (TEXT + "  other: [\n", "Pulumi.prod.yaml is not YAML: expected the node content"),
    (TEXT + "  other: a: b\n", "is not YAML: mapping values are not allowed here, in line"),
    (TEXT + "  sidestep:backup: /b\n", "backup: '/b' is not a URL that begins with file:// or s3"),
    (TEXT + "  sidestep:ssh: operator\n", "sidestep:ssh: write a mapping, `key: value`"),
    (TEXT + "  sidestep:settle: {rules: {tag: x}}\n", "settle.rules: write a list"),
    (TEXT + "  sidestep:settle: {rules: [{tag: x}]}\n", "settle.rules.0.do: is missing"),
    (
        TEXT.replace("'2026.1'", "gazpacho"),
        "target.release: 'gazpacho' is not a release, as 2025.1",
    ),
    (TEXT + "  other: \x00\n", "Pulumi.prod.yaml is not YAML"),
    ("- config\n", "has no `config:` mapping"),
    (
        TEXT + "  sidestep:widnow: {}\n",
        "sidestep:widnow: there is no such key, did you mean window?",
    ),
    (TEXT + "  sidestep:ssh: {knowHosts: x}\n", "such key, did you mean knownHosts?"),
    (TEXT + "  sidestep:ssh: {xyz: x}\n", "there is no such key, there are: user, key, knownHosts"),
    (TEXT + "  sidestep:settle: {rules: [{tga: x, do: ask}]}\n", "did you mean tag?"),
    (TEXT + "  sidestep:settle: {reinstall: {comand: []}}\n", "did you mean command?"),
]


@pytest.mark.parametrize(("text", "told"), STACK_FILES)
def test_a_stack_file(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    told: str,
) -> None:
    write(project, text)
    assert told in refused(monkeypatch, capsys, "plan")


def test_a_list_whose_only_item_is_wrong_is_not_called_empty_too(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, TEXT.replace("10.0.0.3", "10.0.0.333"))
    line = refused(monkeypatch, capsys, "plan")
    assert "has 1 problem(s)" in line
    assert "source.computes.0.address: Input is not a valid IPv4 address" in line


def test_one_slip_is_one_problem(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, TEXT + "  sidestep:services: keystone, glance\n")
    assert "has 1 problem(s)" in refused(monkeypatch, capsys, "plan")


def test_a_merge_key_is_no_key_twice(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = "  other: &a {x: 1}\n  another: {<<: *a, y: 2}\n  third: {<<: *a, x: 3}\n"
    write(project, TEXT + more)
    monkeypatch.setattr(sys, "argv", ["migrate", "plan", "--stack", "prod"])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    assert ended.value.code == 0


@pytest.mark.usefixtures("project")
def test_another_stack_confirmed_is_refused_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("stacks/Pulumi.prod.yaml").unlink()
    line = refused(monkeypatch, capsys, "cutover", "--execute", "--confirm", "prdo")
    assert "not confirmed: give --confirm prod" in line


@pytest.mark.usefixtures("project")
def test_no_stack_is_selected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", ["migrate", "plan"])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "`source tools/activate` puts it there" in said
    assert "name one with --stack, or `source tools/activate` and `pulumi stack select` it" in said


@pytest.mark.usefixtures("project")
def test_status_without_known_hosts_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["migrate", "status", "--stack", "prod"])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"there is no file {tmp_path}/.ssh/known_hosts; compare" in said
    assert "migrate check" not in said


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_an_encoding(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    encoding: str,
) -> None:
    write(project, f"# Müller\n{TEXT}", encoding)
    line = refused(monkeypatch, capsys, "plan")
    assert "is not UTF-8 (byte 0xf" in line
    assert "in line 1): save it as UTF-8" in line


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_home_that_is_a_file(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    below: str,
) -> None:
    (project / "papers").touch()
    monkeypatch.setenv("MIGRATE_HOME", str(project / "papers" / below))
    line = refused(monkeypatch, capsys, "plan")
    assert "cannot be the stack's state directory" in line
    assert "MIGRATE_HOME" in line


@pytest.mark.parametrize("command", ["pause", "resume", "abort"])
def test_a_home_that_takes_no_request(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    home = project / ".migrate/prod"
    for name in ("pause", "pause.part", "abort.part"):
        (home / name).mkdir(parents=True)
    with state_lock.held(home, "cutover"):
        line = refused(monkeypatch, capsys, command, code=6)
    assert f"{home}/{'abort' if command == 'abort' else 'pause'} cannot be written: " in line
    assert f"see that {home} has room and that we may write there" in line


@pytest.mark.parametrize("what", ["knownHosts", "key"])
@pytest.mark.parametrize("command", [["check"], ["rollback"]])
def test_a_file_of_ssh_that_is_not_there_yet(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
    command: list[str],
) -> None:
    write(project, TEXT + f"  sidestep:ssh: {{{what}: not/there}}\n")
    line = refused(monkeypatch, capsys, *command)
    assert f"sidestep:ssh.{what}: there is no file {project}/not/there" in line


@pytest.mark.parametrize("command", ["check", "cutover", "verify", "rollback", "abort"])
def test_an_entry_that_clouds_yaml_has_not(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (project / "clouds.yaml").write_text("clouds: {other: {}}")
    for name in ("key", "known_hosts"):
        (project / name).touch()
    ssh = "  sidestep:ssh: {key: key, knownHosts: known_hosts}\n"
    write(project, TEXT.replace("name: admin", "name: admin\n    file: clouds.yaml") + ssh)
    line = refused(monkeypatch, capsys, command, "--os-cloud", "nobody")
    assert "--os-cloud nobody: " in line
    assert "has no such entry; there are: other" in line


@pytest.mark.parametrize("url", ["ftp://x", "s3://", "file:///", "file://host/x", "/backups"])
def test_a_place_that_no_backup_goes_to(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    line = refused(monkeypatch, capsys, "backup", "--to", url)
    assert f"{url}: a backup goes to file:///folder or s3://bucket/prefix" in line
