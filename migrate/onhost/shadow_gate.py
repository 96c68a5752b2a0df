"""The door to the services on a clone: asked from outside their network, and only for what is read.

It runs by its text alone. A line in is `{"method": "GET", "url": "...", "headers": {}}`, a line
out `{"status": 200, "text": "..."}`, status 0 where there was no answer. Who may be asked it is
told as it starts.
"""

import http.client
import json
import os
import socketserver
import sys
from typing import Any
from urllib.parse import urlsplit

METHODS = ("GET", "HEAD")
SECONDS = 60.0


def answer(asked: dict[str, Any], ways: tuple[str, ...]) -> dict[str, Any]:
    """What the service says, or why it was not asked."""
    parts = urlsplit(asked["url"])
    way = f"{parts.hostname}:{parts.port}"
    if asked["method"] not in METHODS or parts.scheme != "http" or way not in ways:
        return {"status": 0, "text": f"{asked['method']} {way} is not let through"}
    link = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        link.request(asked["method"], target, headers=asked["headers"])
        told = link.getresponse()
        text = told.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return {"status": 0, "text": str(error) or type(error).__name__}
    finally:
        link.close()
    return {"status": told.status, "text": text}


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """One thread for each who asks."""

    daemon_threads = True
    ways: tuple[str, ...] = ()


class Handler(socketserver.StreamRequestHandler):
    """Answers line by line until who asks has gone."""

    def handle(self) -> None:
        for line in self.rfile:
            told = answer(json.loads(line), self.server.ways)  # type: ignore[attr-defined]
            self.wfile.write(json.dumps(told).encode() + b"\n")


def main(path: str, *ways: str) -> None:
    """Serve on *path* until killed."""
    if os.path.exists(path):
        os.unlink(path)
    with Server(path, Handler) as server:
        server.ways = ways
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
