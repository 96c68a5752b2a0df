"""From the properties of a resource to a host: the address is the state's, the key the stack's."""

from __future__ import annotations

from functools import cache
from typing import Any

from migrate.cloud import settings
from migrate.cloud.host import Host, SshHost


@cache
def _host(stack: str, name: str, address: str) -> SshHost:
    ssh = settings.load(stack).ssh
    return SshHost(
        name, address, user=ssh.user, key=ssh.key, known_hosts=ssh.known_hosts, port=ssh.port
    )


def host(props: dict[str, Any]) -> Host:
    """The machine of `{"stack": ..., "machine": {"name": ..., "address": ...}}`, over ssh.

    One connection a machine and process, shared by its resources.
    """
    machine = props["machine"]
    return _host(props["stack"], machine["name"], machine["address"])
