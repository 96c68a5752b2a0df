"""RabbitMQ's accounts on the target: those that the source's transport URLs name, and no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from migrate.cloud import Context, urls
from migrate.cloud.host import Host
from migrate.cloud.values import Values
from migrate.configuration import project
from migrate.configuration.translate import CHECK
from migrate.database import defaults
from migrate.database.places import cell_urls
from migrate.engine import markers
from migrate.engine.finding import Finding, Severity
from migrate.errors import CommandError, PreconditionError
from migrate.onhost import call, source

RECORD = "/var/lib/migrate/broker.json"
URL_OPTIONS = ("transport_url",)
SCHEMES = ("rabbit", "kombu+rabbit")
NOWHERE = ("", "none", "fake", "kombu+memory")  # of cell0, and of who speaks with nobody

# Each start of rabbitmqctl is a machine of its own for a second of CPU, beside everything that
# starts: what is asked and done goes as one program, by stdin, since passwords are in it. Names and
# passwords stand in it as numbers, which need no quoting. What fails is told without arguments.
CTL = (
    source("record")
    + """
import json, os, subprocess
def ctl(*argv, text=None):
    done = subprocess.run(["rabbitmqctl", *argv], input=text, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL if text is None else None)
    if done.returncode:
        raise SystemExit("rabbitmqctl " + argv[0] + ": " + done.stderr.strip()[-500:])
    return done.stdout
def names(kind, field):
    return {row[field] for row in json.loads(ctl("-q", "--formatter", "json", kind) or "[]")}
def binary(text):
    return "<<" + ",".join(map(str, text.encode())) + ">>"
def evaluate(program, accounts):
    terms = ",".join("{" + ",".join(map(binary, account)) + "}" for account in accounts)
    return ctl("eval", text=program.replace("ACCOUNTS", "[" + terms + "]")).strip()
"""
)

APPLY = """
path, accounts = payload
users, vhosts = names("list_users", "user"), names("list_vhosts", "name")
known = {"users": [], "vhosts": [], "permissions": []}
if os.path.exists(path):
    with open(path) as stream:
        known = json.load(stream)
def note(kind, value, there):
    if not there and value not in known[kind]:
        known[kind].append(value)
for user, password, vhost in accounts:
    note("users", user, user in users)
    note("vhosts", vhost, vhost in vhosts)
    note("permissions", [vhost, user], user in users)
os.umask(0o077)
os.makedirs(os.path.dirname(path), exist_ok=True)
write(path, json.dumps(known, sort_keys=True), 0o600)
said = evaluate('''
  By = <<"sidestep">>,
  Well = fun(ok) -> ok; ({error, Why}) -> throw(Why) end,
  Users = fun() -> [proplists:get_value(user, One) ||
    One <- rabbit_auth_backend_internal:list_users()] end,
  Make = fun({User, Password, VHost}) ->
    lists:member(VHost, rabbit_vhost:list_names()) orelse Well(rabbit_vhost:add(VHost, By)),
    Well(case lists:member(User, Users()) of
      true -> rabbit_auth_backend_internal:change_password(User, Password, By);
      false -> rabbit_auth_backend_internal:add_user(User, Password, By) end),
    Well(rabbit_auth_backend_internal:set_permissions(
      User, VHost, <<".*">>, <<".*">>, <<".*">>, By)) end,
  try lists:foreach(Make, ACCOUNTS) catch throw:Why -> {refused, Why}; Kind:_ -> Kind end.
''', accounts)
if said != "ok":
    raise SystemExit("the broker did not take the accounts: " + said[-500:])
"""

DONE = """
result = evaluate('''
  Holds = fun({User, Password, VHost}) ->
    Rights = rabbit_auth_backend_internal:list_user_permissions(User),
    Login = rabbit_auth_backend_internal:user_login_authentication(User, [{password, Password}]),
    element(1, Login) =:= ok andalso lists:any(fun(One) ->
      proplists:get_value(vhost, One) =:= VHost
        andalso proplists:get_value(configure, One) =:= <<".*">> end, Rights) end,
  try lists:all(Holds, ACCOUNTS) catch _:_ -> false end.
''', payload) == "true"
"""

REVERT = """
if os.path.exists(payload):
    with open(payload) as stream:
        known = json.load(stream)
    for user in names("list_users", "user").intersection(known["users"]):
        ctl("delete_user", user)
    for vhost in names("list_vhosts", "name").intersection(known["vhosts"]):
        ctl("delete_vhost", vhost)
    os.unlink(payload)
    folder = os.path.dirname(payload)
    if not os.listdir(folder):
        os.rmdir(folder)
"""


# asked in a loop it would take from the services what they need to come up: it waits in the broker
LISTEN = """
Heard = fun() -> [
  Name || VHost <- rabbit_vhost:list_names(),
  [{{name, {{resource, _, queue, Name}}}}, {{consumers, N}}] <-
    rabbit_amqqueue:info_all(VHost, [name, consumers]),
  N > 0] end,
Wait = fun Again(Left) -> case [{queues}] -- Heard() of
  Missing when Missing =:= []; Left =< 0 -> Missing;
  _ -> timer:sleep(250), Again(Left - 250) end end,
Wait({milliseconds}).
"""


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """Who may speak on which virtual host of the broker."""

    user: str
    password: str
    vhost: str

    def __repr__(self) -> str:
        return f"Account({self.user}@{self.vhost})"


def accounts(url: str) -> set[Account]:
    """Every account that a transport URL names; a URL may list several hosts."""
    scheme, found, _ = url.partition("://")
    if not found or scheme not in SCHEMES:
        return set()
    return {Account(one.user, one.password, one.vhost) for one in urls.brokers(url) if one.user}


def named(context: Context) -> list[Account]:
    """Accounts in any file that is translated and in any cell mapping; none twice."""
    found = set()
    for where, url in (*cell_urls(context.source.tools, context.recipes), *_written(context)):
        if wrong := unmoved(url):
            raise PreconditionError(f"{where} names {wrong}; only RabbitMQ's accounts can be moved")
        found |= accounts(url)
    return sorted(found)


def findings(context: Context) -> list[Finding]:
    """Why the accounts cannot be told from the files; nothing is made."""
    try:
        named(context)
    except PreconditionError as error:
        remedy = "Write in the source's file what the service is to see"
        return [Finding(CHECK, Severity.ERROR, str(error), remedy, context.source.tools.name)]
    return []


def unmoved(url: str) -> str:
    """What *url* names that is no account of RabbitMQ's, without a secret; "" where all is well."""
    scheme, found, _ = url.partition("://")
    if scheme in NOWHERE or scheme.startswith(("mysql", "mariadb")):
        return ""
    if not found or scheme not in SCHEMES:
        return f"a broker of kind {scheme!r}" if found else "a broker by something that is no URL"
    if any(one.port == 0 for one in urls.brokers(url)):
        return "a broker by a URL whose password has a comma, which is to be written as %2C"
    return ""


def _written(context: Context) -> Iterator[tuple[str, str]]:
    """Where each transport URL of the files to be stands, and the URL as the service sees it."""
    for index, host in enumerate(context.target.controllers):
        given = project.once(context, f"given {host.name}", partial(_given, host))
        for recipe in context.recipes:
            if recipe.configs and not recipe.dashboard:
                texts = project.wanted(context, recipe, index)[1].files
                known = defaults.of(host, recipe, context.installation.tools)
                values = Values(dict(sorted(texts.items())), given, known)
                for option in values:
                    if option.name in URL_OPTIONS:
                        yield f"{option.where} {option.name}", values.seen(option)


def _given(host: Host) -> dict[str, str]:
    given: dict[str, str] = call(host, "configured.read", [])["given"]
    return given


def _payload(context: Context) -> list[list[str]]:
    return [[one.user, one.password, one.vhost] for one in named(context)]


def made(context: Context) -> bool:
    """Whether every account can log in and has its rights on the target's broker."""
    return bool(
        _broker(context).python(f"# broker.accounts\n{CTL}{DONE}", _payload(context), timeout=300)
    )


def make(context: Context) -> None:
    """Make the accounts; those that are there get their password and rights."""
    markers.refuse_when_live(context)
    _broker(context).python(
        f"# broker.accounts\n{CTL}{APPLY}", [RECORD, _payload(context)], timeout=300
    )


def remove(context: Context) -> None:
    """Remove the accounts and virtual hosts that `make` added."""
    _broker(context).python(f"# broker.accounts\n{CTL}{REVERT}", RECORD, timeout=300)


def wait_for_listeners(context: Context, queues: Iterable[str], seconds: float) -> bool:
    """Whether somebody listens to each of *queues* on the target; waits for it up to *seconds*.

    False, too, where the broker cannot be asked: who waits here loses time by going on, not data.
    """
    names = ", ".join(f'<<"{name}">>' for name in sorted(queues))
    asked = LISTEN.format(queues=names, milliseconds=round(seconds * 1000))
    try:
        missing = _broker(context).run("rabbitmqctl", "eval", asked, timeout=seconds + 120)
    except CommandError:
        return False
    return missing.strip() == "[]"


def _broker(context: Context) -> Host:
    # one broker, or a cluster of them, which shares its accounts
    return context.target.broker
