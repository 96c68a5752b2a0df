"""One cloud's APIs as one user: plain JSON, every page, with a deadline."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit, urlunsplit

from migrate.errors import StepError, one_line
from migrate.services import RECIPES
from migrate.services.rest import Rest

SECONDS = 30.0
PAGE = 1000
PASSING = (0, 502, 503, 504)  # a proxy without a backend, for a moment
PAUSES = (0.5, 1.0, 2.0, 4.0)  # two busy cores take that long for a first answer
VERSION = "microversion"  # as a query: the one to ask with, instead of the instance's

# service: the types that a catalogue may name it by, the version part of its base
SERVICES = {one.rest.service: (one.types, one.rest.version) for one in RECIPES if one.rest}


class ApiError(StepError):
    """An API answered something else than asked for, or not in time."""

    def __init__(self, where: str, status: int, text: str) -> None:
        self.status = status
        said = f"answered {status}" if status else "got no answer"
        super().__init__(f"{where} {said}: {one_line(text)}")


@contextmanager
def unless_gone() -> Iterator[None]:
    """Pass over a 404: what is asked for, or to be deleted, is not there any more."""
    try:
        yield
    except ApiError as error:
        if error.status != 404:
            raise


def moved(url: str, address: str) -> str:
    """*url* at a controller's *address*: same port and path; TLS ends at the virtual IP."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(("http", f"{address}{port}", parts.path, parts.query, ""))


class Api:
    """Calls with the token of one openstacksdk connection.

    The catalogue says where services are; with *address* the same ports and paths are asked at a
    controller's own address instead. Links in answers are never followed: they name the virtual IP.
    """

    def __init__(self, connection: Any, *, address: str = "") -> None:
        self.connection, self.address = connection, address
        self.microversions: dict[str, str] = {}
        self._bases: dict[str, str] | None = None

    @property
    def bases(self) -> dict[str, str]:
        """Service to its base URL; a service that the catalogue lacks is not in it."""
        if self._bases is None:
            found = {one: self._base(one, *names) for one, names in SERVICES.items()}
            self._bases = {service: url for service, url in found.items() if url}
        return self._bases

    @property
    def project(self) -> str:
        """The id of the project that is logged in to, in which what is made stands."""
        session = self.connection.session
        return str(session.auth.get_access(session).project_id)

    def find(self, service: str, types: tuple[str, ...]) -> bool:
        """Whether the catalogue has a service that no recipe knows, which can be asked then."""
        if url := self._base(service, types, ""):
            self.bases[service] = url
        return bool(url)

    def _base(self, service: str, types: tuple[str, ...], version: str) -> str:
        session = self.connection.session
        catalogue = session.auth.get_access(session).service_catalog
        region = self.connection.config.get_region_name()
        interface = self.connection.config.get_interface(service) or "public"
        for type_ in types:
            found = catalogue.get_urls(service_type=type_, interface=interface, region_name=region)
            if found:
                url = moved(found[0], self.address) if self.address else found[0]
                url = url.rstrip("/")
                plain = not re.search(r"/v\d", urlsplit(url).path)
                return url + (version if plain else "")
        return ""

    def newest(self, service: str) -> str:
        """The newest microversion that *service* speaks."""
        root = re.sub(r"(/v[0-9.]+)(/.*)?$", r"\1", self.bases[service]) + "/"
        answer = self._request(service, root, {})
        versions = answer.get("versions") or [answer["version"]]
        newest = versions[-1]
        return str(newest.get("max_version") or newest["version"])

    def answers(self, service: str) -> bool:
        """Whether *service* answers, and not only a proxy in front of it; asked once."""
        status, _, _ = self._once(f"{self.bases[service]}/", {}, {})
        return 0 < status < 500

    def get(self, service: str, path: str, **query: str) -> dict[str, Any]:
        """The answer's JSON; raises ApiError for a status other than 200."""
        return self._request(service, f"{self.bases[service]}{path}", query)

    def head(self, service: str, path: str, headers: Mapping[str, str]) -> int:
        """The status alone of what *path* has; 0 where there was no answer."""
        path, _, query = path.partition("?")
        url = f"{self.bases[service]}{path}"
        own = {**self._headers(service, ""), **headers}
        return self._patiently(url, dict(parse_qsl(query)), own, method="HEAD")[0]

    def short(self, rest: Rest) -> dict[str, Any]:
        """The short list that proves that the API of *rest* works."""
        path, _, query = rest.short.partition("?")
        return self.get(rest.service, path, **dict(parse_qsl(query)))

    def pages(self, service: str, path: str, key: str, **query: str) -> list[dict[str, Any]]:
        """All entries of a collection, over all its pages."""
        return list(self.rows(service, path, key, **query))

    def rows(self, service: str, path: str, key: str, **query: str) -> Iterator[dict[str, Any]]:
        """The same one after the other, of which no more than a page is held."""
        asked = dict(query)
        while True:
            answer = self.get(service, path, **asked)
            page = answer[key]
            yield from page
            marker = _marker(answer, key)
            if marker is None:
                if answer.get("truncated"):
                    raise StepError(
                        f"{service} {path} gave only {len(page)} entries and no way to the rest; "
                        "raise list_limit and max_db_limit of keystone"
                    )
                return
            if not page or asked.get("marker") == marker:
                return
            asked = {**asked, "limit": str(PAGE), "marker": marker}

    def slices(self, service: str, path: str, key: str, **query: str) -> list[dict[str, Any]]:
        """All entries of a collection that is paged by offset and gives no links."""
        entries: list[dict[str, Any]] = []
        while True:
            asked = {**query, "limit": str(PAGE), "offset": str(len(entries))}
            page = self.get(service, path, **asked)[key]
            entries += page
            if len(page) < PAGE:
                return entries

    def send(
        self, method: str, service: str, path: str, body: object = None, *, microversion: str = ""
    ) -> dict[str, Any]:
        """Change something: the answer's JSON, {} where it has none. Never tried twice.

        Raises ApiError for a status of 400 and above, or for none.
        """
        url = f"{self.bases[service]}{path}"
        headers = self._headers(service, microversion)
        status, text, answer = self._once(url, {}, headers, method=method, body=body)
        if answer is None or status >= 400:
            raise ApiError(f"{method} {url}", status, text)
        return dict(answer.json() or {}) if text else {}  # neutron says "null"

    def _headers(self, service: str, version: str) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if version := version or self.microversions.get(service, ""):
            headers["OpenStack-API-Version"] = f"{service} {version}"
        return headers

    def _request(self, service: str, url: str, query: dict[str, str]) -> dict[str, Any]:
        query = dict(query)
        headers = self._headers(service, query.pop(VERSION, ""))
        status, text, answer = self._patiently(url, query, headers)
        if status != 200 or answer is None:
            raise ApiError(f"GET {url}", status, text)
        value: dict[str, Any] = answer.json()
        return value

    def _patiently(
        self, url: str, query: dict[str, str], headers: dict[str, str], *, method: str = "GET"
    ) -> tuple[int, str, Any]:
        """As `_once`, asked again where a proxy has no backend for a moment."""
        for pause in PAUSES:
            found = self._once(url, query, headers, method=method)
            if found[0] not in PASSING:
                return found
            time.sleep(pause)
        return self._once(url, query, headers, method=method)

    def _once(
        self,
        url: str,
        query: dict[str, str],
        headers: dict[str, str],
        *,
        method: str = "GET",
        body: object = None,
    ) -> tuple[int, str, Any]:
        """Status, text and answer; status 0 where there was none."""
        from keystoneauth1.exceptions import ClientException  # noqa: PLC0415  slow to import

        try:
            ask = getattr(self.connection.session, method.lower())
            answer = ask(
                url,
                params=query,
                headers=headers,
                timeout=SECONDS,
                raise_exc=False,
                connect_retries=0,
                **({} if body is None else {"json": body}),
            )
        except ClientException as error:
            return 0, str(error), None
        return answer.status_code, answer.text, answer


def _marker(answer: dict[str, Any], key: str) -> str | None:
    """Where the next page begins: nova, cinder, neutron, glance and keystone each say it so."""
    links = answer.get(f"{key}_links") or answer.get("links") or []
    if isinstance(links, dict):
        following = links.get("next")
    else:
        following = next((one["href"] for one in links if one.get("rel") == "next"), None)
    following = following or answer.get("next")
    if not following:
        return None
    found = parse_qs(urlsplit(str(following)).query).get("marker")
    return found[0] if found else None
