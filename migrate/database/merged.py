"""What several servers say, as the one server has it that takes the databases of all.

Where no one server can have it, that is a clash: told with what to do, never settled here.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from migrate.database.accounts import Account, ordered
from migrate.database.fingerprint import Fingerprint
from migrate.errors import PreconditionError, StepError

ON = re.compile(r" ON (.+?) TO ")
LIKE = re.compile(
    r"\\(.)|([%_])|([^\\%_]+)"
)  # a pattern of names, as rights on databases are given
LINES = "\n"  # between the identities of servers


@dataclass(frozen=True, slots=True)
class Part:
    """What one server has: its name, the services' databases there, their accounts, settings."""

    server: str
    names: tuple[str, ...]
    accounts: Sequence[Account]
    settings: dict[str, str]


def fingerprints(parts: Sequence[Fingerprint]) -> Fingerprint:
    """One of all databases; an account has its rights of every server.

    StepError where settings or passwords are not the same on all.
    """
    whole: Fingerprint = {**parts[0]}
    for one in parts[1:]:
        if one["settings"] != whole["settings"]:
            raise StepError(f"the source's database servers differ: {_settings(whole, one)}")
        for kind, found in one.items():
            if kind == "accounts":
                whole[kind] = _accounts(whole[kind], found)
            elif kind == "server":
                whole[kind] = LINES.join((whole[kind], found))
            elif isinstance(found, dict):
                whole[kind] = dict(sorted({**whole[kind], **found}.items()))
    return whole


def _settings(one: Fingerprint, other: Fingerprint) -> str:
    return ", ".join(n for n, v in other["settings"].items() if one["settings"].get(n) != v)


def _accounts(one: Fingerprint, other: Fingerprint) -> Fingerprint:
    whole: dict[str, dict[str, Any]] = {**one}
    for name, found in other.items():
        held = whole.setdefault(name, found)
        if held["login"] != found["login"]:
            raise StepError(f"account {name} does not log in the same on each database server")
        whole[name] = {**held, "grants": sorted({*held["grants"], *found["grants"]})}
    return dict(sorted(whole.items()))


def accounts(parts: Sequence[Part]) -> list[Account]:
    """The accounts to be made, each with the rights of all; PreconditionError where they clash."""
    if found := clashes(parts):
        raise PreconditionError("; ".join(f"{text}. {remedy}" for text, remedy in found))
    whole = {one.name: replace(one, grants=()) for part in parts for one in part.accounts}
    for one in (one for part in parts for one in part.accounts):
        grants = dict.fromkeys((*whole[one.name].grants, *one.grants))
        whole[one.name] = replace(one, grants=tuple(grants))
    return list(whole.values())


def clashes(parts: Sequence[Part]) -> list[tuple[str, str]]:
    """What one server cannot have of both of two, and what to do about each."""
    found: list[tuple[str, str]] = []
    for at, one in enumerate(parts):
        for other in parts[:at]:
            found += _differing(other, one)
        for other in (*parts[:at], *parts[at + 1 :]):
            found += _widened(one, other)
    return list(dict.fromkeys(found))


def _differing(one: Part, other: Part) -> Iterable[tuple[str, str]]:
    for name, value in one.settings.items():
        if other.settings.get(name) != value:
            yield (
                f"{name} is {value!r} on {one.server} and {other.settings.get(name)!r} on "
                f"{other.server}: what tools make would be made otherwise than now",
                "Set it on both as it is to be, for the running server and in an option file",
            )
    held = {account.name: account for account in other.accounts}
    for account in one.accounts:
        if account.name in held and held[account.name].create != account.create:
            yield (
                f"account {account.name} logs in otherwise on {one.server} than on {other.server}",
                "Give it one password and one way to log in on both",
            )


def _widened(one: Part, other: Part) -> Iterable[tuple[str, str]]:
    """Rights that mean more on the target, where the databases of *other* are as well."""
    held = {account.name: account for account in other.accounts}
    for account in one.accounts:
        there = held.get(account.name)
        rights = _rights(there) if there else {}
        for thing, grant in _rights(account).items():
            widens = _reaches(thing, other.names) and not _none(grant)
            if rights.get(thing, "" if widens else grant) != grant:
                yield (
                    f"account {account.name} has rights on {thing} on {one.server} that it does "
                    f"not have on {other.server}, whose databases are beside on the target",
                    f"Give it the same rights there, or take them here: {grant}",
                )


def _rights(one: Account) -> dict[str, str]:
    """Its grants by what they are on: `{"*.*": "GRANT USAGE ON *.* TO ..."}`."""
    found = ((ON.search(grant), grant) for grant in map(ordered, one.grants))
    return {match[1]: grant for match, grant in found if match}


def _none(grant: str) -> bool:
    return grant.startswith("GRANT USAGE ")


def _reaches(thing: str, names: Iterable[str]) -> bool:
    """Whether rights on *thing*, as SHOW GRANTS has it, are on any of the databases *names*."""
    if "`" not in thing:
        return thing == "*.*"

    def exact(found: re.Match[str]) -> str:
        return {"%": ".*", "_": "."}.get(found[2] or "", re.escape(found[1] or found[3] or ""))

    pattern = LIKE.sub(exact, thing.split("`")[1])
    return any(re.fullmatch(pattern, name) for name in names)
