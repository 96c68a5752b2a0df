"""A configuration tried in a second HAProxy, in a network of its own where nobody else is.

This process leaves the host's network and mounts for good, and answers by the pipe it was started
with: call nothing else after it. The second HAProxy has the host's addresses there, on `lo`, and
empty folders where the first has its unix sockets, so it takes nothing away from it.
"""

import ctypes
import os
import re
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import IO

from migrate.onhost import haproxy, knock, secluded, sockets
from migrate.onhost.systemd import run

DIE_WITH_PARENT = 1
STRANGER = {4: "203.0.113.253", 6: "2001:db8::253"}  # of networks that are nobody's
START_SECONDS = 10.0
# what a call from in here cannot meet, and what has no say in who is let in
NOWHERE = "198.51.100.253:9"
LOOSENED = re.compile(r"(?m)^(\s*bind\s.*?)\s+(?:interface\s+\S+|accept-proxy|verify\s+required)")


def made(
    texts: list[str], user_sockets: list[tuple[str, int]], own: list[str], sign: str
) -> dict[str, list[str]]:
    """What a stranger and a host of the cloud hear at *user_sockets*: {"stranger": [], "own": []}.

    *own* are addresses of the cloud's hosts; where none can call one, "" is heard there.
    """
    inside = {v: next((one for one in own if _version(one) == v), "") for v in STRANGER}
    started = partial(
        subprocess.Popen,
        cwd=haproxy.working_folder(),
        env=haproxy.environment(),
        preexec_fn=lambda: ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL),
        text=True,
        stdout=subprocess.DEVNULL,
    )
    command = haproxy.command()
    secluded.leave(sorted({os.path.dirname(path) for path in _unix_sockets()}))
    run("ip", "link", "set", "lo", "up")
    run("ip", "route", "add", "default", "dev", "lo")
    for address in {*STRANGER.values(), *inside.values(), *(one for one, _ in user_sockets)}:
        _carry(address)
    loose = [_loosened(text) for text in texts]
    with haproxy.in_memory(loose) as files, tempfile.TemporaryFile("w+") as said:
        # -dr: no name server is in here
        second = started([*command, *files, "-db", "-dr"], stderr=said)
        try:
            _wait(second, said, user_sockets)
            return {
                "stranger": _heard(user_sockets, sign, STRANGER),
                "own": _heard(user_sockets, sign, inside),
            }
        finally:
            second.kill()
            second.wait()


def _carry(address: str) -> None:
    if address and not sockets.everywhere(address) and not sockets.inside(address):
        more = ("nodad",) if ":" in address else ()
        run("ip", "address", "replace", address, "dev", "lo", *more, check=":" not in address)


def _loosened(text: str) -> str:
    while LOOSENED.search(text):
        text = LOOSENED.sub(r"\1", text)
    # who is let in is kept waiting, which tells it from one who is turned away
    return re.sub(r"(?m)^(\s*server\s+\S+)\s+\S+", rf"\1 {NOWHERE}", text)


def _wait(
    second: subprocess.Popen[str], said: IO[str], user_sockets: list[tuple[str, int]]
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not {tuple(one) for one in user_sockets} <= {one.here for one in sockets.every("-l")}:
        if second.poll() is not None or time.monotonic() > deadline:
            said.seek(0)
            raise RuntimeError(
                "a second HAProxy with the closed files does not listen like the first: "
                f"{said.read().strip()[-400:]}"
            )
        time.sleep(0.02)


def _heard(user_sockets: list[tuple[str, int]], sign: str, sources: dict[int, str]) -> list[str]:
    def ask(user_socket: tuple[str, int]) -> str:
        address, port = user_socket
        versions = (4, 6) if address == "::" else (_version(address),)
        heard = set()
        for version in versions:
            if sources[version]:
                to = STRANGER[version] if sockets.everywhere(address) else address
                heard.add(knock.ask(to, port, sign, sources[version]))
        if address == "::":  # hears IPv4 too, or not
            heard -= {"silent"}
        mute = "silent" if all(sources[version] for version in versions) else ""
        return "/".join(sorted(heard)) or mute

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(ask, user_sockets))


def _version(address: str) -> int:
    return 6 if ":" in address else 4


def _unix_sockets() -> list[str]:
    """Where the running HAProxy listens by a path; it binds another name and renames it."""
    lines = [line.split() for line in run("ss", "-Hxlp").splitlines()]
    ours = {f"pid={pid}" for pid in haproxy.running()}
    paths = [words[4] for words in lines if ours & set(re.split(r"[(),]", words[-1]))]
    return [path for path in paths if path.startswith("/")]
