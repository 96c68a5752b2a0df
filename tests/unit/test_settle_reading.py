"""`migrate settle` over HTTP: a small cloud's keystone, nova, placement and masakari answer."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import openstack
import pytest
import yaml

from migrate.cli import commands
from migrate.cloud.api import Api
from migrate.computes import reading
from migrate.computes.facts import Facts, Kind
from migrate.computes.installers import in_place
from migrate.computes.service import REASON
from migrate.engine.finding import Finding, Severity
from migrate.errors import PreconditionError
from migrate.verify import boot
from tests.unit import fakes

PAGE = 2
NODES = {"cmp1": "6f1c0000-0000-4000-8000-000000000001", "cmp2": "6f1c-2", "cmp3": "6f1c-3"}
CPU = {"arch": "x86_64", "vendor": "Intel", "model": "Skylake", "features": ["avx"]}
FLAVOR: dict[str, Any] = {
    **{"original_name": "tiny", "vcpus": 1, "ram": 96, "disk": 1, "ephemeral": 0, "swap": 0},
    "extra_specs": {"hw:x": "y"},
}


def service(host: str, **more: Any) -> dict[str, Any]:
    row = {"binary": "nova-compute", "host": host, "zone": "nova", "disabled_reason": None}
    return {**row, "status": "enabled", "state": "up", "forced_down": False, **more}


def server(
    id_: str,
    host: str | None,
    status: str = "ACTIVE",
    task: str | None = None,
    volumes: Sequence[dict[str, str]] = (),
    **more: Any,
) -> dict[str, Any]:
    return {
        **{"id": id_, "name": f"name-{id_}", "tenant_id": "p1", "status": status, "tags": []},
        **{"OS-EXT-SRV-ATTR:host": host, "OS-EXT-STS:task_state": task},
        **{"OS-EXT-STS:power_state": 1, "flavor": FLAVOR, "image": {"id": "i1"}, "metadata": {}},
        "os-extended-volumes:volumes_attached": list(volumes),
        "pinned_availability_zone": None,
        **more,
    }


LISTS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "/compute/v2.1/os-services": (
        "services",
        [
            service("cmp2"),
            service("cmp1", status="disabled", disabled_reason="disk"),
            service("cmp3", forced_down=True),
            service("ctl", binary="nova-conductor"),
        ],
    ),
    "/compute/v2.1/os-hypervisors/detail": (
        "hypervisors",
        [
            {
                "id": node,
                "service": {"host": host},
                "hypervisor_type": "QEMU",
                "hypervisor_version": 10000000,
                "cpu_info": CPU,
            }
            for host, node in NODES.items()
        ],
    ),
    "/compute/v2.1/servers/detail": (
        "servers",
        [
            server("s1", "cmp1", tags=["x"], metadata={"k": "v"}, pinned_availability_zone="nova"),
            server("s2", "cmp1", "SHUTOFF"),
            server(
                "s3",
                "cmp2",
                image="",
                volumes=[{"id": "v1"}, {"id": "v2"}],
            ),
            server("s4", "cmp2", task="migrating"),
            server("s5", None, "SHELVED_OFFLOADED"),
        ],
    ),
    "/compute/v2.1/os-aggregates": (
        "aggregates",
        [{"name": "fast", "hosts": ["cmp1"], "metadata": {"ssd": "yes"}}],
    ),
    "/compute/v2.1/os-server-groups": (
        "server_groups",
        [
            {
                "id": "g1",
                "policy": "anti-affinity",
                "rules": {"max_server_per_host": 2},
                "members": ["s1", "gone"],
            }
        ],
    ),
    "/placement/resource_providers": (
        "resource_providers",
        [
            *({"uuid": node, "root_provider_uuid": node} for node in NODES.values()),
            {"uuid": "card", "root_provider_uuid": "6f1c-2"},
        ],
    ),
    "/identity/v3/projects": ("projects", [{"id": "p1", "name": "demo"}]),
    "/network/v2.0/ports": (
        "ports",
        [
            {"id": "1", "device_id": "s1", "binding:vnic_type": "normal"},
            {"id": "2", "device_id": "s1", "binding:vnic_type": "direct"},
            {"id": "3", "device_id": "", "binding:vnic_type": "direct"},
            {"id": "4", "device_id": "s3"},
        ],
    ),
    "/image/v2/images": (
        "images",
        [
            {"id": "i1", "trait:CUSTOM_FAST": "required", "hw_cpu_policy": "dedicated"},
            {"id": "i2", "trait:CUSTOM_FAST": "forbidden", "os_distro": "debian"},
        ],
    ),
    "/volume/v3/volumes/detail": (
        "volumes",
        [
            {
                "id": "v1",
                "attachments": [{"server_id": "s3", "device": "/dev/vda"}],
                "volume_image_metadata": {
                    **{"hw_tpm_version": "2.0", "trait:HW_X": "required"},
                    "size": str(3 * 2**29),  # of the image, in bytes
                },
            },
            {"id": "v2", "attachments": [{"server_id": "s3", "device": "/dev/vdb"}]},
        ],
    ),
    "/ha/v1/p0/segments": (
        "segments",
        [{"name": "rack1", "enabled": False}, {"name": "rack2", "enabled": True}],
    ),
}
INVENTORY = {"total": 8, "reserved": 1, "allocation_ratio": 4.0, "max_unit": 8, "min_unit": 1}
TYPES = {"compute": "/compute/v2.1", "placement": "/placement", "instance-ha": "/ha/v1/p0"}


class Cloud(BaseHTTPRequestHandler):
    """Gives LISTS in pages of PAGE with links as nova's, and what a provider has."""

    asked: list[tuple[str, str, str]]
    types: set[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        here = self._here()
        urls = {"identity": "/identity/v3", **{one: TYPES[one] for one in self.types}}
        catalogue = [
            {
                "type": type_,
                "name": type_,
                "endpoints": [
                    {"interface": "public", "region": "R", "region_id": "R", "url": here + path}
                ],
            }
            for type_, path in urls.items()
        ]
        token = {
            **{"methods": ["password"], "expires_at": "2999-01-01T00:00:00.000000Z"},
            **{"user": {"id": "u", "name": "admin"}, "project": {"id": "p0", "name": "admin"}},
            **{"roles": [{"id": "r", "name": "admin"}], "catalog": catalogue},
        }
        self._say(201, {"token": token})

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        self.asked.append(("GET", url.path, str(self.headers.get("OpenStack-API-Version", ""))))
        if url.path in ("/identity/v3", "/identity/v3/"):
            links = [{"rel": "self", "href": f"{self._here()}/identity/v3/"}]
            self._say(200, {"version": {"id": "v3.14", "status": "stable", "links": links}})
        elif url.path in LISTS:
            self._list(url.path, query)
        elif url.path.endswith("/inventories"):
            self._say(200, {"inventories": {"VCPU": INVENTORY}})
        elif url.path.endswith("/usages"):
            self._say(200, {"usages": {"VCPU": 2}})
        elif url.path.endswith("/traits"):
            self._say(200, {"traits": ["HW_CPU_X86_AVX"]})
        else:
            self._say(404, {})

    def _here(self) -> str:
        return f"http://127.0.0.1:{self.connection.getsockname()[1]}"

    def _list(self, path: str, query: dict[str, str]) -> None:
        key, rows = LISTS[path]
        if "offset" in query or key in ("services", "aggregates"):
            self._say(200, {key: rows})
            return
        marks = [str(one.get("id")) for one in rows]
        begin = marks.index(query["marker"]) + 1 if "marker" in query else 0
        page = rows[begin : begin + PAGE] if key in ("servers", "hypervisors") else rows
        answer: dict[str, Any] = {key: page}
        if begin + len(page) < len(rows):
            link = {"rel": "next", "href": f"http://elsewhere{path}?marker={page[-1]['id']}"}
            answer[f"{key}_links"] = [link]
        self._say(200, answer)

    def _say(self, status: int, document: dict[str, Any]) -> None:
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Subject-Token", "token")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def cloud() -> Iterator[tuple[type[Cloud], str]]:
    """Its handler, which notes what it is asked, and the URL of its keystone."""
    handler = type("Noting", (Cloud,), {"asked": [], "types": set(TYPES)})
    served = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield handler, f"http://127.0.0.1:{served.server_port}/identity/v3"
    served.shutdown()
    thread.join()
    served.server_close()


def login(url: str) -> dict[str, Any]:
    who = {"username": "admin", "password": "secret", "project_name": "admin"}
    domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
    return {"auth": {"auth_url": url, **who, **domains}, "region_name": "R"}


def read(url: str) -> Facts:
    return reading.read(Api(openstack.connect(load_yaml_config=False, **login(url))))


def test_facts_as_nova_and_placement_tell_them(cloud: tuple[type[Cloud], str]) -> None:
    facts = read(cloud[1])
    one, two, three = facts.hosts
    assert (one.name, one.enabled, one.reason, one.up) == ("cmp1", False, "disk", True)
    assert (two.enabled, two.up, three.up) == (True, True, False)
    assert (one.version, one.architecture, one.vendor) == (10000000, "x86_64", "Intel")
    assert one.cpu == "Skylake"
    assert [provider.uuid for provider in two.providers] == ["6f1c-2", "card"]
    inventory = one.providers[0].inventories["VCPU"]
    assert (inventory.room, inventory.unit) == (28, 8)
    assert one.providers[0].usages == {"VCPU": 2}
    assert one.providers[0].traits == {"HW_CPU_X86_AVX"}
    s1, s2, s3, s4 = facts.servers
    assert (s1.host, s1.tags, s1.metadata, s1.zone) == ("cmp1", ("x",), {"k": "v"}, "nova")
    assert [one.cards for one in facts.servers] == [(), (), (), ()]
    assert s1.group
    assert (s1.group.policy, s1.group.most) == ("anti-affinity", 2)
    assert [one.kind for one in facts.servers] == [
        *(Kind.RUNNING, Kind.STOPPED, Kind.RUNNING, Kind.BUSY)
    ]
    assert (s1.volume_booted, s3.volume_booted, s3.volumes) == (False, True, ("v1", "v2"))
    assert s1.flavor is s4.flavor
    assert (s2.flavor.ram, s2.flavor.extra_specs) == (96, {"hw:x": "y"})
    assert facts.aggregates[0].hosts == {"cmp1"}
    assert facts.projects == {"p1": "demo"}
    assert facts.recovery == ("rack2",)


def test_calls_are_bounded_and_versions_asked_for(cloud: tuple[type[Cloud], str]) -> None:
    handler, url = cloud
    read(url)
    asked = [path for _, path, _ in handler.asked]
    assert len([one for one in asked if one.startswith("/placement/resource_providers/")]) == 3 * 4
    assert asked.count("/compute/v2.1/servers/detail") == 3
    assert asked.count("/compute/v2.1/os-hypervisors/detail") == 2
    versions = {path: version for _, path, version in handler.asked}
    assert versions["/compute/v2.1/os-hypervisors/detail"] == "compute 2.87"
    assert versions["/compute/v2.1/servers/detail"] == "compute 2.98"
    assert versions["/placement/resource_providers"] == "placement 1.39"


def test_a_cloud_without_instance_ha_is_not_asked_for_it(cloud: tuple[type[Cloud], str]) -> None:
    handler, url = cloud
    handler.types.discard("instance-ha")
    assert read(url).recovery == ()


def test_ports_that_are_on_cards_are_told_of_their_servers(
    cloud: tuple[type[Cloud], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, url = cloud
    handler.types.add("network")
    monkeypatch.setitem(TYPES, "network", "/network")
    assert {one.id: one.cards for one in read(url).servers if one.cards} == {"s1": ("direct",)}


@pytest.fixture
def stored(cloud: tuple[type[Cloud], str], monkeypatch: pytest.MonkeyPatch) -> type[Cloud]:
    """The cloud has glance and cinder."""
    cloud[0].types.update(("image", "volumev3"))
    monkeypatch.setitem(TYPES, "image", "/image")
    monkeypatch.setitem(TYPES, "volumev3", "/volume/v3")
    return cloud[0]


ASKING: list[tuple[dict[str, Any], dict[str, str] | None]] = [
    ({"image": {"id": "i1", "properties": {}}}, {"trait:CUSTOM_FAST": "required"}),
    ({"image": {"id": "i2", "properties": {"hw_numa_nodes": "2"}}}, {"hw:numa_nodes": "2"}),
    ({"image": {"id": "gone", "properties": {"hw_numa_nodes": "2"}}}, None),
    (
        {"image": "", "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda"},
        {"hw:tpm_version": "2.0", "trait:HW_X": "required"},
    ),
    ({"image": "", "OS-EXT-SRV-ATTR:root_device_name": "/dev/vdb"}, {}),
    ({"image": "", "OS-EXT-SRV-ATTR:root_device_name": None}, None),
]


@pytest.mark.parametrize(("row", "asks"), ASKING)
def test_what_an_image_asks_for_is_told_with_the_flavor(
    cloud: tuple[type[Cloud], str],
    stored: type[Cloud],
    monkeypatch: pytest.MonkeyPatch,
    row: dict[str, Any],
    asks: dict[str, str] | None,
) -> None:
    """Nova keeps what a server was made with, and no traits; a root volume has both."""
    where = "/compute/v2.1/servers/detail"
    monkeypatch.setitem(LISTS, where, ("servers", [server("s3", "cmp1", **row)]))
    (one,) = read(cloud[1]).servers
    assert one.flavor.image_known == (asks is not None)
    assert one.flavor.extra_specs == {"hw:x": "y", **(asks or {})}
    asked = [path for _, path, _ in stored.asked]
    assert asked.count("/image/v2/images") == 2  # hidden ones by themselves
    assert asked.count("/volume/v3/volumes/detail") == 1


def test_the_largest_image_that_a_volume_was_made_of_is_known(
    cloud: tuple[type[Cloud], str], stored: type[Cloud]
) -> None:
    assert read(cloud[1]).image == 1.5


def test_where_no_image_asks_for_traits_none_is_missed(
    cloud: tuple[type[Cloud], str], stored: type[Cloud], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LISTS, "/image/v2/images", ("images", [{"id": "i2"}]))
    monkeypatch.setitem(LISTS, "/volume/v3/volumes/detail", ("volumes", []))
    row = server("s1", "cmp1", image={"id": "gone", "properties": {}})
    monkeypatch.setitem(LISTS, "/compute/v2.1/servers/detail", ("servers", [row]))
    assert read(cloud[1]).servers[0].flavor.image_known


def test_a_cloud_without_placement(cloud: tuple[type[Cloud], str]) -> None:
    handler, url = cloud
    handler.types.discard("placement")
    with pytest.raises(PreconditionError, match="the catalogue has no placement"):
        read(url)


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: tuple[type[Cloud], str]
) -> Path:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "stacks").mkdir()
    stack = {**fakes.STACK, "cloud": {"name": "admin", "file": "clouds.yaml"}}
    computes = [{"name": f"cmp{n}", "address": f"10.0.0.{30 + n}"} for n in (1, 2)]
    stack["source"] = {**stack["source"], "computes": computes}
    stack["settle"] = {"rules": [{"tag": "x", "do": "stopStart"}], "canary": 1}
    config = {f"sidestep:{key}": one for key, one in stack.items()}
    (tmp_path / "stacks/Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"admin": login(cloud[1])}}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MIGRATE_HOME", raising=False)
    monkeypatch.setattr(in_place, "findings", lambda *_: [])
    return tmp_path


@pytest.fixture
def said(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, str]]:
    """What `migrate settle` with options prints, on stdout and stderr, as it ends with a code."""

    def run(*options: str, code: int) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["migrate", "settle", "--stack", "prod", *options])
        with pytest.raises(SystemExit) as ended:
            commands.main()
        out, err = capsys.readouterr()
        assert ended.value.code == code, err
        return out, err

    return run


Said = Callable[..., tuple[str, str]]


def test_the_command_shows_a_row_a_host_then_what_forbids_it(said: Said) -> None:
    out, _ = said(code=3)
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0] == "prod: in-place, in this order"
    assert lines[1].split() == [
        *("turn", "host", "zone", "servers", "now", "what", "happens", "where", "to", "about"),
        *("way", "back"),
    ]
    assert lines[2].startswith(
        "canary   cmp1  nova  1 running, 1 stopped  1 stays, 1 stop and start"
    )
    assert [line.split()[:2] for line in lines[3:5]] == [["refused", "cmp2"], ["refused", "cmp3"]]
    told = "\n".join(lines)
    assert (
        "Hosts: 1, refused: 2; batches: 1; servers: 1 stays, 1 stop and start; about 243 s" in told
    )
    assert "Users notice, stop and start: off from the stop until its host is renewed." in told
    assert "instance-HA is at work for rack2" in told
    assert "1 server (name-s4) is in the middle of an operation (cmp2)" in told
    assert "nova-compute is down there" in told


def test_the_command_answers_programs(said: Said, cloud: tuple[type[Cloud], str]) -> None:
    cloud[0].types.discard("instance-ha")
    out, err = said("--host", "cmp1", "--by", "reinstall", "-f", "json", code=3)
    document = json.loads(out)
    (host,) = document["hosts"]
    assert document["by"] == "reinstall"
    assert (host["host"], host["refused"]) == ("cmp1", True)
    full, nobody = (one for one in document["findings"] if one["severity"] == "error")
    assert "(name-s2) is without room on any other host" in full["message"]
    assert "sidestep:settle.reinstall.command" in nobody["message"]
    assert "This is a plan: nothing was changed." in err
    assert cloud[0].asked
    assert {method for method, _, _ in cloud[0].asked} == {"GET"}


def test_a_host_that_nothing_forbids(said: Said, cloud: tuple[type[Cloud], str]) -> None:
    cloud[0].types.discard("instance-ha")
    out, _ = said("--host", "cmp1", code=0)
    assert "Nothing forbids this plan." in out


def test_hosts_that_are_left_out_forbid_nothing(said: Said, cloud: tuple[type[Cloud], str]) -> None:
    cloud[0].types.discard("instance-ha")
    out, _ = said("--except", "cmp2", "--except", "cmp3", code=0)
    assert [word for word in ("cmp1", "cmp2", "cmp3") if f" {word} " in out] == ["cmp1"]


@pytest.mark.parametrize(("whose", "code"), [("p0", 0), ("p1", 3)])
def test_a_server_of_ours_that_a_killed_run_has_left_forbids_nothing(
    said: Said,
    cloud: tuple[type[Cloud], str],
    monkeypatch: pytest.MonkeyPatch,
    whose: str,
    code: int,
) -> None:
    """Its host may be open by then, and it in the middle of its boot, or of a migration."""
    cloud[0].types.discard("instance-ha")
    more: Any = {
        "name": f"{boot.NAME}-cmp1",
        "tenant_id": whose,
        "metadata": {boot.NAME: boot.MARK},
    }
    key, rows = LISTS["/compute/v2.1/servers/detail"]
    ours = server("s6", "cmp1", "MIGRATING", "migrating", **more)
    monkeypatch.setitem(LISTS, "/compute/v2.1/servers/detail", (key, [*rows, ours]))
    out, _ = said("--host", "cmp1", code=code)
    assert ("in the middle of an operation" in out) == bool(code)


def test_an_administrator_who_cannot_log_in(project: Path, said: Said) -> None:
    (project / "clouds.yaml").write_text(
        yaml.safe_dump({"clouds": {"admin": login("http://127.0.0.1:9/v3")}})
    )
    _, err = said(code=3)
    assert "the administrator cannot log in" in err


def test_what_hosts_themselves_have_against_it_is_told_of_all_together(
    said: Said, cloud: tuple[type[Cloud], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(_: Any, those: list[Any]) -> list[Finding]:
        error = Severity.ERROR
        return [
            Finding("units", error, "runs as /opt/x", "leave it out", one.name) for one in those
        ]

    monkeypatch.setattr(in_place, "findings", odd)
    cloud[0].types.discard("instance-ha")
    out, err = said("--host", "cmp1", code=3)
    assert "runs as /opt/x" in out + err
    row = LISTS["/compute/v2.1/os-services"][1][1]
    monkeypatch.setitem(row, "disabled_reason", REASON)
    out, _ = said("--host", "cmp1", "-f", "json", code=0)  # it is in the middle: it has its turn
    (one,) = (one for one in json.loads(out)["findings"] if one["check"] == "units")
    assert one["severity"] == "warning"


def test_a_host_that_the_stack_does_not_name_is_told_before(
    said: Said, project: Path, cloud: tuple[type[Cloud], str]
) -> None:
    path = project / "stacks/Pulumi.prod.yaml"
    path.write_text(path.read_text().replace("cmp1", "cmp9"))
    out, err = said("--host", "cmp1", code=3)
    assert "it is not in sidestep:source.computes" in out + err


def test_a_host_that_was_begun_and_is_named_no_more_is_told(
    said: Said, project: Path, cloud: tuple[type[Cloud], str]
) -> None:
    cloud[0].types.discard("instance-ha")
    home = project / ".migrate/prod"
    home.mkdir(parents=True)
    for name in ("cmp1", "cmp7.example.org"):
        (home / f"installer-{name}.json").write_text('{"format": 3, "by": "in-place"}')
    out, _ = said("--host", "cmp1", code=0)
    told = "it was begun from here, and sidestep:source.computes does not name it any more"
    assert f"{told} (cmp7.example.org)" in out
    assert out.count(told) == 1
