"""An image whose data trickle in: glance keeps it in `saving` for as long as that takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAME = "slow"
SEND = """
import sys, time, http.client
from urllib.parse import urlsplit
url = urlsplit(sys.argv[1])
sender = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
def data():
    while True:
        yield b"x" * 1024
        time.sleep(0.5)
sender.request("PUT", url.path, body=data(), encode_chunked=True,
    headers={"X-Auth-Token": sys.stdin.readline().strip(), "Transfer-Encoding": "chunked",
             "Content-Type": "application/octet-stream"})
"""


@contextmanager
def trickling(connection: Any, base: str) -> Iterator[str]:
    """The id of an image that is being uploaded through *base*, a URL of glance, by the block.

    It is deleted afterwards, by way of *connection*'s own catalogue.
    """
    image = connection.image.create_image(
        name=NAME, disk_format="raw", container_format="bare", allow_duplicates=True
    )
    uploading = subprocess.Popen(
        [sys.executable, "-c", SEND, f"{base}/images/{image.id}/file"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it is cut off, sooner or later
        text=True,
    )
    assert uploading.stdin is not None
    uploading.stdin.write(connection.session.get_token() + "\n")
    uploading.stdin.close()
    try:
        yield image.id
    finally:
        uploading.kill()
        uploading.wait()
        connection.image.delete_image(image.id)
