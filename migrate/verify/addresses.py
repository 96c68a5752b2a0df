"""Every API at every virtual IP, as its users reach it: in clear or over TLS."""

from __future__ import annotations

import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from migrate.cloud import Context

SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said at *url*; `wrong` is empty where an API answered, and not only a proxy."""

    api: str
    url: str
    status: int
    seconds: float
    wrong: str


def ask_all(context: Context) -> list[Answer]:
    """One answer for each API of the recipes at each virtual IP."""
    asked = [
        (api.name, str(one.address), api.port, api.path)
        for one in context.target.virtual_ips
        for recipe in context.recipes
        for api in recipe.apis
    ]
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda one: _ask(*one), asked))


def _ask(api: str, address: str, port: int, path: str) -> Answer:
    began = time.monotonic()
    url, status, wrong = f"{address}:{port}", 0, ""
    try:
        url = f"{scheme(address, port)}://{url}{path}"
        status = status_of(url.partition(":")[0], address, port, path)
        wrong = f"answered {status}" if status >= 500 else ""
    except (OSError, HTTPException) as error:
        wrong = f"does not answer: {str(error) or type(error).__name__}"
    return Answer(api, url, status, round(time.monotonic() - began, 3), wrong)


def status_of(kind: str, address: str, port: int, path: str, seconds: float = SECONDS) -> int:
    """The status that *path* is answered with, by "http" or "https"."""
    link = (
        HTTPSConnection(address, port, timeout=seconds, context=trusting())
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
def trusting(authorities: str = "") -> ssl.SSLContext:
    """For an address, which no certificate names; only who signed it is asked, where that is known.

    Who holds the address was asked by ARP.
    """
    context = ssl.create_default_context(cafile=authorities or None)
    context.check_hostname = False
    if not authorities:
        context.verify_mode = ssl.CERT_NONE
    return context
