"""One call at a port, as a user would make it: what is heard tells whether the port is closed.

"closed"  the answer that we wrote        "open"    any other answer, or a line that is kept
"reset"   ended without a byte            "silent"  nobody can be reached there, or no HTTP is heard
"""

import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

SECONDS = 1.5  # a line that lives so long without a word has been let through
HELLO_SECONDS = 3.0  # a busy host answers late
MOST = 65536
ASKS = "X-Migrate-Asks"  # who has it is told that it is closed, and not held

Heard = TypeVar("Heard")


def each(
    targets: Sequence[tuple[str, int]], sign: str, source: str = "", method: str = "GET"
) -> list[str]:
    """What is heard at each address and port of *targets*; *sign* stands in our own answer."""
    return _at_each(targets, lambda address, port: ask(address, port, sign, source, method))


def ask(address: str, port: int, sign: str, source: str = "", method: str = "GET") -> str:
    """What is heard at one port, in clear or, where that ends without HTTP, over TLS."""
    heard = _call(address, port, sign, source, method, tls=False)
    if heard in ("reset", "strange"):
        heard = _call(address, port, sign, source, method, tls=True)
    return "silent" if heard == "strange" else heard


def spoken(targets: Sequence[tuple[str, int]]) -> list[str]:
    """What is spoken at each address and port: "tls", "http" in clear, or "" for neither."""
    return _at_each(targets, _spoken)


def tls(targets: Sequence[tuple[str, int]]) -> list[bool]:
    """Whether TLS is spoken at each address and port, by whom does not matter."""
    return _at_each(targets, _answers_hello)


def _at_each(
    targets: Sequence[tuple[str, int]], question: Callable[[str, int], Heard]
) -> list[Heard]:
    if not targets:
        return []
    with ThreadPoolExecutor(min(16, len(targets))) as pool:
        return list(pool.map(lambda one: question(*one), targets))


def _spoken(address: str, port: int) -> str:
    if _answers_hello(address, port):
        return "tls"
    # any answer in HTTP has its name in it
    return "http" if _call(address, port, "HTTP/", "", "GET", tls=False) == "closed" else ""


def _answers_hello(address: str, port: int) -> bool:
    """Whether a handshake or an alert answers the first words of TLS.

    It is not carried through: a server may ask for a name or a certificate that we have not.
    """
    hello = ssl.MemoryBIO()
    try:
        _unproven().wrap_bio(ssl.MemoryBIO(), hello).do_handshake()
    except ssl.SSLWantReadError:
        pass
    try:
        with socket.create_connection((address, port), HELLO_SECONDS) as line:
            line.sendall(hello.read())
            return line.recv(2) in (b"\x15\x03", b"\x16\x03")
    except OSError:
        return False


def _call(address: str, port: int, sign: str, source: str, method: str, tls: bool) -> str:
    try:
        with socket.create_connection((address, port), SECONDS, (source, 0)) as line:
            return _heard(line, address, sign, method, tls)
    except ConnectionResetError:
        return "reset"
    except OSError:
        return "silent"


def _heard(line: socket.socket, address: str, sign: str, method: str, tls: bool) -> str:
    answer = b""
    try:
        stream = _unproven().wrap_socket(line) if tls else line
        head = f"{method} / HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n"
        words = f"{head}{ASKS}: yes\r\nConnection: close\r\n\r\n"
        stream.sendall(words.encode())
        while len(answer) < MOST:
            data = stream.recv(MOST)
            if not data:
                break
            answer += data
    except socket.timeout:  # another error than TimeoutError before Python 3.10
        return "closed" if sign.encode() in answer else "open"
    except ssl.SSLEOFError:
        return "reset"
    except ssl.SSLError:
        return "strange"
    except OSError:  # reset, or a pipe that broke
        pass
    if sign.encode() in answer:
        return "closed"
    if answer.startswith(b"HTTP/"):
        return "open"
    return "strange" if answer else "reset"


def _unproven() -> ssl.SSLContext:
    """Who answers does not matter here, only that an answer comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
