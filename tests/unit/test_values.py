"""A service's options are what oslo.config itself makes of the same files."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_config import cfg

from migrate.cloud import urls
from migrate.cloud.ini import Ini
from migrate.cloud.values import Values, read_by
from migrate.database import service_databases
from migrate.errors import PreconditionError
from migrate.onhost import configured
from migrate.services import RECIPES
from migrate.services.base import Recipe

ASKED = (
    *(("database", name) for name in ("connection", "user")),
    *(("DEFAULT", name) for name in ("transport_url", "my_ip", "state", "my-ip")),
    *(("api_database", name) for name in ("connection",)),
)
URL = "mysql+pymysql://nova:{}@10.0.0.10/nova"


def oslo(files: dict[str, str], folder: Path, program: str = "nova-api") -> dict[Any, Any]:
    """What oslo.config says of *files*, written below *folder*; None for each where it refuses."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode())
    names = [n for n in ("nova", program) if (folder / f"{n}.conf").exists()]
    folders = [n for n in ("nova", program) if (folder / f"{n}.conf.d").exists()]
    conf = cfg.ConfigOpts()
    for section, name in ASKED:
        default = "10.9.9.9" if name == "my_ip" else None
        if "-" not in name:
            group = None if section == "DEFAULT" else section
            conf.register_opt(cfg.StrOpt(name, default=default), group=group)
    try:
        conf(
            [],
            project="nova",
            prog=program,
            default_config_files=[str(folder / f"{n}.conf") for n in names],
            default_config_dirs=[str(folder / f"{n}.conf.d") for n in folders],
            use_env=False,
        )
    except cfg.ConfigFileParseError:
        return dict.fromkeys(ASKED)
    found: dict[Any, Any] = {}
    for section, name in ASKED:
        if "-" not in name:
            within = conf if section == "DEFAULT" else conf[section]
            try:
                found[section, name] = within[name]
            except (cfg.NoSuchOptError, cfg.NoSuchGroupError, RecursionError):
                found[section, name] = None
    return found


def ours(files: dict[str, str], program: str = "nova-api") -> dict[Any, Any]:
    """The same of our own reader."""
    texts = {f"/etc/nova/{name}": text for name, text in files.items()}
    read = read_by(program, "nova", "/etc/nova/nova.conf", texts)
    try:
        values = Values({path: texts[path] for path in read}, {"my_ip": "10.9.9.9"})
    except PreconditionError:
        return dict.fromkeys(ASKED)
    found: dict[Any, Any] = {}
    for section, name in ASKED:
        try:
            found[section, name] = values.get(section, name)
        except PreconditionError:
            found[section, name] = None
    if values.find("DEFAULT", "my_ip") is None:
        found["DEFAULT", "my_ip"] = "10.9.9.9"
    return {key: value for key, value in found.items() if "-" not in key[1]}


WRITTEN = {
    "capitals": {"nova.conf": f"[DATABASE]\nconnection = {URL.format('x')}\n"},
    "only in the folder": {
        "nova.conf": "[DEFAULT]\n",
        "nova.conf.d/10-db.conf": f"[database]\nconnection = {URL.format('x')}\n",
    },
    "the last of the folder": {
        "nova.conf": "[database]\nconnection = mysql://nova:0@h/a\n",
        "nova.conf.d/20.conf": "[database]\nconnection = mysql://nova:2@h/a\n",
        "nova.conf.d/10.conf": "[database]\nconnection = mysql://nova:1@h/a\n",
        "nova.conf.d/30.conf.off": "[database]\nconnection = mysql://nova:3@h/a\n",
    },
    "the program's own": {
        "nova.conf": "[database]\nconnection = mysql://nova:0@h/a\n",
        "nova-api.conf": "[database]\nconnection = mysql://nova:1@h/a\n",
        "nova-api.conf.d/x.conf": "[Database]\nuser = me\n",
    },
    "own address, not set": {"nova.conf": "[database]\nconnection = mysql://n:x@$my_ip/a\n"},
    "own address, set": {
        "nova.conf": "[DEFAULT]\nmy_ip = 10.0.0.1\n[database]\nconnection = mysql://n:x@$my_ip/a\n"
    },
    "own address in braces": {"nova.conf": "[database]\nconnection = mysql://n:x@${my_ip}x/a\n"},
    "another group": {
        "nova.conf": "[database]\nuser = me\n"
        "[api_database]\nconnection = mysql://${database.user}:x@h/a\n"
    },
    "own group before DEFAULT": {
        "nova.conf": "[DEFAULT]\nuser = no\n[database]\nuser = me\nconnection = x://$user@h/a\n"
    },
    "through two": {
        "nova.conf": "[DEFAULT]\nmy_ip = 10.0.0.1\nstate = $my_ip\ntransport_url = x://$state/\n"
    },
    "dollars": {"nova.conf": "[DEFAULT]\ntransport_url = rabbit://o:pa$$w0rd@h\nstate=a\\$b$5\n"},
    "to itself": {"nova.conf": "[DEFAULT]\nstate = $state\n"},
    "to nothing": {"nova.conf": "[database]\nconnection = mysql://n:pa$word@h/a\n"},
    "to nothing, in a group": {"nova.conf": "[database]\nconnection = x://n:${a.b}@h/a\n"},
    "to DEFAULT by its name": {
        "nova.conf": "[DEFAULT]\nstate = b\n[database]\nconnection = x://${DEFAULT.state}/a\n"
    },
    "another group in capitals": {
        "nova.conf": "[database]\nuser = me\n[DEFAULT]\nstate = ${Database.user}\n"
    },
    "over lines": {"nova.conf": "[DEFAULT]\nstate = a,\n   b\n\tc # no comment\n\nmy_ip=1\n"},
    "quotes": {"nova.conf": '[DEFAULT]\nstate = "a b"\ntransport_url = \'\n'},
    "colons": {"nova.conf": "[DEFAULT]\nstate: a=b\ntransport_url=a:b\n"},
    "a hyphen": {"nova.conf": "[DEFAULT]\nmy-ip = 10.0.0.1\ntransport_url = x://$my_ip\n"},
    "default in small letters": {"nova.conf": "[default]\nmy_ip = 10.0.0.1\n"},
    "twice": {"nova.conf": "[DEFAULT]\nstate = a\n[x]\n[DEFAULT]\nstate = b\n"},
    "a line of nothing": {"nova.conf": "[DEFAULT]\nstate = a\nbroken\n"},
    "before a section": {"nova.conf": "state = a\n[DEFAULT]\n"},
    "after a section's name": {"nova.conf": "[DEFAULT] # all of it\nstate = a\n"},
    "indented": {"nova.conf": "[DEFAULT]\n state = a\n"},
    "the ends of lines of Windows": {"nova.conf": "[DEFAULT]\r\nstate = a\r\nmy_ip = 1\r\n"},
}


@pytest.mark.parametrize("case", WRITTEN)
def test_values_are_oslo_configs(case: str, tmp_path: Path) -> None:
    assert ours(WRITTEN[case]) == oslo(WRITTEN[case], tmp_path)


WORDS = [
    *("[DEFAULT]", "[Database]", "[database]", "[api_database]", "[x", "state", "state"),
    *("my_ip", "connection", "user", "transport_url"),
]
LINES = st.lists(
    st.tuples(
        st.sampled_from(["", "", "", " ", "\t", "#"]),
        st.sampled_from(WORDS),
        st.sampled_from([" = ", "=", ":", ""]),
        st.text(st.sampled_from("ab1$$\\\"'{}. _@:/=#"), max_size=12)
        | st.sampled_from(["$my_ip", "${state}", "${database.user}", "$$", "$user.x"]),
    ).map("".join),
    max_size=12,
).map(lambda lines: "[DEFAULT]\n" + "\n".join(lines) + "\n")


@settings(max_examples=60)  # each of them writes files
@given(LINES, LINES)
def test_whatever_is_written(one: str, other: str) -> None:
    """Never another value; oslo.config puts nothing for an option without a value, we refuse."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"nova.conf": one, "nova.conf.d/a.conf": other}
        mine, theirs = ours(files), oslo(files, Path(folder))
        written = one + other
        for key, value in theirs.items():
            assert mine[key] == value or (mine[key] is None and "$" in written)


# what a release knows, by section and name
RELEASE = {
    "DEFAULT": {"state_path": "/var/lib/nova", "lock_path": "$state_path/locks", "state": None},
    "database": {"user": "me", "host": "${user}.example", "connection": None},
    "x": {"state": None, "one": "$one"},
}


@pytest.mark.parametrize(
    "text",
    [
        "[DEFAULT]\nstate = $state_path/x\n",
        "[DEFAULT]\nstate = $lock_path\n",  # a default that refers to another
        "[DEFAULT]\nstate_path = /srv\nstate = $lock_path\n",  # and to what a file sets
        "[DEFAULT]\nstate = ${database.user}\n",
        "[database]\nconnection = mysql://$user@$host/$state_path\n",  # own group, then DEFAULT
        "[DEFAULT]\nuser = no\n[x]\nstate = ${DEFAULT.state_path}$lock_path\n",
        "[DEFAULT]\nstate = $nobodys\n",
        "[x]\nstate = $one\n",  # itself
    ],
)
def test_a_default_of_the_release_counts_where_no_file_sets_one(text: str, tmp_path: Path) -> None:
    (tmp_path / "nova.conf").write_text(text)
    conf = cfg.ConfigOpts()
    for group, options in RELEASE.items():
        made = [cfg.StrOpt(name, default=default) for name, default in options.items()]
        conf.register_opts(made, group=None if group == "DEFAULT" else group)
    conf([], default_config_files=[str(tmp_path / "nova.conf")], default_config_dirs=[])
    known = {
        (name if group == "DEFAULT" else f"{group}.{name}"): value
        for group, options in RELEASE.items()
        for name, value in options.items()
        if value is not None
    }
    values = Values({"nova.conf": text}, {}, lambda: known)
    (option,) = [one for one in values if one.name in ("state", "connection")]
    within = conf if option.section == "DEFAULT" else conf[option.section]
    try:
        theirs = within[option.name]
    except (cfg.NoSuchOptError, cfg.NoSuchGroupError, RecursionError):
        theirs = None
    if theirs is None or "$" in theirs:
        with pytest.raises(PreconditionError, match="refers to"):
            values.seen(option)
    else:
        assert values.seen(option) == theirs


def test_the_release_is_asked_for_defaults_only_where_one_matters() -> None:
    def asked() -> dict[str, str]:
        raise AssertionError("nothing refers to a default")

    text = "[DEFAULT]\nstate_path = /srv\nstate = $state_path on $my_ip\n"
    assert Values({"x": text}, {"my_ip": "10.0.0.1"}, asked).get("DEFAULT", "state")


def test_defaults_are_what_the_generator_says() -> None:
    program = str(Path(sys.executable).with_name("oslo-config-generator"))
    known = configured.defaults(program, ["oslo.config"])
    assert known == {"sample_remote_file_source.timeout": "60"}
    assert configured.defaults(program, ["no.such.namespace"]) == {}
    assert configured.defaults("/nowhere", ["oslo.config"]) == {}


def recipe(project: str) -> Recipe:
    return next(one for one in RECIPES if one.project == project)


def url_of(project: str, files: dict[str, str]) -> str:
    """The URL of the project's first database, by `service_databases`."""
    wanted = recipe(project).databases[0]
    texts = {f"/etc/{project}/{name}": text for name, text in files.items()}
    return service_databases.configured(
        texts, {"my_ip": "10.0.0.11", "host": "ctl"}, recipe(project), wanted
    )


def test_a_services_database_is_found_wherever_it_may_stand() -> None:
    text = f"[Database]\nconnection = {URL.format('pa$$w')}\n"
    for project, path in (
        ("keystone", "keystone.conf.d/10-db.conf"),
        ("glance", "glance-api.conf"),
        ("glance", "glance.conf.d/10.conf"),
        ("neutron", "server.conf.d/db.conf"),
        ("heat", "heat.conf"),
    ):
        assert urls.parse(url_of(project, {path: text})).password == "pa$w"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "keystone's database is unknown"),
        ({"keystone.conf": "[databse]\nconnection = mysql://k:x@h/k\n"}, "database is unknown"),
        ({"keystone.conf.d/x.conf.bak": "[database]\nconnection = mysql://k:x@h/k\n"}, "unknown"),
        ({"keystone.conf": "[database]\nconnection = mysql://k:pa$word@h/k\n"}, "refers to $word"),
        ({"keystone.conf": "[database]\nconnection =\n"}, "database is unknown"),
        ({"keystone.conf": "connection = mysql://k:x@h/k\n"}, "keystone.conf:1 is no option"),
        (
            {
                "keystone.conf": "[database]\nconnection = mysql://k:x@h/k\n",
                "keystone.conf.d/10.conf": "broken\n",
            },
            "10.conf:1 is no option",
        ),
    ],
)
def test_what_is_not_understood_is_refused(files: dict[str, str], told: str) -> None:
    with pytest.raises(PreconditionError) as refused:
        url_of("keystone", files)
    assert told in str(refused.value)
    assert "k:x" not in str(refused.value)


def test_programs_of_one_service_that_see_two_databases_are_refused() -> None:
    files = {
        "heat.conf": "[database]\nconnection = mysql://h:x@h/heat\n",
        "heat-engine.conf.d/1.conf": "[database]\nconnection = mysql://h:y@h/heat\n",
    }
    with pytest.raises(PreconditionError, match="heat-engine has another"):
        url_of("heat", files)


def test_an_option_before_any_section_is_written_below_a_heading() -> None:
    ini = Ini.parse("# head\n")
    ini.put("DEFAULT", "debug", "true")
    assert "[DEFAULT]\ndebug = true\n" in ini.text()
    assert ini.broken() == Ini.parse(ini.text()).broken() == []
