"""Whether one target can tell what it has of each of several servers that it follows."""

from collections.abc import Mapping

from migrate.database.replication.facts import Facts, Obstacle


def apart(servers: Mapping[str, Facts]) -> list[Obstacle]:
    """Why one target cannot follow all of *servers*, by their names: two log in one domain.

    A position has one number for each domain: of two servers' it would be either's.
    """
    found: list[Obstacle] = []
    taken = {number for one in servers.values() for number in one.domains}
    seen: dict[int, str] = {}
    for name, one in servers.items():
        if both := sorted(one.domains & seen.keys()):
            own = max(taken) + 1 if one.gtid_domain_id in both else one.gtid_domain_id
            taken.add(own)
            shared = ", ".join(map(str, both))
            found.append(
                Obstacle(
                    f"{seen[both[0]]} and {name} both log in the GTID domain {shared}",
                    f"On {name} `SET GLOBAL gtid_domain_id = {own}`, and the same in an option "
                    "file; restart what writes there, since a session keeps what it began with; "
                    "when every replica of its own has come so far, `FLUSH BINARY LOGS`, `PURGE "
                    "BINARY LOGS TO` the newest and `FLUSH BINARY LOGS DELETE_DOMAIN_ID = "
                    f"({shared})`",
                )
            )
        seen = dict.fromkeys(one.domains, name) | seen
    return found
