"""Which reads of a service need its database alone: they go on while nothing else of it does. Data.

In the window's last seconds the source's databases are read-only and every unit is still that acts.
"""

from collections.abc import Callable
from dataclasses import dataclass

from migrate.services.backends import Options

LOGIN = "/auth/tokens"  # by POST, and yet it reads
LOCAL = ("external", "password", "token", "oauth1", "mapped", "application_credential", "totp")


def nothing(_: Options) -> tuple[str, ...]:
    """No path."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """`units` answer them; `act` are parts of paths whose reads need more: a queue, or a write.

    `more` tells by the service's options which others do.
    """

    units: tuple[str, ...] = ()
    act: tuple[str, ...] = ()
    more: Callable[[Options], tuple[str, ...]] = nothing


def logins(given: Options) -> tuple[str, ...]:
    """A login that writes: of who failed, who came when, and whom another directory knows."""
    counted = [
        given.get("security_compliance", one)
        for one in ("lockout_failure_attempts", "disable_user_account_days_inactive")
    ]
    elsewhere = given.get("identity", "domain_specific_drivers_enabled", "false").lower() == "true"
    elsewhere |= given.get("identity", "driver", "sql") != "sql"
    federated = set(given.listed("auth", "methods")) - set(LOCAL)
    return (LOGIN,) if any(counted) or elsewhere or federated else ()


def cached_images(given: Options) -> tuple[str, ...]:
    """An image that is noted as cached when it is read."""
    return ("/file",) if "cach" in given.get("paste_deploy", "flavor") else ()
