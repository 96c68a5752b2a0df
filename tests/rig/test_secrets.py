"""Passwords that are hard to write come through a whole pass, and are seen nowhere on its way.

Each of them holds a word of its own that no quoting changes, and that word is looked for: in every
process while the pass goes over and back, then in logs, papers, and whatever others can read.
"""

from __future__ import annotations

import json
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from migrate import checks
from migrate.checks import logins
from migrate.cli.report import write_report
from migrate.cloud import Context, login
from migrate.engine.journal import Journal
from migrate.phases import cutover, follow, rollback
from migrate.phases.plan import compose
from migrate.phases.session import Session
from migrate.takeover.gate import close
from tests import canaries
from tests.checked import check_of
from tests.lab.rig import rig as this_rig
from tests.sampler import Sampling, sampling
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_set("secrets"), pytest.mark.in_order]

ASCII = """ "q" 'x' \\n @/:#? $HOME ${x} %41%s [a]{b};,&=!"""
ALL = f"ü€{ASCII}"


@dataclass(frozen=True, slots=True)
class Canary:
    """A password by who uses it. `word` is in it and nowhere else."""

    owner: str
    word: str
    rest: str

    @property
    def password(self) -> str:
        return f"{self.word}{self.rest}{self.word[::-1]}"


# What each service bears, and where it does not bear all, why.
CANARIES = {
    one.owner: one
    for one in (
        # PyMySQL sends Latin-1 where MariaDB has hashed UTF-8: ASCII only. The alembic of
        # keystone-manage takes a percent sign of its URL for its own, so nothing in it can be
        # encoded, and no @ be in it; slashes and blanks stand as they are.
        Canary("db keystone", "kanari1keystonedb", """ "q" 'x' \\n /:#? $HOME [a]{b};,&=!"""),
        Canary("db glance", "kanari2glancedb", ASCII),
        # rabbitmqctl's wrapper takes no quotes, oslo.messaging no slash
        Canary("rabbit", "kanari3rabbit", "ü€ @:#? $HOME %41%s [a]{b};,&=!"),
        Canary("glance", "kanari4glance", ALL),
        Canary("admin", "kanari5admin", ALL),
        Canary("demo", "kanari6demo", ALL),
        # keepalived reads eight characters
        Canary("vrrp", "kanari7v", ""),
    )
}
WORDS = [one.word for one in CANARIES.values()]


def ini(value: str) -> str:
    """*value* as oslo.config wants it written: a dollar twice."""
    return value.replace("$", "$$")


def plant(context: Context) -> None:
    """Give the source and its users these passwords; it serves again when this returns."""
    source, this = context.source.controllers[0], this_rig()
    admin = login.api(context).connection
    for owner in ("glance", "demo"):
        user = admin.identity.find_user(owner)
        admin.identity.update_user(user, password=CANARIES[owner].password)
    admin.identity.update_user(
        admin.identity.find_user("admin"), password=CANARIES["admin"].password
    )
    clouds = this.home / "clouds.yaml"
    document = yaml.safe_load(clouds.read_text())
    for owner in ("admin", "demo"):
        document["clouds"][f"lab-{owner}"]["auth"]["password"] = CANARIES[owner].password
    clouds.write_text(yaml.safe_dump(document))
    statements = []
    for owner in ("keystone", "glance"):
        hexed = CANARIES[f"db {owner}"].password.encode().hex()
        statements.append(
            f"SET @made = CONCAT('ALTER USER `{owner}`@`%` IDENTIFIED BY ', "
            f"QUOTE(CONVERT(x'{hexed}' USING utf8mb4)));"
            "EXECUTE IMMEDIATE @made;"
        )
    source.run("mariadb", "--default-character-set=utf8mb4", stdin="".join(statements))
    source.run(
        "rabbitmqctl", "change_password", "openstack", stdin=f"{CANARIES['rabbit'].password}\n"
    )
    keystone = ini(CANARIES["db keystone"].password)
    glance = ini(quote(CANARIES["db glance"].password, safe=""))
    rabbit = ini(quote(CANARIES["rabbit"].password, safe=""))
    source.python(
        EDIT,
        {
            "/etc/keystone/keystone.conf": {
                "connection": f"mysql+pymysql://keystone:{keystone}@{this.vip}/keystone"
            },
            "/etc/glance/glance-api.conf": {
                "connection": f"mysql+pymysql://glance:{glance}@{this.vip}/glance",
                "transport_url": f"rabbit://openstack:{rabbit}@{this.vip}:5672/",
                "password": ini(CANARIES["glance"].password),
            },
        },
    )
    # not as an argument: sudo writes those into the journal
    source.python(KEEPALIVED, CANARIES["vrrp"].word)
    source.shell("systemctl restart keepalived keystone glance-api memcached")


KEEPALIVED = r"""
import os, re
path = "/etc/keepalived/keepalived.conf"
os.chmod(path, 0o600)
with open(path) as stream:
    text = stream.read()
with open(path, "w") as stream:
    stream.write(re.sub(r"auth_pass \S+", f"auth_pass {payload}", text))
"""
EDIT = r"""
for path, options in payload.items():
    with open(path, encoding="utf-8") as stream:
        lines = stream.readlines()
    with open(path, "w", encoding="utf-8") as stream:
        for line in lines:
            name = line.partition("=")[0].strip()
            stream.write(f"{name} = {options[name]}\n" if name in options else line)
"""


def serves(context: Context) -> bool:
    """Whether both services answer their users with these passwords."""
    try:
        api = login.api(context)
        return bool(api.pages("identity", "/users", "users")) and bool(
            api.pages("image", "/images", "images")
        )
    except Exception:
        return False


@pytest.fixture(scope="module")
def context(rig: Any) -> Context:
    found: Context = rig.context
    plant(found)
    assert waits_for(lambda: serves(found))
    return found


@pytest.fixture(scope="module")
def session(context: Context) -> Session:
    return Session(context, compose(context), Journal(context.home / "journal", "test"))


@pytest.fixture(scope="module")
def before(context: Context) -> dict[str, set[str]]:
    """What the source's own services had let out before anybody came."""
    return {host.name: places(host, WORDS) for host in hosts(context)}


def hosts(context: Context) -> tuple[Any, ...]:
    return (*context.source.hosts, *context.target.controllers)


def places(host: Any, words: list[str]) -> set[str]:
    found = canaries.on(host, words)
    assert found["looked"] > 200
    assert found["lines"] > 20
    return {f"{where}: {what}" for where, what in found["found"]}


@pytest.fixture(scope="module")
def over(
    session: Session, before: dict[str, set[str]], tmp_path_factory: pytest.TempPathFactory
) -> Sampling:
    """The whole pass over, with a sampler beside it."""
    context = session.context
    with sampling(WORDS, tmp_path_factory.mktemp("sampler") / "over.json") as seen:
        checks.run(context)
        follow.follow(session, lambda *_: None)
        cutover.cutover(session, lambda *_: None)
        write_report(session)
    return seen


@pytest.fixture(scope="module")
def back(session: Session, over: Sampling, tmp_path_factory: pytest.TempPathFactory) -> Sampling:
    """And the way back, with something to lose."""
    admin = login.api(session.context).connection
    project = admin.identity.create_project(name="made since", domain_id="default")
    admin.image.create_image(
        name="since", owner=project.id, disk_format="raw", container_format="bare", data=b"x"
    )
    admin.identity.delete_user(admin.identity.find_user("Ünal O'Brien"))
    with sampling(WORDS, tmp_path_factory.mktemp("sampler") / "back.json") as seen:
        assert rollback.find_losses(session)
        close.close_target(session.context)
        address = (str(session.context.source.virtual_ips[0].address), 5000)
        assert b"503" in asked(address)
        rollback.rollback(session, lambda *_: None)
    return seen


def asked(address: tuple[str, int]) -> bytes:
    """The first line that a user gets there."""
    with socket.create_connection(address, 10) as stream:
        stream.sendall(b"GET /v3 HTTP/1.0\r\n\r\n")
        return stream.recv(4096).split(b"\r\n")[0]


def clean(seen: Sampling, context: Context) -> None:
    assert seen.seen["samples"] > 200
    assert seen.seen["processes"] > 300
    assert {host.name for host in hosts(context)} <= set(seen.seen["machines"])
    arguments = [one for one in seen.seen["found"] if one[0] == "arguments"]
    assert arguments == []
    # only root may look into root's environment
    assert [one for one in seen.seen["found"] if one[2] != "0"] == []


def test_every_login_of_the_services_is_understood(context: Context) -> None:
    assert check_of(logins).run(context) == []


def test_the_target_serves_with_these_passwords(context: Context, over: Sampling) -> None:
    assert serves(context)
    for path in ("/etc/keystone/keystone.conf", "/etc/glance/glance-api.conf"):
        assert CANARIES["db " + path.split("/")[2]].word in context.target.controllers[0].read(path)


def test_no_process_shows_one_on_the_way_over(context: Context, over: Sampling) -> None:
    clean(over, context)


def test_nothing_lets_one_out_while_the_target_serves(
    context: Context, over: Sampling, before: dict[str, set[str]]
) -> None:
    for host in hosts(context):
        assert places(host, WORDS) - before[host.name] == set()


def test_the_papers_hold_none(session: Session, over: Sampling) -> None:
    assert canaries.among(session.home, WORDS) == []
    assert {"journal", "report.html", "report.json"} <= {p.name for p in session.home.iterdir()}


def test_the_sampler_would_have_seen_one(tmp_path: Path) -> None:
    word = WORDS[0]
    import subprocess
    import time

    with sampling(WORDS, tmp_path / "one.json") as seen:
        time.sleep(0.5)
        subprocess.run(["sh", "-c", f"sleep 0.2; true {shlex.quote(word)}"], check=True)
        subprocess.run(["sleep", "0.2"], env={"X": word}, check=True)
        time.sleep(0.3)
    assert {one[0] for one in seen.seen["found"]} == {"arguments", "environment"}


def test_no_process_shows_one_on_the_way_back(context: Context, back: Sampling) -> None:
    clean(back, context)


def test_what_was_lost_is_exported_after_the_target_was_closed(
    session: Session, back: Sampling
) -> None:
    (path,) = session.home.glob("losses-*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    document = json.loads(path.read_text())
    assert document["unknown"] == []
    (image,) = document["data"]  # its content is with the target alone
    assert (image["type"], image["name"]) == ("image", "since")
    types = {one["name"]: one["types"] for one in document["projects"]}
    own, made = types["(the cloud's own)"], types["made since"]
    assert [one["name"] for one in own["user"]["deleted"]] == ["Ünal O'Brien"]
    assert [one["name"] for one in made["image"]["created"]] == ["since"]
    assert [one["name"] for one in made["project"]["created"]] == ["made since"]
    assert document["counts"]["created"] >= 2
    changed = [one for project in types.values() for one in project.values() if "changed" in one]
    assert changed == []
    names = {one["name"] for one in login.api(session.context).pages("identity", "/users", "users")}
    assert "Ünal O'Brien" in names


def test_nothing_lets_one_out_after_the_way_back(
    session: Session, back: Sampling, before: dict[str, set[str]]
) -> None:
    context = session.context
    for host in hosts(context):
        assert places(host, WORDS) - before[host.name] == set()
    assert canaries.among(session.home, WORDS) == []
    assert serves(context)
