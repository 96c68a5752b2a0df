"""Every API at every virtual IP that serves it, as its users reach it: in clear or over TLS."""

import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from migrate.cloud import Context, side_by_side
from migrate.services.base import ApiPort
from migrate.takeover import listeners, proxy
from migrate.takeover.gate.haproxy import sections

SECONDS = 30.0
Pair = tuple[str, str] | str | None  # files of a certificate and its key, or of both in one


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said at *url*; `wrong` is empty where an API answered, and not only a proxy."""

    api: str
    url: str
    status: int
    seconds: float
    wrong: str


def ask_all(context: Context, own: Pair = None) -> list[Answer]:
    """One answer for each API of the recipes at each virtual IP at which the target serves it.

    *own* is shown to a proxy that asks who calls.
    """
    where = of_target(context)
    asked = [
        (api, address, own)
        for recipe in context.recipes
        for api in recipe.apis
        for address in where[api.port]
    ]
    return side_by_side.each(lambda one: ask(*one), asked)


def of_target(context: Context) -> dict[int, list[str]]:
    """`served` by the target's HAProxy."""
    return served(context, [context.target.holder.read(proxy.CONFIG)])


def served(context: Context, texts: list[str]) -> dict[int, list[str]]:
    """The virtual IPs at which an HAProxy of *texts* serves each API's port; all, where at none."""
    found = listeners.listeners(sections(*texts), context.recipes, context.source.virtual_ips)
    where: dict[int, dict[str, None]] = {}
    for one in found:
        where.setdefault(one.api.port, {}).update(dict.fromkeys(one.addresses))
    return {port: list(addresses) for port, addresses in where.items()}


def ask(
    api: ApiPort,
    address: str,
    own: Pair = None,
    seconds: float = SECONDS,
    kind: str = "",
    patience: float = 0.0,
    method: str = "GET",
) -> Answer:
    """What *api* says at *address* by *kind*, "http" or "https"; "" finds out which.

    Who is reached within *seconds* has as long as *patience* to answer, where that is longer.
    """
    began = time.monotonic()
    url, status, wrong = f"{address}:{api.port}", 0, ""
    try:
        kind = kind or scheme(address, api.port, seconds, own)
        url = f"{kind}://{url}{api.path}"
        status = _status(kind, address, api, seconds, own, max(seconds, patience), method)
        wrong = f"answered {status}" if status >= 500 else ""
    except TimeoutError:
        wrong = f"does not answer within {time.monotonic() - began:.0f} s"
    except (OSError, HTTPException) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        wrong = f"does not answer: {said}"
    return Answer(api.name, url, status, round(time.monotonic() - began, 3), wrong)


def _status(
    kind: str,
    address: str,
    api: ApiPort,
    seconds: float,
    own: Pair,
    patience: float,
    method: str,
) -> int:
    link = (
        HTTPSConnection(address, api.port, timeout=seconds, context=trusting(own=own))
        if kind == "https"
        else HTTPConnection(address, api.port, timeout=seconds)
    )
    try:
        link.connect()
        link.sock.settimeout(patience)
        link.request(method, api.path)
        return link.getresponse().status
    finally:
        link.close()


def scheme(address: str, port: int, seconds: float = SECONDS, own: Pair = None) -> str:
    """ "https" where TLS is spoken, else "http"; OSError where nobody listens."""
    with socket.create_connection((address, port), timeout=seconds) as link:
        try:
            with trusting(own=own).wrap_socket(link):
                return "https"
        except (ssl.SSLError, ConnectionError, TimeoutError):
            return "http"


@cache  # reading all authorities takes longer than a call
def trusting(authorities: str = "", own: Pair = None) -> ssl.SSLContext:
    """For an address, which no certificate names; only who signed it is asked, where that is known.

    Who holds the address was asked by ARP.
    """
    context = ssl.create_default_context(cafile=authorities or None)
    context.check_hostname = False
    if not authorities:
        context.verify_mode = ssl.CERT_NONE
    if own:
        context.load_cert_chain(*([own] if isinstance(own, str) else own))
    return context
