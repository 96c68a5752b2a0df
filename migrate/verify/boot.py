"""A new server on a compute host: it boots, answers ping, and is deleted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from migrate.cloud import Context, wait
from migrate.cloud.api import SECONDS, Api
from migrate.cloud.host import Host
from migrate.errors import StepError, UnreachableError, one_line
from migrate.verify.model import Model, candidates

NAME = "sidestep-verify"
ALONE = threading.Lock()
ACTIVE_SECONDS, PING_SECONDS, GONE_SECONDS = 240.0, 180.0, 120.0
TRIED = 3  # flavors
NO_HOST = "No valid host was found"  # by the scheduler: one that fails on the host says otherwise
HOST_MICROVERSION = "2.74"  # the first with `host`: the scheduler must still agree


class NoPlaceError(StepError):
    """Nova's scheduler puts none of the servers that could be tried on the host."""


@dataclass(frozen=True, slots=True)
class Booted:
    """How it went; seconds count from the request. It is deleted again."""

    compute: str
    server: str
    address: str
    active_seconds: float
    answered_seconds: float
    active_at: float  # seconds since 1970


def boot(context: Context, api: Api, compute: str) -> Booted | None:
    """Boot on *compute*, wait for ACTIVE and for an answer to ping, delete. Raises StepError.

    None, and nothing is tried, where *compute* has no room for one. NoPlaceError where the host
    takes none like those that run, whose flavors are tried: it is for others (aggregates, traits,
    devices).
    One at a time: each takes away what one before it has left.
    """
    from openstack.exceptions import SDKException  # noqa: PLC0415  it costs half a second

    with ALONE:
        try:
            return _boot(context, api, compute)
        except SDKException as error:
            raise StepError(f"the new server for {compute}: {one_line(error)}") from error


def _boot(context: Context, api: Api, compute: str) -> Booted | None:
    connection = api.connection
    sweep(connection)
    refused = ""
    for model in islice(candidates(api, compute), TRIED):
        try:
            return _like(context, connection, model, compute)
        except NoPlaceError as error:
            refused = str(error)
    if refused:
        raise NoPlaceError(refused)
    return None


def _like(context: Context, connection: Any, model: Model, compute: str) -> Booted:
    began = time.monotonic()
    with _port(connection, model.network) as port:
        address = port["fixed_ips"][0]["ip_address"]
        server = _create(connection, model, port["id"], compute)
        try:
            _wait_active(connection, server)
            active, active_at = time.monotonic() - began, time.time()
            _wait_answer(context, connection, model.network, address)
            answered = time.monotonic() - began
        finally:
            _delete(connection, server)
    return Booted(compute, server, address, round(active, 1), round(answered, 1), active_at)


def sweep(connection: Any) -> None:
    """Delete what an earlier verification left, as one that was killed."""
    for server in connection.compute.servers(all_projects=True, name=f"^{NAME}$"):
        _delete(connection, server.id)
    for port in connection.network.ports(name=NAME):
        connection.network.delete_port(port.id)
    for group in connection.network.security_groups(name=NAME):
        connection.network.delete_security_group(group.id)


@contextmanager
def _port(connection: Any, network: str) -> Iterator[dict[str, Any]]:
    """A port that lets ICMP in, with a security group of its own; both are deleted after it."""
    project = connection.current_project_id
    group = connection.network.create_security_group(name=NAME, project_id=project)
    try:
        connection.network.create_security_group_rule(
            security_group_id=group.id,
            direction="ingress",
            ethertype="IPv4",
            protocol="icmp",
            project_id=project,
        )
        port = connection.network.create_port(
            name=NAME, network_id=network, security_group_ids=[group.id], project_id=project
        )
        try:
            yield port.to_dict()
        finally:
            connection.network.delete_port(port.id, ignore_missing=True)
    finally:
        connection.network.delete_security_group(group.id, ignore_missing=True)


def _create(connection: Any, model: Model, port: str, compute: str) -> str:
    body = {
        "name": NAME,
        "imageRef": model.image,
        "flavorRef": model.flavor,
        "networks": [{"port": port}],
        "host": compute,
    }
    answer = connection.session.post(
        f"{Api(connection).bases['compute']}/servers",
        json={"server": body},
        headers={"OpenStack-API-Version": f"compute {HOST_MICROVERSION}"},
        timeout=SECONDS,
        raise_exc=False,
    )
    if answer.status_code != 202:
        raise StepError(f"nova refused a new server ({answer.status_code}): {answer.text[:300]}")
    return str(answer.json()["server"]["id"])


def _wait_active(connection: Any, server: str) -> None:
    def active() -> bool:
        found = connection.compute.get_server(server)
        if found.status == "ERROR":
            why = (found.fault or {}).get("message", "no reason is told")
            if why.startswith(NO_HOST):
                raise NoPlaceError(f"nova's scheduler takes no new server for it: {why[:300]}")
            raise StepError(f"the new server {server} went into ERROR: {why[:300]}")
        return bool(found.status == "ACTIVE")

    _await(active, ACTIVE_SECONDS, f"the new server {server} is not ACTIVE")


def _wait_answer(context: Context, connection: Any, network: str, address: str) -> None:
    asking = _askers(context, connection, network)

    def answers() -> bool:
        for host, prefix in asking:
            with suppress(UnreachableError):  # an old controller that is dead; its agents are told
                if host.succeeds(*prefix, "ping", "-c", "1", "-W", "2", address, timeout=10):
                    return True
        return False

    _await(answers, PING_SECONDS, f"the new server does not answer ping at {address}")


def _askers(context: Context, connection: Any, network: str) -> list[tuple[Host, tuple[str, ...]]]:
    """Hosts that have a way into *network*: those of its DHCP servers, in their name space."""
    hosts = {host.name: host for host in (*context.source.hosts, *context.target.controllers)}
    inside = ("ip", "netns", "exec", f"qdhcp-{network}")
    agents = connection.network.network_hosting_dhcp_agents(network)
    found: list[tuple[Host, tuple[str, ...]]]
    found = [(hosts[agent.host], inside) for agent in agents if agent.host in hosts]
    outside: tuple[str, ...] = ()
    return found or [(context.target.asker, outside)]


def _delete(connection: Any, server: str) -> None:
    with suppress(Exception):  # deleting twice is refused while the first is at work
        connection.compute.delete_server(server, ignore_missing=True)
    _await(
        lambda: not connection.compute.find_server(server, all_projects=True),
        GONE_SECONDS,
        f"the new server {server} is not gone after its deletion",
    )


def _await(condition: Callable[[], bool], seconds: float, late: str) -> None:
    wait.until(condition, seconds, f"{late} after {seconds:.0f} s", pause=1)
