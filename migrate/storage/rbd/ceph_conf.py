"""What a ceph.conf says of a client's key. Pure.

Ceph takes `auth client required`, `auth_client_required` and `auth-client-required` for one option,
and the section of a client before [client], and that before [global].
"""

import re
from string import Template

KEYRINGS = (
    "/etc/ceph/$cluster.$name.keyring,/etc/ceph/$cluster.keyring,/etc/ceph/keyring,"
    "/etc/ceph/keyring.bin"
)
CONTINUED = re.compile(r"\\[ \t]*\n")
SECTION = re.compile(r"\s*\[([^\]]+)\]")
OPTION = re.compile(r"\s*([^=;#\[\s][^=]*?)\s*=\s*(.*?)\s*(?:\s[;#].*)?$")


def by_section(text: str, option: str) -> dict[str, str]:
    """*option* in each section of a file's *text* that sets it; a keyring is written alike."""
    found: dict[str, str] = {}
    section = ""
    for line in CONTINUED.sub(" ", text).splitlines():
        if match := SECTION.match(line):
            section = match[1].strip()
        elif (match := OPTION.match(line)) and re.sub(r"[ -]+", "_", match[1]) == option:
            found[section] = match[2].strip('"')
    return found


def get(text: str, name: str, option: str) -> str:
    """*option* of the client *name* ("client.glance") by a file's *text*; "" where none is set."""
    found = by_section(text, option)
    return next((found[one] for one in (name, "client", "global") if one in found), "")


def keyrings(text: str, name: str, cluster: str) -> list[str]:
    """Where librados looks for the key of *name*, the first file that is there counts."""
    values = {"cluster": cluster, "name": name, "type": "client", "id": name.partition(".")[2]}
    named = Template(get(text, name, "keyring") or KEYRINGS).safe_substitute(values)
    return [one for one in re.split(r"[,;\s]+", named) if one]
