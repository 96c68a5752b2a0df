"""How long the facts of many compute hosts take to read over HTTP, from a slow cloud.

    python -m tests.bench.reading [hosts [servers [milliseconds of each answer]]]

The cloud is a process of its own that answers from texts made before, each page after a pause. The
calls, times the pause, by the workers that ask side by side, is what nobody could be faster than.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from keystoneauth1.session import Session

from migrate.cloud.api import PAGE, Api
from migrate.computes import reading

FLAVOR = {"original_name": "small", "vcpus": 1, "ram": 2048, "disk": 10, "ephemeral": 0, "swap": 0}
CPU = {"arch": "x86_64", "vendor": "Intel", "model": "Skylake"}
SERVICES = ("compute", "placement", "image", "volume", "network")
IMAGES = 5_000  # by the side of the hidden ones, which are as many here
Row = dict[str, Any]


def lists(hosts: int, servers: int) -> Iterator[tuple[str, str, list[Row]]]:
    """Path, key and rows of every collection."""
    names = [f"cmp{n:05}" for n in range(hosts)]
    plain = {"binary": "nova-compute", "zone": "az1", "disabled_reason": None, "state": "up"}
    more = {"status": "enabled", "forced_down": False}
    services = [{"id": name, "host": name, **plain, **more} for name in names]
    kind = {"hypervisor_type": "QEMU", "hypervisor_version": 10000000, "cpu_info": CPU}
    nodes = [{"id": name, "service": {"host": name}, **kind} for name in names]
    providers = [{"uuid": name, "root_provider_uuid": name} for name in names]
    yield "/os-services", "services", services
    yield "/os-hypervisors/detail", "hypervisors", nodes
    yield "/servers/detail", "servers", [server(n, names[n % hosts]) for n in range(servers)]
    yield "/resource_providers", "resource_providers", providers
    root = {"volume_image_metadata": {"hw_disk_bus": "virtio"}, "description": "x" * 600}
    device = "/dev/vda"
    some = [
        {"id": f"{n:032x}", "attachments": [{"server_id": f"{n:032x}", "device": device}], **root}
        for n in range(0, servers, 2)
    ]
    yield "/volumes/detail", "volumes", some
    yield "/images", "images", [{"id": f"{n:032x}", "owner": "x" * 600} for n in range(IMAGES)]
    ports = [{"id": f"{n:032x}", "device_id": f"{n:032x}"} for n in range(servers)]
    yield "/ports", "ports", ports
    for path in ("aggregates", "server_groups"):
        yield f"/os-{path.replace('_', '-')}", path, []


def server(number: int, host: str) -> Row:
    """As nova tells one, with what nobody here asks for left out but for its length."""
    return {
        "id": f"{number:032x}",
        "name": f"server-{number}",
        "tenant_id": f"{number % 500:032x}",
        "status": "ACTIVE",
        "OS-EXT-SRV-ATTR:host": host,
        "OS-EXT-STS:task_state": None,
        "OS-EXT-STS:power_state": 1,
        "flavor": FLAVOR,
        "image": {"id": f"{number % IMAGES:032x}", "properties": {}} if number % 2 else "",
        "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
        "tags": [],
        "metadata": {},
        "os-extended-volumes:volumes_attached": [],
        "pinned_availability_zone": None,
        "addresses": {"net": [{"addr": "10.1.2.3", "version": 4, "OS-EXT-IPS:type": "fixed"}] * 2},
        "description": "x" * 600,
    }


def pages(path: str, key: str, rows: list[Row]) -> Iterator[tuple[tuple[str, str], bytes]]:
    """Answers by path and marker; each but the last names the next, as OpenStack does."""
    marker = ""
    for at in range(0, max(1, len(rows)), PAGE):
        some = rows[at : at + PAGE]
        answer: Row = {key: some}
        following = str(some[-1].get("id") or some[-1]["uuid"]) if some[PAGE - 1 :] else ""
        if following and rows[at + PAGE :]:
            answer[f"{key}_links"] = [{"rel": "next", "href": f"http://x{path}?marker={following}"}]
        yield (path, marker), json.dumps(answer).encode()
        marker = following


def serve(line: Connection, hosts: int, servers: int, pause: float) -> None:
    answers = {at: text for one in lists(hosts, servers) for at, text in pages(*one)}
    inventory = {"total": 32, "reserved": 0, "allocation_ratio": 4.0, "max_unit": 32}
    inventories = {"inventories": dict.fromkeys(("VCPU", "MEMORY_MB", "DISK_GB"), inventory)}
    usages = {"usages": {"VCPU": 8, "MEMORY_MB": 8, "DISK_GB": 8}}
    traits = {"traits": ["HW_CPU_X86_AVX2", "HW_CPU_X86_SSE42"]}
    for one in (inventories, usages, traits):
        answers[next(iter(one)), ""] = json.dumps(one).encode()

    class Cloud(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one piece

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            marker = parse_qs(asked.query).get("marker", [""])[0]
            path = asked.path
            if path.startswith("/resource_providers/"):
                path, marker = path.rpartition("/")[2], ""
            text = answers[path, marker]
            time.sleep(pause)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    line.send(served.server_port)
    served.serve_forever()


class Bench(Api):
    """Calls without keystone; it counts them."""

    def __init__(self, port: int) -> None:
        super().__init__(SimpleNamespace(session=Session()))
        self._bases = dict.fromkeys(SERVICES, f"http://127.0.0.1:{port}")
        self.calls = 0

    def find(self, service: str, types: tuple[str, ...]) -> bool:
        return False

    def get(self, service: str, path: str, **query: str) -> Row:
        self.calls += 1
        return super().get(service, path, **query)


def main(hosts: int, servers: int, pause: float) -> None:
    here, there = multiprocessing.Pipe()
    cloud = multiprocessing.Process(target=serve, args=(there, hosts, servers, pause), daemon=True)
    cloud.start()
    try:
        port = here.recv()
        timed(Bench(port), pause)
    finally:
        cloud.kill()
        cloud.join()


def timed(api: Bench, pause: float) -> None:
    began, cpu = time.monotonic(), time.process_time()
    facts = reading.read(api)
    took, cpu = time.monotonic() - began, time.process_time() - cpu
    least = api.calls * pause / reading.WORKERS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(facts.hosts)} hosts, {len(facts.servers)} servers, "
        f"{pause * 1000:g} ms an answer: "
        f"{took:.1f} s, {cpu:.1f} s of CPU, {api.calls} calls, {took / least:.1f} times their "
        f"pauses alone, {peak:.0f} MB, load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:]]
    main(
        given[0] if given else 10_000,
        given[1] if given[1:] else 200_000,
        (given[2] if given[2:] else 20) / 1000,
    )
