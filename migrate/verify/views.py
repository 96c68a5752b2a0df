"""The cloud as each of its users sees it: the administrator, and the users of the clouds.yaml.

The stack's clouds.yaml may hold more entries than the administrator's. Each that logs in to the
same keystone is a user whose own view is listed before and after, with a token from before.
"""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from migrate.cloud import Context, document, login, side_by_side
from migrate.cloud.api import ApiError
from migrate.cloud.host import Host
from migrate.cloud.login import ADMIN
from migrate.engine import state_directory
from migrate.verify.listing import Listing, take

ADMIN_LISTED, USERS_LISTED = "listing.before", "listing.users"  # the steps


def users(context: Context) -> tuple[str, ...]:
    """Entries of the stack's clouds.yaml, beside the administrator's, for the same keystone."""
    cloud = context.settings.cloud
    if cloud.file is None:
        return ()
    entries = (document.read(cloud.file) or {}).get("clouds", {})

    def keystone(name: str) -> str:
        return urlsplit(str(entries[name].get("auth", {}).get("auth_url", ""))).netloc

    if cloud.name not in entries:
        return ()
    ours = keystone(cloud.name)
    return tuple(name for name in entries if name != cloud.name and keystone(name) == ours)


def take_all(
    context: Context,
    host: Host | None = None,
    names: tuple[str, ...] = (),
    before: dict[str, Listing] | None = None,
) -> dict[str, Listing]:
    """The listing of every view side by side, by its name; *before* makes them comparable."""
    names = names or tuple(before or (ADMIN, *users(context)))

    def one(name: str) -> Listing:
        known = before[name].microversions if before else None
        return take(login.api(context, host, name), everywhere=name == ADMIN, microversions=known)

    return dict(zip(names, side_by_side.each(one, names, len(names)), strict=True))


def timed(context: Context) -> dict[str, float]:
    """How many seconds each listing of the window takes, by its step: of this cloud, as it is.

    One that an API would not tell at this moment is left out: no figure is worth a rehearsal.
    """
    found = {}
    for step, names in ((ADMIN_LISTED, (ADMIN,)), (USERS_LISTED, users(context))):
        began = time.monotonic()
        with suppress(ApiError):
            if names:
                take_all(context, context.source.api, names)
            found[step] = round(time.monotonic() - began, 2)
    return found


def keep_users(context: Context) -> None:
    """Write what each user sees, and a token of everybody that must be good after the move.

    It may be done while users still work: `keep` tells later what they changed.
    """
    state_directory.record(tokens_path(context), _tokens(context, context.source.api))
    names = users(context)
    found = take_all(context, context.source.api, names) if names else {}
    state_directory.record(users_path(context), {name: one.text() for name, one in found.items()})


def keep(context: Context) -> None:
    """Write the administrator's listing, by the source itself, when nothing changes any more."""
    found = take_all(context, context.source.api, (ADMIN,))
    state_directory.record(admin_path(context), {name: one.text() for name, one in found.items()})


def kept(context: Context) -> dict[str, Listing]:
    """The listings that `keep` and `keep_users` wrote; empty where there was no `keep`."""
    if not admin_path(context).exists():
        return {}
    return {
        name: Listing.parse(text)
        for path in (admin_path(context), users_path(context))
        for name, text in state_directory.recorded(path).items()
    }


def kept_tokens(context: Context) -> dict[str, str]:
    """The tokens that `keep_users` wrote and that are to be good still; {} once they were tried."""
    found: dict[str, dict[str, Any]] = state_directory.recorded(tokens_path(context))
    living = {name: str(one["token"]) for name, one in found.items() if one["until"] > time.time()}
    if not living:
        forget_tokens(context)
    return living


def forget_tokens(context: Context) -> None:
    """Remove the tokens, which are secrets: they were tried, or nobody will."""
    state_directory.forget(tokens_path(context))


def forget(context: Context) -> None:
    """Remove the administrator's listing: the next window lists anew."""
    state_directory.forget(admin_path(context))


def forget_users(context: Context) -> None:
    """Remove the users' listings and the tokens, which are secrets."""
    state_directory.forget(users_path(context))
    forget_tokens(context)


def listed(context: Context) -> bool:
    """Whether the administrator's listing from before stands."""
    return admin_path(context).exists()


def users_listed(context: Context) -> bool:
    """Whether the users' listings from before stand."""
    return users_path(context).exists()


def admin_path(context: Context) -> Path:
    """Where the administrator's listing from before stands, in the state directory (0600)."""
    return context.home / "listing-before.json"


def users_path(context: Context) -> Path:
    """Where the users' listings from before stand (0600)."""
    return context.home / "users-before.json"


def tokens_path(context: Context) -> Path:
    """Where the tokens from before stand until they were tried (0600)."""
    return context.home / "tokens-before.json"


def _tokens(context: Context, host: Host | None) -> dict[str, dict[str, Any]]:
    def one(name: str) -> dict[str, Any]:
        session = login.api(context, host, name).connection.session
        access = session.auth.get_access(session)
        return {"token": str(access.auth_token), "until": access.expires.timestamp()}

    names = (ADMIN, *users(context))
    return dict(zip(names, side_by_side.each(one, names, len(names)), strict=True))
