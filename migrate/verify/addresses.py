"""Every API at every virtual IP that serves it, as its users reach it: in clear or over TLS."""

from __future__ import annotations

import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from migrate.cloud import Context
from migrate.takeover import proxy
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
    where = served(context)
    asked = [
        (api.name, address, api.port, api.path, own)
        for recipe in context.recipes
        for api in recipe.apis
        for address in where[api.port]
    ]
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda one: _ask(*one), asked))


def served(context: Context) -> dict[int, list[str]]:
    """The virtual IPs at which the target serves each API's port; all, where it does at none."""
    found = sections(context.target.first.read(proxy.CONFIG))
    binds = [bind for section in found for bind in section.binds()]
    every = [str(one.address) for one in context.target.virtual_ips]
    return {
        api.port: [a for a in every if any(a == at and api.port in ports for at, ports in binds)]
        or every
        for recipe in context.recipes
        for api in recipe.apis
    }


def _ask(api: str, address: str, port: int, path: str, own: Pair = None) -> Answer:
    began = time.monotonic()
    url, status, wrong = f"{address}:{port}", 0, ""
    try:
        url = f"{scheme(address, port)}://{url}{path}"
        status = status_of(url.partition(":")[0], address, port, path, own=own)
        wrong = f"answered {status}" if status >= 500 else ""
    except (OSError, HTTPException) as error:
        wrong = f"does not answer: {str(error) or type(error).__name__}"
    return Answer(api, url, status, round(time.monotonic() - began, 3), wrong)


def status_of(
    kind: str,
    address: str,
    port: int,
    path: str,
    seconds: float = SECONDS,
    own: Pair = None,
) -> int:
    """The status that *path* is answered with, by "http" or "https"."""
    link = (
        HTTPSConnection(address, port, timeout=seconds, context=trusting(own=own))
        if kind == "https"
        else HTTPConnection(address, port, timeout=seconds)
    )
    try:
        link.request("GET", path)
        return link.getresponse().status
    finally:
        link.close()


def scheme(address: str, port: int, seconds: float = SECONDS) -> str:
    """ "https" where TLS is spoken, else "http"; OSError where nobody listens."""
    with socket.create_connection((address, port), timeout=seconds) as link:
        try:
            with trusting().wrap_socket(link):
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
