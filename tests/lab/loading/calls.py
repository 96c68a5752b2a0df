"""Calls that users make: with a token, reading and writing, each once in sixteen seconds."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import Any

from infra.nspawn import access
from tests.lab import identity
from tests.lab.loading.beat import regularly
from tests.lab.loading.http import CallError, request
from tests.lab.loading.record import Record
from tests.lab.settings import ALL, Lab
from tests.lab.units import proxied

INTERVAL = 16.0  # each costs the cloud 50 to 400 ms of CPU, which two cores have little of
PORTS = proxied(ALL)
PATIENCE = 60.0  # as long as usual clients wait
SETTLE = 20.0  # for what has begun when the load ends
MARK = "load-"  # names of what the load makes


class Calls:
    """The calls of one user; `run` makes them, `clean` deletes what they made."""

    def __init__(self, lab: Lab, record: Record) -> None:
        self._lab, self._record = lab, record
        self._token, self._project, self._network = "", "", ""
        self._public = access.key(lab.home).with_suffix(".pub").read_text()

    async def run(self) -> None:
        """Call until cancelled."""
        while not self._token:
            await self._log_in()
            await asyncio.sleep(INTERVAL)
        beat = partial(regularly, interval=INTERVAL, settle=SETTLE)
        async with asyncio.TaskGroup() as group:
            readers = {
                "list servers": ("nova", "/v2.1/servers/detail"),
                "list images": ("glance", "/v2/images"),
                "list volumes": ("cinder", f"/v3/{self._project}/volumes/detail"),
                "list stacks": ("heat", f"/v1/{self._project}/stacks"),
                "list networks": ("neutron", "/v2.0/networks"),
            }
            for kind, (service, target) in readers.items():
                group.create_task(beat(partial(self._call, kind, service, "GET", target)))
            for work in (self._log_in, self._port, self._keypair):
                group.create_task(beat(work))

    async def clean(self) -> None:
        """Delete ports and keypairs of the load, also those whose creation was never answered."""
        with contextlib.suppress(CallError):
            found = await self._send("neutron", "GET", "/v2.0/ports?fields=id&fields=name")
            for port in found["ports"]:
                if port["name"].startswith(MARK):
                    await self._send("neutron", "DELETE", f"/v2.0/ports/{port['id']}")
        with contextlib.suppress(CallError):
            found = await self._send("nova", "GET", "/v2.1/os-keypairs")
            for pair in found["keypairs"]:
                if (name := pair["keypair"]["name"]).startswith(MARK):
                    await self._send("nova", "DELETE", f"/v2.1/os-keypairs/{name}")

    async def _log_in(self) -> None:
        given = identity.credentials(self._lab, "demo", "demo")
        user = {
            "name": given["username"],
            "domain": {"id": "default"},
            "password": given["password"],
        }
        scope = {"project": {"name": given["project_name"], "domain": {"id": "default"}}}
        methods = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": methods, "scope": scope}}
        began = time.time()
        try:
            address = (self._lab.vip, PORTS["keystone"])
            headers, answer = await request(
                "POST", address, "/v3/auth/tokens", seconds=PATIENCE, body=body
            )
        except CallError as failure:
            self._record.add("create token", began, ok=False, note=str(failure))
            return
        self._record.add("create token", began, ok=True)
        self._token = headers["x-subject-token"]
        self._project = answer["token"]["project"]["id"]

    async def _port(self) -> None:
        if not self._network:
            found = await self._call("list networks", "neutron", "GET", "/v2.0/networks?name=inner")
            self._network = found["networks"][0]["id"] if found else ""
            return
        body = {"port": {"network_id": self._network, "name": f"{MARK}{time.time():.3f}"}}
        made = await self._call("create port", "neutron", "POST", "/v2.0/ports", body)
        if made:
            await self._call(
                "delete port", "neutron", "DELETE", f"/v2.0/ports/{made['port']['id']}"
            )

    async def _keypair(self) -> None:
        name = f"{MARK}{time.time_ns()}"
        body = {"keypair": {"name": name, "public_key": self._public}}
        if await self._call("create keypair", "nova", "POST", "/v2.1/os-keypairs", body):
            await self._call("delete keypair", "nova", "DELETE", f"/v2.1/os-keypairs/{name}")

    async def _call(
        self, kind: str, service: str, method: str, target: str, body: Any = None
    ) -> Any:
        began = time.time()
        try:
            answer = await self._send(service, method, target, body)
        except CallError as failure:
            self._record.add(kind, began, ok=False, note=str(failure))
            return None
        self._record.add(kind, began, ok=True)
        return answer

    async def _send(self, service: str, method: str, target: str, body: Any = None) -> Any:
        address = (self._lab.vip, PORTS[service])
        _, answer = await request(
            method, address, target, seconds=PATIENCE, token=self._token, body=body
        )
        return answer
