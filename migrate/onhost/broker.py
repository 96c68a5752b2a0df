"""RabbitMQ's accounts on this host: made as asked, and those that were made taken away.

Each start of rabbitmqctl is a machine of its own for a second of CPU, beside everything that
starts: what is asked goes as one program in Erlang, by stdin, since passwords are in it. Names and
passwords stand in it as numbers, which need no quoting.
"""

import json

from migrate.onhost import record
from migrate.onhost.systemd import run

RECORD = "broker"
MAKE = """
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
"""
HOLDS = """
  Holds = fun({User, Password, VHost}) ->
    Rights = rabbit_auth_backend_internal:list_user_permissions(User),
    Login = rabbit_auth_backend_internal:user_login_authentication(User, [{password, Password}]),
    element(1, Login) =:= ok andalso lists:any(fun(One) ->
      proplists:get_value(vhost, One) =:= VHost
        andalso proplists:get_value(configure, One) =:= <<".*">> end, Rights) end,
  try lists:all(Holds, ACCOUNTS) catch _:_ -> false end.
"""


def made(accounts: list[list[str]]) -> bool:
    """Whether each of *accounts*, [[user, password, vhost]], can log in and has its rights."""
    return _evaluate(HOLDS, accounts) == "true"


def make(accounts: list[list[str]]) -> None:
    """Make *accounts*; those that are there get their password and rights. What is new is noted."""
    users, vhosts = _names("list_users", "user"), _names("list_vhosts", "name")
    known = record.load(RECORD) or {"users": [], "vhosts": []}
    for user, _, vhost in accounts:
        for kind, name, there in (("users", user, users), ("vhosts", vhost, vhosts)):
            if name not in there and name not in known[kind]:
                known[kind].append(name)
    record.save(RECORD, known)
    said = _evaluate(MAKE, accounts)
    if said != "ok":
        raise RuntimeError(f"the broker did not take the accounts: {said[-500:]}")


def remove() -> None:
    """Remove the accounts and virtual hosts that `make` added."""
    known = record.load(RECORD)
    if known is None:
        return
    for user in _names("list_users", "user").intersection(known["users"]):
        _control("delete_user", user)
    for vhost in _names("list_vhosts", "name").intersection(known["vhosts"]):
        _control("delete_vhost", vhost)
    record.forget(RECORD)


def _evaluate(program: str, accounts: list[list[str]]) -> str:
    terms = ",".join("{" + ",".join(map(_binary, account)) + "}" for account in accounts)
    return _control("eval", text=program.replace("ACCOUNTS", f"[{terms}]")).strip()


def _binary(text: str) -> str:
    return f"<<{','.join(map(str, text.encode()))}>>"


def _names(kind: str, field: str) -> set[str]:
    return {row[field] for row in json.loads(_control("-q", "--formatter", "json", kind) or "[]")}


def _control(*argv: str, text: str = "") -> str:
    return run("rabbitmqctl", *argv, stdin=text)
