"""What decides whether the target's server can follow the source's, and what to do where not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from migrate.database import connection
from migrate.database.replication import state

PROVEN_SOURCES = ((10, 11), (11, 8))
PROVEN_TARGETS = ((11, 8),)
SHORTEST = 3600  # seconds for which the source should keep what a stopped replica has not read
SMALLEST = 2**30  # bytes, the same where the source keeps its logs by their size

VARIABLES = (
    *("version", "server_id", "log_bin", "binlog_format", "binlog_row_image", "log_slave_updates"),
    *("gtid_domain_id", "gtid_binlog_pos", "expire_logs_days", "binlog_expire_logs_seconds"),
    *("max_binlog_total_size", "slave_connections_needed_for_purge", "event_scheduler"),
)

ROW_LINES = "binlog_format = ROW, binlog_row_image = FULL"
# the last for 11.4 and newer, which keep all of them while no replica is connected; others pass it
LINES = (
    f"log_bin = binlog, {ROW_LINES}, expire_logs_days = 3, "
    "loose_slave_connections_needed_for_purge = 0"
)
# a session keeps what it began with, and services keep theirs for hours
SESSIONS = "a restart of the source's server, so that no session of a service keeps the old setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a server says of its binary log, and of what it follows itself."""

    version: str  # "11.8.6-MariaDB-0+deb13u1-log"
    server_id: int
    log_bin: bool
    binlog_format: str  # "ROW", "MIXED", "STATEMENT"
    binlog_row_image: str  # "FULL", "FULL_NODUP", "NOBLOB", "MINIMAL"
    gtid_domain_id: int
    gtid_binlog_pos: str  # "0-11-55,5-1-3", or ""
    log_slave_updates: bool = False
    follows: tuple[str, ...] = ()  # the servers that it is a replica of
    filters: tuple[str, ...] = ()  # "binlog_do_db = nova"
    expires: float = 0  # seconds after which a binary log is removed, 0 for never
    total_size: int = 0  # bytes above which the oldest is removed, 0 for never
    log_bytes: int = 0  # what its binary logs take now
    needed_for_purge: int = 0  # replicas without which it removes none of them
    event_scheduler: bool = False

    @property
    def series(self) -> tuple[int, ...]:
        """`(11, 8)`."""
        return series_of(self.version)

    @property
    def domains(self) -> frozenset[int]:
        """Those of its own transactions, and of all that are in its binary log."""
        logged = {int(one.partition("-")[0]) for one in self.gtid_binlog_pos.split(",") if one}
        return frozenset(logged | {self.gtid_domain_id})


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why the source is not followed, or where it `forbids` nothing, what to know about it.

    One that `waits` does harm only where the source's disk is nearly full.
    """

    message: str
    remedy: str
    forbids: bool = True
    waits: bool = False


def read(link: connection.Session) -> Facts:
    """What the server of *link* says; nothing is changed."""
    told = {
        str(name).lower(): str(value)
        for name, value in connection.rows(
            link,
            f"SHOW GLOBAL VARIABLES WHERE variable_name IN ({connection.marks(VARIABLES)})",
            *VARIABLES,
        )
    }
    log_bin = told["log_bin"] == "ON"
    days = float(told.get("expire_logs_days", 0))
    return Facts(
        version=told["version"],
        server_id=int(told["server_id"]),
        log_bin=log_bin,
        binlog_format=told["binlog_format"],
        binlog_row_image=told["binlog_row_image"],
        gtid_domain_id=int(told["gtid_domain_id"]),
        gtid_binlog_pos=told["gtid_binlog_pos"].replace("\n", "").replace(" ", ""),
        log_slave_updates=told["log_slave_updates"] == "ON",
        follows=tuple(_followed(link)),
        filters=tuple(_filters(link)),
        expires=float(told.get("binlog_expire_logs_seconds", 0)) or days * 86400,
        total_size=int(told.get("max_binlog_total_size", 0)),
        needed_for_purge=int(told.get("slave_connections_needed_for_purge", 0)),
        event_scheduler=told["event_scheduler"] == "ON",
        # a server without one answers by an error
        log_bytes=sum(int(row[1]) for row in connection.rows(link, "SHOW BINARY LOGS"))
        if log_bin
        else 0,
    )


def _followed(link: connection.Session) -> Iterator[str]:
    """None where the server, whose disk is full, would not answer."""
    if not state.full(link):
        for one in connection.named(link, "SHOW ALL SLAVES STATUS"):
            yield str(one["Master_Host"])


def _filters(link: connection.Session) -> Iterator[str]:
    """No variable shows them."""
    for row in connection.named(link, "SHOW MASTER STATUS"):
        for name in ("Binlog_Do_DB", "Binlog_Ignore_DB"):
            if row[name]:
                yield f"{name.lower()} = {row[name]}"


def forbidding(source: Facts, target: Facts) -> list[Obstacle]:
    """Why *target* cannot follow *source* as both are now; [] where it can."""
    return [one for one in obstacles(source, target) if one.forbids]


def obstacles(source: Facts, target: Facts | None) -> list[Obstacle]:
    """All that stands in the way, and what to know; of the source alone where there is no target.

    Tables without a primary key, and a log that is compressed, encrypted or annotated, are fine.
    """
    found = [*_logged(source)] if source.log_bin else [_without()]
    return [*found, *_of_series(source, target), *_beside(source, target)]


def _without() -> Obstacle:
    return Obstacle(
        "the source's binary log is off",
        f"Set {LINES} under [mariadbd] in an option file of the source: it takes a restart of the "
        "source's server",
    )


def _logged(source: Facts) -> Iterator[Obstacle]:
    """Whether all that is written is in the log as rows, and for how long."""
    if source.binlog_format.upper() != "ROW":
        yield Obstacle(
            f"the source's binary log is {source.binlog_format}: statements may give other rows on "
            "the target",
            f"Set {ROW_LINES} under [mariadbd] in an option file of the source: it "
            f"takes {SESSIONS}",
        )
    if source.binlog_row_image.upper() != "FULL":
        yield Obstacle(
            f"the source's binary log holds {source.binlog_row_image} rows, not whole ones",
            f"Set binlog_row_image = FULL under [mariadbd] in an option file of the source: it "
            f"takes {SESSIONS}",
        )
    if not source.gtid_binlog_pos:
        yield Obstacle(
            "the source's binary log holds no GTID yet",
            "Any write of the cloud gives it one: ask again",
        )
    if source.filters:
        yield Obstacle(
            f"the source's binary log leaves out databases ({'; '.join(source.filters)}): their "
            "rows would be missing",
            "Remove these lines from the source's option files: it takes a restart of the source's "
            "server",
        )
    yield from _of_replica(source)
    yield from _retention(source)


def _of_replica(source: Facts) -> Iterator[Obstacle]:
    if not source.follows:
        return
    named = ", ".join(source.follows)
    if not source.log_slave_updates:
        yield Obstacle(
            f"the source follows {named} and does not log what comes from there",
            "Set log_slave_updates = ON under [mariadbd] in an option file of the source: it takes "
            "a restart of the source's server",
        )
        return
    yield Obstacle(
        f"the source follows {named}: what comes from there is followed too, and is written on "
        "although the server is read only",
        "`STOP ALL SLAVES` on the source before the window",
        forbids=False,
    )


def _retention(source: Facts) -> Iterator[Obstacle]:
    """A replica that stops for longer than the logs are kept must be made anew."""
    if not source.expires and not source.total_size:
        yield Obstacle(
            f"nothing removes the source's binary logs ({source.log_bytes / 1e9:.1f} GB now)",
            "`SET GLOBAL expire_logs_days = 3` and the same in an option file, so that they do not "
            "fill its disk",
            forbids=False,
        )
    elif source.needed_for_purge:
        yield Obstacle(
            f"the source removes no binary log while fewer than {source.needed_for_purge} replicas "
            f"read them ({source.log_bytes / 1e9:.1f} GB now)",
            "`SET GLOBAL slave_connections_needed_for_purge = 0` and the same in an option file, "
            "so that they do not fill its disk when nothing follows any more",
            forbids=False,
            waits=True,
        )
    if 0 < source.expires < SHORTEST:
        yield Obstacle(
            f"the source keeps its binary logs for {source.expires:.0f} s: what stops following "
            "for longer must be copied anew",
            "`SET GLOBAL expire_logs_days = 3`, as its disk allows",
            forbids=False,
        )
    if 0 < source.total_size < SMALLEST:
        yield Obstacle(
            f"the source keeps no more than {source.total_size / 1e6:.0f} MB of binary logs: what "
            "stops following for longer than they last must be copied anew",
            f"`SET GLOBAL max_binlog_total_size = {4 * SMALLEST}`, as its disk allows",
            forbids=False,
        )


def _of_series(source: Facts, target: Facts | None) -> Iterator[Obstacle]:
    if source.series not in PROVEN_SOURCES:
        yield Obstacle(
            f"following a MariaDB {shown(source.series)} is not proven",
            f"Upgrade the source's MariaDB to {' or '.join(map(shown, PROVEN_SOURCES))} in place: "
            "it takes a restart of the source's server",
        )
    if target and target.series not in PROVEN_TARGETS:
        yield Obstacle(
            f"following by a MariaDB {shown(target.series)} is not proven",
            f"Install MariaDB {' or '.join(map(shown, PROVEN_TARGETS))} on the target",
        )


def _beside(source: Facts, target: Facts | None) -> Iterator[Obstacle]:
    """What both sides must not have in common, and what the target must not have."""
    if target and source.server_id == target.server_id:
        yield Obstacle(
            f"source and target have the same server_id {source.server_id}",
            f"`SET GLOBAL server_id = {source.server_id + 1}` on the target, and the same in an "
            "option file there",
        )
    if target and target.gtid_domain_id in source.domains:
        yield Obstacle(
            f"the target's gtid_domain_id {target.gtid_domain_id} is in use on the source",
            f"`SET GLOBAL gtid_domain_id = {max(source.domains) + 1}` on the target, and the same "
            "in an option file there",
        )
    if target and target.event_scheduler:
        yield Obstacle(
            "the target's event scheduler is on: the events of the source's databases would run "
            "there too",
            "`SET GLOBAL event_scheduler = OFF` on the target, and event_scheduler = OFF in its "
            "option file",
        )


def series_of(version: str) -> tuple[int, ...]:
    """`(11, 8)` of a server's own "11.8.6-MariaDB-0+deb13u1-log"."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("-")[0])[:2])


def shown(series: tuple[int, ...]) -> str:
    """Such a series for people: "11.8"."""
    return ".".join(str(part) for part in series)
