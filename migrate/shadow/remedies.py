"""What to look at first, by what the clone has answered otherwise."""

from typing import Any

from migrate.shadow.answers import LOGIN

KEYS = (
    "keystone's keys on the target are not the source's, or its data knows other users: "
    "`migrate follow --execute` carries the keys again"
)
POLICY = "compare {} of the source and of the target: policy.yaml, and [oslo_policy] that names it"
LEFT = "an option of the target's files names what was wanted: the line above tells who and where"
DEAD = "see why it ended in its log under /var/log on the target"
ELSE = "compare the service's options on both sides, then the rows themselves"


def of(shadow: dict[str, Any]) -> list[str]:
    """A clause for each cause that *shadow* points to, the likeliest first."""
    differ = [one for view in shadow["views"] for one in view["differences"]]
    logins = [one for one in differ if one["type"] == LOGIN]
    refused = [one for one in differ if one not in logins and _refused(one)]
    services = ", ".join(sorted({f"the policies of {one['service']}" for one in refused}))
    return [
        text
        for text, there in (
            (KEYS, logins),
            (POLICY.format(services), refused),
            (LEFT, shadow["left"]),
            (DEAD, shadow["dead"]),
            (ELSE, len(differ) > len(logins) + len(refused)),
        )
        if there
    ]


def _refused(one: dict[str, Any]) -> bool:
    """Whether one of both sides does not tell it at all."""
    return "403" in f"{one['before']} {one['after']}" and one["id"] == "*"
