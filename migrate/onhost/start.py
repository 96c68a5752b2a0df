"""Whether the APIs of this host answer: asked here, since a poll by ssh costs more than a start."""

import time
import urllib.error
import urllib.request

EACH_SECONDS = 20


def unanswered(urls: list[str], seconds: float) -> dict[str, str]:
    """Those of *urls* that do not answer well even after *seconds*, and what they say."""
    waiting, last = dict.fromkeys(urls, "no answer"), time.monotonic() + seconds
    while waiting:
        asked = {url: _ask(url) for url in waiting}
        waiting = {url: said for url, said in asked.items() if said}
        if time.monotonic() > last:
            break
        time.sleep(0.2 if waiting else 0)
    return waiting


def _ask(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=EACH_SECONDS) as answer:
            status = int(answer.status)
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError as error:
        return str(error)
    return "" if status < 500 else f"status {status}"
