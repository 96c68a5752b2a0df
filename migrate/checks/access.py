"""Every host lets us in by ssh, with a known key, and lets us become root."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NoReturn, cast

from migrate.cloud import Cloud, Context
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error, on_each
from migrate.errors import CommandError, UnreachableError


def run(context: Context) -> list[Finding]:
    """One finding for each host that does not let us in."""
    return on_each(context.hosts, _ask)


def _ask(host: Host) -> Iterator[Finding]:
    try:
        user = host.run("id", "-u", timeout=15).strip()
    except UnreachableError as failure:
        yield error(str(failure), _remedy(str(failure)))
    except CommandError as failure:
        if "sudo" in failure.stderr:
            yield error(
                "sudo does not let the ssh user become root without a password",
                "Allow it on that host: <user> ALL=(ALL) NOPASSWD: ALL",
            )
        else:
            yield error(str(failure), "Log in by hand and see why a command fails there")
    else:
        if user != "0":
            yield error(f"commands run as user {user}, not as root", "Correct sudo there")
        elif not host.succeeds("python3", "-c", "pass"):
            yield error("there is no python3", "Install python3 on that host")


def _remedy(message: str) -> str:
    if "has changed" in message:
        return "Never ignore it: find out why the key changed, then correct known_hosts"
    if "is unknown" in message:
        return "Compare the host's key with its console and add it to known_hosts"
    if "refused the key" in message:
        return "Put the key of sidestep:ssh into authorized_keys of that user"
    return "See that the host is up and that its address in the stack file is right"


class Shut:
    """Stands for a host that does not let us in: nobody else waits for it to answer."""

    def __init__(self, host: Host) -> None:
        self.name, self.address = host.name, host.address

    def __getattr__(self, name: str) -> NoReturn:
        raise UnreachableError(f"{self.name} does not let us in", self.name)


def without(context: Context, names: list[str]) -> Context:
    """*context* with the hosts called *names* shut."""

    def seen(hosts: tuple[Host, ...]) -> tuple[Host, ...]:
        return tuple(cast(Host, Shut(h)) if h.name in names else h for h in hosts)

    def cloud(one: Cloud) -> Cloud:
        return replace(
            one,
            controllers=seen(one.controllers),
            computes=seen(one.computes),
            network_hosts=seen(one.network_hosts),
            databases=seen(one.databases),
        )

    return replace(
        context,
        source=cloud(context.source),
        target=cloud(context.target),
        storage=seen(context.storage),
    )
