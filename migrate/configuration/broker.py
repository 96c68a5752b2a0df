"""RabbitMQ's accounts on the target: those that the source's transport URLs name, and no other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from migrate.cloud import Context, urls
from migrate.cloud.values import Values
from migrate.configuration import project
from migrate.database import defaults
from migrate.database.service_databases import cell_urls
from migrate.engine import markers
from migrate.engine.finding import Finding, error
from migrate.errors import CommandError, PreconditionError
from migrate.onhost import call

URL_OPTIONS = ("transport_url",)
SCHEMES = ("rabbit", "kombu+rabbit")
NOWHERE = ("", "none", "fake", "kombu+memory")  # of cell0, and of who speaks with nobody

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
    for where, url in (*cell_urls(context.source, context.recipes), *_written(context)):
        if wrong := unmoved(url):
            raise PreconditionError(f"{where} names {wrong}; only RabbitMQ's accounts can be moved")
        found |= accounts(url)
    return sorted(found)


def findings(context: Context) -> Iterator[Finding]:
    """Why the accounts cannot be told from the files; nothing is made."""
    try:
        named(context)
    except PreconditionError as failure:
        remedy = "Write in the source's file what the service is to see"
        yield error(str(failure), remedy, context.source.tools.name)


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
        ask = partial(call, host, "configured.read", [])
        given = project.once(context, f"given {host.name}", ask)["given"]
        for recipe in context.recipes:
            if recipe.configs and not recipe.dashboard:
                texts = project.wanted(context, recipe, index)[1].files
                known = defaults.of(host, recipe, context.installation.tools)
                values = Values(dict(sorted(texts.items())), given, known)
                for option in values:
                    if option.name in URL_OPTIONS:
                        yield f"{option.where} {option.name}", values.seen(option)


def _payload(context: Context) -> list[list[str]]:
    return [[one.user, one.password, one.vhost] for one in named(context)]


def made(context: Context) -> bool:
    """Whether every account can log in and has its rights on the target's broker."""
    return bool(call(context.target.broker, "broker.made", _payload(context), timeout=300))


def make(context: Context) -> None:
    """Make the accounts; those that are there get their password and rights."""
    markers.refuse_when_live(context)
    call(context.target.broker, "broker.make", _payload(context), timeout=300)


def remove(context: Context) -> None:
    """Remove the accounts and virtual hosts that `make` added."""
    call(context.target.broker, "broker.remove", timeout=300)


def wait_for_listeners(context: Context, queues: Iterable[str], seconds: float) -> bool:
    """Whether somebody listens to each of *queues* on the target; waits for it up to *seconds*.

    False, too, where the broker cannot be asked: who waits here loses time by going on, not data.
    """
    names = ", ".join(f'<<"{name}">>' for name in sorted(queues))
    asked = LISTEN.format(queues=names, milliseconds=round(seconds * 1000))
    try:
        missing = context.target.broker.run("rabbitmqctl", "eval", asked, timeout=seconds + 120)
    except CommandError:
        return False
    return missing.strip() == "[]"
