"""Horizon lets the administrator in: its form with its cross-site token, as a browser does."""

import re
import ssl
from http.cookiejar import CookieJar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPSHandler, OpenerDirector, Request, build_opener

from migrate.errors import StepError, one_line

TOKEN = re.compile(r'name="csrfmiddlewaretoken"\s+value="([^"]+)"')
REGION = re.compile(r'name="region"\s+value="([^"]+)"')
OPTION = re.compile(r'<select[^>]*name="region".*?<option value="([^"]+)"', re.S)
FAILED = re.compile(r'class="[^"]*(?:alert-danger|has-error|error)[^"]*"[^>]*>(.*?)<', re.S)


def log_in(
    url: str,
    *,
    user: str,
    password: str,
    domain: str,
    tls: ssl.SSLContext | None = None,
    seconds: float = 120,
) -> str:
    """Log in at *url*, the page with the form; the address of the page that follows.

    Each of the three pages may take *seconds*: horizon has served nothing yet, and all three took
    47 on two slow cores under load. Raises StepError saying what it answered instead.
    """
    opener = build_opener(HTTPCookieProcessor(CookieJar()), HTTPSHandler(context=tls))
    _, form = _open(opener, url, None, seconds)
    token = TOKEN.search(form)
    if token is None:
        raise StepError(f"{url} shows no login form; see horizon's log")
    region = REGION.search(form) or OPTION.search(form)
    fields = {
        "csrfmiddlewaretoken": token[1],
        "next": urlsplit(url).path.partition("auth/")[0],
        "region": region[1] if region else "default",
        "username": user,
        "password": password,
        "domain": domain,
    }
    request = Request(url, urlencode(fields).encode(), {"Referer": url})  # noqa: S310  http(s)
    reached, page = _open(opener, url, request, seconds)
    asked_again = TOKEN.search(page) is not None and 'type="password"' in page
    if "/auth/login" in urlsplit(reached).path or asked_again:
        why = FAILED.search(page)
        told = f": {one_line(why[1])}" if why else ""
        raise StepError(f"horizon at {url} refused the login of {user}{told}")
    _open(opener, urljoin(reached, fields["next"] + "project/"), None, seconds)
    return reached


def _open(
    opener: OpenerDirector, url: str, request: Request | None, seconds: float
) -> tuple[str, str]:
    try:
        with opener.open(request or url, timeout=seconds) as answer:
            return answer.url, answer.read().decode(errors="replace")
    except HTTPError as error:
        raise StepError(f"horizon at {url} answered {error.code}; see its log") from error
    except (URLError, OSError) as error:
        raise StepError(f"horizon at {url} does not answer: {error}") from error
