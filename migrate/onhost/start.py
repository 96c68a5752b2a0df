"""Services of this host, started and waited for: one call, since calls of users wait meanwhile."""

import time
import urllib.error
import urllib.request

from migrate.onhost import preload, systemd

EACH_SECONDS = 20
ENABLED = ("enabled", "enabled-runtime", "alias", "static", "indirect", "generated")


def begin(units: list[str], urls: list[str], seconds: float) -> list[str]:
    """Enable and start *units*, and wait for *urls*, each for at most *seconds*; what is wrong."""
    systemd.run("systemctl", "enable", "--quiet", *units)
    preload.open_barrier(units)
    return systemd.start(units, seconds) or _silent(urls, seconds) or _dead(units)


def missing(units: list[str], urls: list[str]) -> list[str]:
    """What is missing just now: units that are not enabled, do not live, an API that is silent."""
    told = {name: one["UnitFileState"] for name, one in systemd.show(units).items()}
    wrong = [f"{name} is {state}" for name, state in told.items() if state not in ENABLED]
    return wrong or _dead(units) or _silent(urls, 0)


def _silent(urls: list[str], seconds: float) -> list[str]:
    return [f"{url}: {said}" for url, said in unanswered(urls, seconds).items()]


def _dead(units: list[str]) -> list[str]:
    """Those that are not active, have no process, or are not there."""
    state = systemd.state(units)
    wrong = [
        f"{unit} is {one['ActiveState']}"
        for unit, one in state["units"].items()
        if one["ActiveState"] != "active" or unit not in state["alive"]
    ]
    absent = {*map(systemd.full, units)} - {*state["units"]}
    return wrong + [f"{unit} is not installed" for unit in sorted(absent)]


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
