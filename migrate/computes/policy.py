"""What the operator wants for a server, and what can be done for it."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from migrate.cloud.settings import Move, Settle, SettleRule
from migrate.computes import needs
from migrate.computes.estimates import Action, Way
from migrate.computes.facts import Kind, Server

ABOVE = "put a rule above it in sidestep:settle that says what to do"
TPM = "to stay with a TPM, which would go with the old system: it does not lie with their disks"

# in place they notice nothing, and stay whatever is wanted of one that runs
AT_REST = (Kind.STOPPED, Kind.HELD)


class Wanted(NamedTuple):
    """What the operator says of a server."""

    move: Move
    home: bool = False  # it comes back to its host when that is renewed


class Decision(NamedTuple):
    """`why` is a reason to refuse, with its `remedy`, or what is to be known of the action."""

    action: Action
    why: str = ""
    remedy: str = ""
    moves: bool = False  # whether the server leaves its host
    home: bool = False  # and comes back to it


class Policy:
    """What becomes of each server by the rules of the stack file."""

    def __init__(self, way: Way, settle: Settle, projects: Mapping[str, str]) -> None:
        self._way = way
        self._otherwise = Wanted(
            settle.otherwise or ("liveMigrate" if way.emptied else "leave"), settle.home
        )
        self._rules = [
            (
                _matcher(rule, projects),
                Wanted(rule.do, settle.home if rule.home is None else rule.home),
            )
            for rule in settle.rules
        ]
        self._tags = frozenset(rule.tag for rule in settle.rules if rule.tag)
        self._keys = tuple({_pair(rule)[0] for rule in settle.rules if rule.metadata})
        self._projects = frozenset().union(*(_ids(rule, projects) for rule in settle.rules))

    def of(self, server: Server, zone: str) -> Decision:
        """For *server* on a host of *zone*."""
        wanted = self.wanted(server, zone)
        found = decide(self._way, wanted.move, server)
        return found._replace(home=found.moves and wanted.home)

    def leaves(self, server: Server, zone: str) -> bool:
        """Whether *server* is not to be on its host, or not to run there, while it is renewed."""
        move = self.wanted(server, zone).move
        if not self._way.emptied:
            return move != "leave" and server.kind not in AT_REST
        return move != "stopStart" or server.kind is not Kind.STOPPED

    def asked(self, server: Server) -> tuple[object, ...]:
        """What rules ask of *server*, beside its flavor."""
        metadata = server.metadata
        return (
            server.project if server.project in self._projects else "",
            self._tags.intersection(server.tags) if server.tags else None,
            tuple([metadata.get(one) for one in self._keys]) if metadata else None,
        )

    def wanted(self, server: Server, zone: str) -> Wanted:
        """For *server* on a host of *zone*, whatever it is in the middle of."""
        return next((one for meets, one in self._rules if meets(server, zone)), self._otherwise)


def _pair(rule: SettleRule) -> tuple[str, str]:
    key, _, value = rule.metadata.partition("=")
    return key, value


def _ids(rule: SettleRule, projects: Mapping[str, str]) -> set[str]:
    """What the project of *rule* may be called: it is named by id or name."""
    return {rule.project, *(id_ for id_, name in projects.items() if name == rule.project)}


def _matcher(rule: SettleRule, projects: Mapping[str, str]) -> Callable[[Server, str], bool]:
    key, value = _pair(rule)
    ids = _ids(rule, projects)

    def meets(server: Server, zone: str) -> bool:
        return (
            (not rule.tag or rule.tag in server.tags)
            and (not key or server.metadata.get(key) == value)
            and rule.flavor in ("", server.flavor.name)
            and (not rule.project or server.project in ids)
            and rule.zone in ("", zone)
        )

    return meets


def decide(way: Way, move: Move, server: Server) -> Decision:
    """What becomes of *server*: the operator's *move*, or why it is refused.

    It asks nothing of the server but its kind, status, flavor and ports. Nothing that users notice
    is done in place of what was wanted: only a stopped server is moved where a running one would be
    live-migrated.
    """
    kind = server.kind
    if kind is Kind.ERROR:
        return Decision(Action.REFUSED, "in ERROR", "mend or delete them")
    if kind is Kind.BUSY:
        return Decision(Action.REFUSED, "in the middle of an operation", "wait until it has ended")
    if move == "ask":
        return Decision(Action.REFUSED, "not decided upon: the policy says ask", ABOVE)
    if not way.emptied and (move == "leave" or kind in AT_REST):
        return Decision(Action.STAYS)
    if kind is Kind.HELD:
        wrong = f"{server.status}, which nova does not move"
        return Decision(Action.REFUSED, wrong, "bring them to ACTIVE or SHUTOFF first")
    decided = _WANTED[move](kind, server)
    lost = way is Way.REINSTALL and not decided.moves and needs.has_tpm(server.flavor)
    if lost and decided.action is not Action.REFUSED:
        decided = Decision(Action.REFUSED, TPM, f"have them cold-migrated: {ABOVE}")
    return decided


def _live(kind: Kind, server: Server) -> Decision:
    if kind is Kind.STOPPED:
        return Decision(Action.COLD, "it is stopped", moves=True)
    if wrong := needs.obstacle(server.flavor, server.cards):
        return Decision(Action.REFUSED, f"not to be live-migrated: {wrong}", ABOVE)
    return Decision(Action.LIVE, needs.doubt(server.flavor, server.cards), moves=True)


def _cold(kind: Kind, server: Server) -> Decision:
    if kind is Kind.PAUSED:
        return Decision(Action.REFUSED, "paused, and so not to be cold-migrated", "unpause them")
    return Decision(Action.COLD, needs.doubt(server.flavor, server.cards), moves=True)


def _stop(kind: Kind, _: Server) -> Decision:
    if kind is Kind.PAUSED:
        return Decision(Action.REFUSED, "paused, and so not to be stopped", "unpause them")
    return Decision(Action.STAYS if kind is Kind.STOPPED else Action.STOP)


def _leave(*_: object) -> Decision:
    wrong = "to be left running by the policy, which no reinstall and no boot does"
    return Decision(Action.REFUSED, wrong, f"settle this host in place, or {ABOVE}")


_WANTED: dict[str, Callable[[Kind, Server], Decision]] = {
    "liveMigrate": _live,
    "coldMigrate": _cold,
    "stopStart": _stop,
    "leave": _leave,
}
