"""What services stand on here: that a daemon runs does not say that it answers."""

import socket
import time

from migrate.onhost import systemd

# port on this host, and what makes it speak; where that is nothing the server speaks first
SPEAKING = {
    "mariadb": (3306, b""),
    "rabbitmq-server": (5672, b"AMQP\0\0\x09\x01"),
    "memcached": (11211, b"version\r\n"),
}
QUIET = ("haproxy",)  # it has no word of its own: what stands behind its ports answers there
DAEMONS = (*SPEAKING, *QUIET)
ANSWER_SECONDS = 5.0


def silent(seconds: float) -> list[str]:
    """Those that do not answer, even after *seconds*: `["rabbitmq-server: Connection refused"]`."""
    deadline = time.monotonic() + seconds
    while (wrong := _silent()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return wrong


def _silent() -> list[str]:
    wrong = []
    for unit, (port, hello) in SPEAKING.items():
        try:
            with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as line:
                line.sendall(hello)
                said = line.recv(16)
        except OSError as error:
            wrong.append(f"{unit}: {error}")
            continue
        if not said:
            wrong.append(f"{unit}: hangs up")
    states = systemd.show(QUIET)
    for unit in QUIET:
        state = states.get(systemd.full(unit), {}).get("ActiveState", "not installed")
        if state != "active":
            wrong.append(f"{unit}: {state}")
    return wrong
