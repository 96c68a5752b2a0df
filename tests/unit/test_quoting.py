"""What people put into passwords comes through whatever it has to be written in."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from migrate.cloud import named_servers, urls
from migrate.cloud.addresses import Mapping
from migrate.cloud.ini import Ini
from migrate.cloud.values import Values
from migrate.configuration.broker import accounts
from migrate.database import service_databases
from migrate.engine import markers
from migrate.onhost import logins

# one line of anything that a keyboard or a generator makes
anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0"))
passwords = anything.filter(bool)
AWKWARD = [
    """Kälte "q" 'x' \\n @/:#? $HOME %41 [a]{b};,&=""",
    "€uro\u2028\x85\x0b\u00a0",
    "@",
    "%",
    "$",
    "\\",
    "'",
    '"',
    "a b",
    "/",
]


@given(passwords)
def test_a_database_url_gives_the_password_back(password: str) -> None:
    url = f"mysql+pymysql://no%2Fva:{quote(password, safe='')}@[fd00::1]:3307/nova?charset=utf8"
    found = urls.parse(url)
    assert (found.user, found.password) == ("no/va", password)
    assert (found.host, found.port, found.database) == ("fd00::1", 3307, "nova")
    assert password not in repr(found) or password in "Url(mysql+pymysql://no/va:…@fd00::1:3307/)"
    there = found.login()
    assert (there["password"], there["host"], there["database"]) == (password, "fd00::1", "nova")
    assert service_databases.of_url("nova", "nova", url).name == "nova"


@given(passwords)
def test_and_so_it_does_where_sqlalchemy_takes_it_as_it_is(password: str) -> None:
    raw = re.sub(r"[@%]", "x", password)
    url = f"mysql://nova:{raw}@10.0.0.10/nova"
    assert urls.parse(url).password == raw
    assert urls.parse(url).host == "10.0.0.10"
    assert ("database", "10.0.0.10", 3306) in list(named_servers.in_value("connection", url))


@pytest.mark.parametrize("text", ["", "nova", "mysql//x", "mysql://h:port/x"])
def test_what_is_no_url_is_refused_without_being_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"it is no URL|its port is no number") as told:
        urls.parse(text)
    assert not text or text not in str(told.value)


@given(passwords)
def test_a_brokers_url_gives_the_password_back(password: str) -> None:
    named = accounts(f"rabbit://openstack:{quote(password, safe='')}@h1:5672,u2:x@h2/v%2Fh")
    assert ("openstack", password, "v/h") in {(a.user, a.password, a.vhost) for a in named}
    assert password not in repr(named) or password in "openstack@v/h u2 Account({}, )"


@given(anything)
def test_an_ini_value_comes_through_a_translation_untouched(value: str) -> None:
    text = f"[keystone_authtoken]\npassword = {value}\n# end\n[x]\ny = z\n"
    ini = Ini.parse(text)
    assert ini.text() == text
    assert ini.broken() == []
    assert ini.get("x", "y") == "z"
    stripped = value.strip()
    if stripped[:1] in {'"', "'"} and stripped[0] == stripped[-1]:
        stripped = stripped[1:-1]  # a lone quote too: oslo.config makes nothing of it
    assert ini.get("keystone_authtoken", "password") == stripped


@given(passwords.filter(lambda value: value == value.strip() and value[0] not in "\"'"))
def test_an_ini_value_that_is_written_is_read_again(value: str) -> None:
    ini = Ini.parse("[a]\nb = c\n")
    ini.put("a", "b", value)
    ini.add("a", "d", value)
    again = Ini.parse(ini.text())
    assert (again.get("a", "b"), again.get("a", "d")) == (value, value)


@given(passwords)
def test_a_dollar_is_what_oslo_config_makes_of_it(password: str) -> None:
    written = f"x{password}x".replace("$", "$$")
    assume("\\$" not in written)  # which is another way to write one
    text = f"[DEFAULT]\nHOME = /x\n[database]\nconnection = {written}\n"
    assert Values({"a": text}).get("database", "connection") == f"x{password}x"


@given(passwords)
def test_an_option_file_gives_the_password_back(password: str) -> None:
    url = urls.Url("mysql", "nova", password, "h", 3306, "nova")
    text = logins.options(url.login())
    (line,) = [one for one in text.split("\n") if one.startswith("password=")]
    quoted = line.removeprefix('password="')
    assert quoted.endswith('"')
    # MariaDB's reader: a backslash before a backslash or a quote stands for that
    assert re.sub(r"\\(.)", r"\1", quoted[:-1], flags=re.DOTALL) == password
    assert len(text.split("\n")) == 8


@given(anything)
def test_a_sql_literal_holds_nothing_but_digits(value: str) -> None:
    literal = markers._literal(value)
    assert re.fullmatch(r"x'[0-9a-f]*'", literal)
    assert bytes.fromhex(literal[2:-1]).decode() == value


@given(anything)
def test_a_payload_reaches_the_hosts_python_as_it_is(value: str) -> None:
    script = f"import json\npayload = json.loads({json.dumps([value])!r})\n"
    seen: dict[str, Any] = {}
    exec(script, seen)
    assert seen["payload"] == [value]


@given(st.lists(anything, min_size=1))
def test_arguments_stay_one_word_each(argv: list[str]) -> None:
    assert shlex.split(shlex.join(argv)) == argv


@pytest.mark.parametrize("password", AWKWARD)
def test_a_password_is_never_taken_for_a_host(password: str) -> None:
    mapping = Mapping({"10.0.0.11": "10.0.0.12"}, {"ctl": "new"})
    url = f"mysql+pymysql://nova:{quote(password, safe='')}@10.0.0.11/nova"
    assert urls.parse(mapping.replaced(url)).password == password
    assert urls.parse(mapping.replaced(url)).host == "10.0.0.12"


@given(passwords)
def test_the_fence_is_told_what_the_service_sees(password: str) -> None:
    url = f"mysql://nova:{quote(password, safe='')}@h/nova".replace("$", "$$")
    seen = Values({"a": f"[database]\nconnection = {url}\n"}).get("database", "connection")
    assert urls.parse(seen or "").login()["password"] == password
