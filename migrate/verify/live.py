"""The proof through the virtual IP: all is there, unchanged, and works."""

import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from queue import Empty, Queue
from typing import Any

from migrate.cloud import Context, login
from migrate.cloud.api import Api
from migrate.cloud.login import ADMIN
from migrate.engine.finding import Finding, Severity, error, filled, info
from migrate.errors import one_line
from migrate.verify import addresses, dashboard, heartbeats, new_server, views
from migrate.verify.comparison import Comparison, compare
from migrate.verify.listing import Listing, take
from migrate.verify.model import NoPlaceError

NAME = "verify"
SETTLE_SECONDS, SETTLE_PAUSE = 60.0, 3.0
HEARD_SECONDS = 120.0
SHOWN = 40  # differences told one by one; the document has them all


@dataclass
class Verification:
    """What was proven. `lines` are for people, `document` for machines."""

    findings: list[Finding] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return not any(one.severity is Severity.ERROR for one in self.findings)

    def fails(self, message: str, remedy: str, where: str = "") -> None:
        """Add an error."""
        self.adds(error(message, remedy, where))

    def adds(self, one: Finding) -> None:
        self.findings += filled([one], check=NAME)


def run(
    context: Context, before: dict[str, Listing], released: float, *, purged: Collection[str] = ()
) -> Verification:
    """Verify the target through the virtual IP against the views *before* (`views.kept`).

    Nobody misses what is *purged*, by its id. *released* is when writes were let in, in seconds
    since 1970. Every part has a deadline, and one that fails does not keep the others from being
    tried.
    """
    result = Verification()
    began = time.monotonic()
    heard_hosts: Queue[str] = Queue()
    parts: list[tuple[str, Callable[[], None]]] = [
        ("tokens", lambda: _tokens(context, result)),
        ("addresses", lambda: _addresses(context, result)),
        ("dashboard", lambda: _dashboard(context, result)),
        (
            "heartbeats",
            lambda: _heartbeats(context, before, released, result, heard_hosts.put, purged),
        ),
    ]
    with ThreadPoolExecutor(len(parts)) as pool:
        done = [pool.submit(_guarded, result, *part) for part in parts]
        # the new server must not be in the listings, nor wait for more than its own host
        _guarded(result, "listings", lambda: _listings(context, before, released, result, purged))
        if ADMIN in before:
            old = before[ADMIN]
            _guarded(result, "new server", lambda: _server(context, old, heard_hosts, result))
        for part in done:
            part.result()
    result.document["seconds"] = round(time.monotonic() - began, 1)
    result.document["good"] = result.good
    return result


def _guarded(result: Verification, name: str, part: Callable[[], None]) -> None:
    try:
        part()
    except Exception as error:  # all that a broken cloud can raise
        remedy = "See the services' logs on the target, verify again"
        result.fails(f"{name}: {one_line(error)}", remedy)


def _listings(
    context: Context,
    before: dict[str, Listing],
    released: float,
    result: Verification,
    purged: Collection[str],
) -> None:
    if not before:
        result.fails(
            "there is no listing from before the cutover to compare with",
            "It is taken by `migrate cutover`; without one nothing can be proven complete",
        )
        return
    after = views.take_all(context, before=before)
    document = result.document["listings"] = {}
    for name, old in before.items():
        all_projects = before[ADMIN] if name != ADMIN else None
        judge = partial(compare, old, since=released, reference=all_projects, ours=purged)
        found = _settled(login.api(context, name=name), name, old, after[name], judge)
        document[name] = asdict(found)
        who = "all projects" if name == ADMIN else f"as {name}"
        made = [one for one in found.differences if one.change == "added" and not one.field]
        lost = [one for one in found.differences if one not in made]
        result.lines.append(
            f"{who}: {found.resources} resources, {found.fields} fields compared, "
            f"{len(lost)} differ, {len(made)} made since, {sum(found.allowed.values())} allowed"
        )
        if made:
            names = ", ".join(sorted({one.type for one in made}))
            told = f"{len(made)} resources were made since the release ({names})"
            result.adds(info(told, "They would be lost on the way back", who))
        for one in lost[:SHOWN]:
            result.fails(str(one), "See why; nothing may change on the way", who)
        if len(lost) > SHOWN:
            result.fails(f"and {len(lost) - SHOWN} more differences", "See verification.json", who)


def _settled(
    api: Api, name: str, old: Listing, after: Listing, judge: Callable[[Listing], Comparison]
) -> Comparison:
    """What still differs after a while: a port is down for the moment in which its agent restarts.

    Only the types that differ are asked again.
    """
    found = judge(after)
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        types = {one.type for one in found.differences if one.field or one.change == "removed"}
        if not types:
            break
        time.sleep(SETTLE_PAUSE)
        everywhere = name == ADMIN
        again = take(api, everywhere=everywhere, microversions=old.microversions, types=types)
        after = replace(after, resources={**after.resources, **again.resources})
        found = judge(after)
    return found


def _tokens(context: Context, result: Verification) -> None:
    """Tokens from before are still good, and every user of the clouds.yaml can log in anew."""
    old = views.kept_tokens(context)
    names = tuple(old) or (ADMIN, *views.users(context))
    good = True
    for name in names:
        session = login.connection(context, name=name).session
        url = session.auth.auth_url.rstrip("/")
        fresh = session.get_token()
        for kind, token in (("a new token", fresh), ("a token from before", old.get(name))):
            if token is None:
                continue
            answer = session.get(
                f"{url}/auth/tokens",
                authenticated=False,
                headers={"X-Auth-Token": token, "X-Subject-Token": token},
                raise_exc=False,
                timeout=30,
            )
            if answer.status_code != 200:
                good = False
                result.fails(
                    f"{kind} of {name} is refused ({answer.status_code})",
                    "See that the fernet keys of the source were carried over",
                )
    if good:
        views.forget_tokens(context)
    result.document["tokens"] = {"users": len(names), "from_before": len(old)}
    result.lines.append(f"logins: {len(names)} anew, {len(old)} tokens from before tried")


def _dashboard(context: Context, result: Verification) -> None:
    ports = [api for r in context.recipes if r.dashboard for api in r.apis]
    config = login.connection(context).config
    auth = config.config["auth"]
    if not ports or "password" not in auth:
        result.document["dashboard"] = "not tried: no horizon, or no password to log in with"
        return
    authorities, own = config.get_requests_verify_args()
    tls = addresses.trusting(authorities if isinstance(authorities, str) else "", own)
    document = result.document["dashboard"] = {}
    port = ports[0].port
    for address in addresses.of_target(context)[port]:
        kind = addresses.scheme(address, port, own=own)
        usual = {"http": 80, "https": 443}[kind]
        url = f"{kind}://{address}{f':{port}' if port != usual else ''}{ports[0].path}"
        began = time.monotonic()
        dashboard.log_in(
            url,
            user=auth["username"],
            password=auth["password"],
            domain=auth.get("user_domain_name") or "Default",
            tls=tls,
        )
        took = document[url] = round(time.monotonic() - began, 1)
        result.lines.append(f"horizon logged in at {url} in {took} s")


def _addresses(context: Context, result: Verification) -> None:
    """Every API answers at every virtual IP that serves it, not only where the catalogue leads."""
    found = addresses.ask_all(context, login.certificate(context))
    result.document["apis"] = [asdict(one) for one in found]
    for one in found:
        if one.wrong:
            remedy = (
                "See HAProxy's log on the target; if it asks who calls, clouds.yaml has cert, key"
            )
            result.fails(f"{one.api} at {one.url} {one.wrong}", remedy)
    good = [one for one in found if not one.wrong]
    slowest = max((one.seconds for one in good), default=0.0)
    result.lines.append(
        f"{len(good)} of {len(found)} APIs answered at {len(context.target.virtual_ips)} virtual "
        f"IP(s), the slowest in {slowest:.1f} s"
    )


def _heartbeats(
    context: Context,
    before: dict[str, Listing],
    released: float,
    result: Verification,
    tell: Callable[[str], None],
    purged: Collection[str],
) -> None:
    if ADMIN not in before:
        return

    def hosts(name: str) -> None:
        binary, _, host = name.partition(" on ")
        if binary == "nova-compute":
            tell(host)

    api = login.api(context)
    wanted = heartbeats.expected(before[ADMIN], purged, context.settings.leave)
    found = heartbeats.wait(api, wanted, released, seconds=HEARD_SECONDS, tell=hosts)
    result.document["heard"] = found.heard
    for name in found.silent:
        result.fails(
            f"{name} was not heard since the release",
            "See its log; restart it if it still holds a connection to the old controller",
        )
    last = max(found.heard.values(), default=0.0)
    result.lines.append(
        f"{len(found.heard)} agents, services and computes heard, the last {last:.1f} s "
        "after the release"
    )


def _server(
    context: Context, before: Listing, heard_hosts: Queue[str], result: Verification
) -> None:
    """One new server on the first compute host that was heard and has room for it."""
    if not any(name.startswith("nova-compute on ") for name in heartbeats.expected(before)):
        result.document["booted"] = "not tried: the cloud had no compute host that was up"
        return
    api, full = login.api(context), list[str]()
    deadline = time.monotonic() + HEARD_SECONDS
    one = None
    while one is None:
        try:
            host = heard_hosts.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            _not_booted(result, full)
            return
        try:
            one = new_server.tried(context, api, host)
            full += [] if one else [host]
        except NoPlaceError as error:  # it is for other servers than those that run
            full.append(f"{host} ({error})")
    result.document["booted"] = asdict(one)
    result.lines.append(
        f"a new server on {one.compute} was ACTIVE after {one.active_seconds} s, answered ping "
        f"after {one.answered_seconds} s and is deleted"
    )


def _not_booted(result: Verification, full: list[str]) -> None:
    """Each host that is silent is told by its name elsewhere."""
    if not full:
        result.document["booted"] = "not tried: no compute host was heard"
        return
    told = f"no compute host that was heard takes a new server: {', '.join(full)}"
    result.document["booted"] = f"not tried: {told}"
    result.fails(told, "Make room for one on any of them, verify again")
