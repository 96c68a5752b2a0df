"""Images and volumes on RBD: whose client sees what, and what of it is believed."""

from __future__ import annotations

import errno
import hashlib
import importlib
import os
import pwd
import sys
import threading
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Cloud, Context
from migrate.cloud.settings import parse
from migrate.configuration import service_options
from migrate.errors import StepError, UnreachableError
from migrate.onhost import librbd
from migrate.services import RECIPES, chosen, kind
from migrate.storage import backends
from migrate.storage.images import rbd as images_on_rbd
from migrate.storage.images.image import Image
from migrate.storage.rbd.client import Client
from migrate.storage.rbd.wanted import differences
from migrate.storage.volumes import contract as volume_contract
from migrate.storage.volumes import policy, volume_proof
from migrate.storage.volumes import rbd as volumes_on_rbd
from tests.unit.ceph import Cluster, Device, FailedError
from tests.unit.fakes import STACK

ALONE = threading.Lock()  # the hosts are asked side by side, and share this process
ME = pwd.getpwuid(os.geteuid()).pw_name
CONF = "/etc/ceph/ceph.conf"
GLANCE = """
[DEFAULT]
enabled_backends = files:file, rbd1:rbd
[rbd1]
rbd_store_pool = images
rbd_store_user = glance
rbd_store_ceph_conf = /etc/ceph/ceph.conf
"""
TWO_CLUSTERS = """
[DEFAULT]
enabled_backends = rbd1:rbd, rbd2:rbd
[rbd1]
rbd_store_pool = images
rbd_store_user = glance
[rbd2]
rbd_store_pool = images
rbd_store_user = glance
rbd_store_ceph_conf = /etc/ceph/two.conf
"""
CINDER = """
[DEFAULT]
enabled_backends = nfs1, rbd1
[nfs1]
volume_driver = cinder.volume.drivers.nfs.NfsDriver
[rbd1]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
rbd_pool = volumes
rbd_user = cinder
"""
DATA = bytes(range(256)) * 64 * 1024  # 16 MiB
LOCATION = "rbd://f5/images/one/snap"


def cluster() -> Cluster:
    one = Device("rbd_data.1", DATA, {"snap": (DATA, True)})
    return Cluster(pools={"images": {"one": one}})


def image(**other: Any) -> Image:
    digest = hashlib.sha512(DATA).hexdigest()
    given = {"path": LOCATION, "size": len(DATA), "algorithm": "sha512", "digest": digest}
    return Image(id="one", scheme="rbd", **{**given, **other})


class ClientHost:
    """A host whose services are clients of `cluster`, and that has glance's files."""

    def __init__(self, name: str, cluster_: Cluster) -> None:
        self.name = self.address = name
        self.cluster = cluster_
        self.texts = {
            "/etc/glance/glance-api.conf": GLANCE,
            "/etc/cinder/cinder.conf": CINDER,
        }
        self.interpreters: list[str] = []
        self.written: list[Any] = []
        self.others: dict[str, Cluster] = {}  # by the file that names them
        self.dead = False

    def python(
        self,
        source: str,
        payload: Any = None,
        timeout: float = 60,
        interpreter: Sequence[str] = ("python3",),
    ) -> Any:
        if self.dead:
            raise UnreachableError(f"{self.name} is away", self.name)
        function = source.splitlines()[0].lstrip("# ")
        if function in ("record.load", "record.forget"):
            return {"at": 1.0}
        if function == "files.read":
            return {}
        if function == "files.write":
            self.written += payload["arguments"][1]
            return None
        if function == "configured.read":
            folder = payload["arguments"][0][0].rpartition("/")[0]
            there = {path: text for path, text in self.texts.items() if path.startswith(folder)}
            return {"texts": there, "given": {}}
        assert function == "librbd.seen"
        self.interpreters += interpreter
        service, *rest = payload["arguments"]
        assert service == rest[0]["user"]
        return seen(self.others.get(rest[0]["conf"], self.cluster), ME, *rest)


def seen(of: Cluster, service: str, *arguments: Any) -> Any:
    """The real program, with the bindings of that cluster's clients in the process."""
    modules = of.modules()
    with ALONE, pytest.MonkeyPatch.context() as here:
        real = importlib.import_module
        here.setattr(importlib, "import_module", lambda name: modules.get(name) or real(name))
        return librbd.seen(service, *arguments)


@pytest.fixture
def clouds(tmp_path: Path) -> tuple[Context, ClientHost, ClientHost]:
    return both(tmp_path, "whole")


def both(home: Path, checksums: str) -> tuple[Context, ClientHost, ClientHost]:
    ceph = {"clients": True, "checksums": checksums}
    settings = parse({**STACK, "ceph": ceph}, "test", home)
    whole = cluster()
    hosts = ClientHost("old", whole), ClientHost("new", whole)
    ips = settings.source.virtual_ips
    source = Cloud("source", "2025.1", (hosts[0],), (), ips)  # type: ignore[arg-type]
    target = Cloud("target", "2026.1", (hosts[1],), (), ips)  # type: ignore[arg-type]
    return (Context("test", settings, source, target, home, RECIPES), *hosts)


def wrong(context: Context, target: ClientHost, *those: Image, fresh: bool = False) -> list[str]:
    return images_on_rbd.wrong(context, target, [*those], fresh)  # type: ignore[arg-type]


def test_an_image_is_proven_by_both_clients_with_their_own_python(clouds: Any) -> None:
    context, old, new = clouds
    assert wrong(context, new, image()) == []
    assert set(old.interpreters) == {"python3"}
    assert set(new.interpreters) == {context.installation.python}


def test_what_was_read_once_is_believed_until_it_is_another(clouds: Any) -> None:
    context, _, new = clouds
    assert wrong(context, new, image()) == []
    read = new.cluster.reads
    assert read == 2 * len(DATA)  # by each client
    assert wrong(context, new, image()) == []
    assert new.cluster.reads == read
    assert wrong(context, new, image(), fresh=True) == []
    assert new.cluster.reads == 2 * read
    new.cluster.pools["images"]["one"].prefix = "rbd_data.2"  # made anew under its name
    assert wrong(context, new, image()) == []
    assert new.cluster.reads == 3 * read


def test_a_sample_reads_the_first_and_the_last_block(tmp_path: Path) -> None:
    context, _, new = both(tmp_path, "sampled")
    one = new.cluster.pools["images"]["one"]
    large = bytes(30 * librbd.BLOCK)
    one.data, one.snapshots = large, {"snap": (large, True)}
    assert wrong(context, new, image(size=len(large))) == []
    assert new.cluster.reads == 2 * 16 * librbd.BLOCK

    def told(data: bytes) -> str:
        one.snapshots["snap"] = (data, True)
        asked = ("images", [["one", "snap", "sha256"]], 16)
        client = {"conf": CONF, "user": "glance", "pool": asked[0], "cluster": "ceph"}
        return str(seen(new.cluster, ME, client, *asked[1:])["images"][0]["digest"])

    last = large[:-1] + b"x"
    assert len({told(large), told(last), told(b"x" + large[1:])}) == 3


def other_cluster(of: Cluster) -> None:
    of.fsid = "0a"


def no_key(of: Cluster) -> None:
    of.users = ()


def no_pool(of: Cluster) -> None:
    of.pools = {}


def gone(of: Cluster) -> None:
    del of.pools["images"]["one"]


def another(of: Cluster) -> None:
    of.pools["images"]["one"].prefix = "rbd_data.7"


def smaller(of: Cluster) -> None:
    of.pools["images"]["one"].snapshots["snap"] = (DATA[:-1], True)


def unprotected(of: Cluster) -> None:
    of.pools["images"]["one"].snapshots["snap"] = (DATA, False)


def no_snapshot(of: Cluster) -> None:
    of.pools["images"]["one"].snapshots = {}


def cloned(of: Cluster) -> None:
    of.pools["images"]["one"].parent = ("images", "two", "snap")


def orphaned(of: Cluster) -> None:
    of.pools["images"]["one"].orphan = FailedError("not permitted", errno.EPERM)


def unread(of: Cluster) -> None:
    of.pools["images"]["one"].unread = FailedError("timed out", errno.ETIMEDOUT)


def flipped(of: Cluster) -> None:
    of.pools["images"]["one"].snapshots["snap"] = (DATA[:-1] + b"x", True)


@pytest.mark.parametrize(
    ("change", "everywhere", "told"),
    [
        (other_cluster, False, "client.glance is in cluster 0a, the source's in f5"),
        (other_cluster, True, "is in cluster f5, which client.glance does not reach"),
        (gone, False, "is not seen, which the source's client does"),
        (gone, True, "(images/one@snap) is not there"),
        (another, False, "is another image than for the source's client: rbd_data.7"),
        (smaller, False, "has other snapshots"),
        (smaller, True, f"has {len(DATA) - 1} of {len(DATA)} bytes"),
        (unprotected, True, "snapshot snap that is not protected"),
        (no_snapshot, True, "has no snapshot snap"),
        (cloned, False, "has another parent"),
        (orphaned, False, "image one (images/one@snap) cannot be proven: not permitted"),
        (orphaned, True, "cannot be proven: the source's client says: not permitted"),
        (unread, False, "image one (images/one@snap) cannot be proven: timed out"),
        (flipped, False, "reads otherwise than for the source's client"),
        (flipped, True, "has another sha512 than was recorded"),
    ],
)
def test_what_is_not_as_it_has_to_be_is_told(
    clouds: Any, change: Any, everywhere: bool, told: str
) -> None:
    context, old, new = clouds
    new.cluster = deepcopy(old.cluster)
    change(new.cluster)
    if everywhere:
        old.cluster = new.cluster
    for _ in range(2):  # what is wrong is not believed the second time
        found = wrong(context, new, image())
        assert any(told in one for one in found), found
    with pytest.raises(StepError, match="images on RBD are not what"):
        images_on_rbd.bring(context, new, "glance.images", [image()])


def test_an_image_that_cannot_be_read_is_no_reason_to_ask_for_no_other(clouds: Any) -> None:
    context, _, new = clouds
    unread(new.cluster)
    new.cluster.pools["images"]["two"] = Device("rbd_data.2", DATA, {"snap": (DATA, True)})
    two = replace(image(path=LOCATION.replace("one", "two")), id="two")
    found = wrong(context, new, image(), two)
    assert len(found) == 2  # by each client
    assert all("image one" in one for one in found)


def test_a_cluster_that_has_gone_away_is_not_waited_for_once_for_each_image() -> None:
    of = cluster()
    unread(of)
    client = {"conf": CONF, "user": "glance", "pool": "images", "cluster": "ceph"}
    found = seen(of, ME, client, [["one", "snap", "sha256"]] * 50, 0)["images"]
    reads = of.reads // librbd.BLOCK
    assert librbd.AT_ONCE <= reads < 3 * librbd.AT_ONCE
    assert [one["error"].split(":")[0] for one in found[-20:]] == ["not asked for"] * 20


@pytest.mark.parametrize(
    ("change", "told"),
    [(no_key, "client.glance by /etc/ceph/ceph.conf is not let in"), (no_pool, "has no pool")],
)
def test_a_client_that_is_shut_out_says_so(change: Any, told: str) -> None:
    of = cluster()
    change(of)
    client = {"conf": CONF, "user": "glance", "pool": "images", "cluster": "ceph"}
    with pytest.raises(RuntimeError, match=told):
        seen(of, ME, client, [["one", "snap", ""]], 0)


def test_the_key_is_looked_for_by_the_name_of_the_cluster() -> None:
    """Cinder's rbd_cluster_name is in the usual name of the file of its key."""
    of = cluster()
    of.name = "backup"
    client = {"conf": CONF, "user": "glance", "pool": "images", "cluster": "backup"}
    assert seen(of, ME, client, [["one", "snap", ""]], 0)["fsid"] == of.fsid
    with pytest.raises(RuntimeError, match="is not let in"):
        seen(of, ME, {**client, "cluster": "ceph"}, [["one", "snap", ""]], 0)


def test_the_program_is_the_service_s_user_when_it_reads_the_key() -> None:
    if os.geteuid():
        pytest.skip("only root can become another")
    child = os.fork()
    if not child:
        try:
            librbd._become("nobody")
            os._exit(0 if os.geteuid() == pwd.getpwnam("nobody").pw_uid == os.getuid() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("path", "pool", "name", "snapshot"),
    [
        (LOCATION, "images", "one", "snap"),
        ("rbd://one", "images", "one", ""),
        ("rbd://f5/a%2Fb/x%40y/snap", "a/b", "x@y", "snap"),
    ],
)
def test_a_location_says_where_it_lies(path: str, pool: str, name: str, snapshot: str) -> None:
    own = Client(CONF, "glance", "images", "ceph")
    found = images_on_rbd.described(image(path=path), [own], {})
    assert (found.client.pool, found.name, found.snapshot) == (pool, name, snapshot)
    assert found.client.user == "glance"


@pytest.mark.parametrize("location", ["rbd://", "rbd://f5/images/one", "rbd://f5//one/snap"])
def test_a_location_that_is_none_is_refused(location: str) -> None:
    with pytest.raises(StepError, match="none of RBD's"):
        images_on_rbd.path("one", location)


def volumes() -> dict[str, volume_contract.Volume]:
    """Those of cinder's rows, by what they are called on the storage."""
    (recipe,) = chosen(["cinder"])
    assert recipe.volumes
    given = service_options.parsed({"f": "[DEFAULT]\nvolume_name_template = vol-%s\n"})
    rows = [("a", "a", 1, "ctl-old@rbd1#rbd1", 0), ("b", "c", 2, "ctl-old@rbd1#pool", 1)]
    split = [("s", "c", 1, "ctl-old@rbd1#pool")]
    found = volume_proof.described(recipe.volumes, rows, split, given)
    return {f"{one.name}@{one.snapshot}": one for one in found}


def test_what_rows_of_volumes_say() -> None:
    found = volumes()
    assert list(found) == ["vol-a@", "vol-c@", "vol-c@snapshot-s"]  # b was migrated: c is its data
    assert {one.backend for one in found.values()} == {"rbd1"}
    assert found["vol-c@"].id == "b"
    assert (found["vol-a@"].size, found["vol-a@"].written) == (1 << 30, False)


def test_a_volume_is_read_when_no_server_may_write_to_it_and_not_in_the_window() -> None:
    found, own = volumes(), {"rbd1": Client(CONF, "cinder", "volumes", "ceph")}
    first = {name: volumes_on_rbd.described(one, own, True) for name, one in found.items()}
    assert {name for name, one in first.items() if one.read} == {"vol-a@", "vol-c@snapshot-s"}
    assert {name for name, one in first.items() if one.settled} == {"vol-c@snapshot-s"}
    window = [volumes_on_rbd.described(one, own, False) for one in found.values()]
    assert not any(one.read for one in window)


@pytest.mark.parametrize(
    ("size", "told"),
    [(1 << 30, []), ((1 << 30) + 4096, []), ((1 << 30) - 1, ["has 1073741823 of 1073741824"])],
)
def test_a_volume_is_as_large_as_is_said_or_larger(size: int, told: list[str]) -> None:
    own = {"rbd1": Client(CONF, "cinder", "volumes", "ceph")}
    wanted = volumes_on_rbd.described(volumes()["vol-a@"], own, True)
    image_ = {"prefix": "x", "size": size, "parent": [], "snapshots": {}}
    found = list(differences(wanted, image_, image_))
    assert [one[: len(word)] for one, word in zip(found, told, strict=True)] == told


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ({"direct_url": LOCATION, "checksum": "x"}, "deleted: its data on RBD is gone"),
        ({"direct_url": "file:///var/lib/glance/images/one", "checksum": "x"}, ""),
        ({"checksum": "x"}, ""),
    ],
)
def test_a_shared_image_that_was_deleted_is_lost(before: dict[str, str], told: str) -> None:
    known = kind("image")
    assert known
    assert known.lost
    assert known.lost(before, None) == told
    assert known.lost(before, before) == ""


def test_each_volume_is_proven_by_its_driver_and_none_is_forgotten(
    clouds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _, new = clouds
    (recipe,) = chosen(["cinder"])
    disk = Device("rbd_data.9", DATA, {"snapshot-s": (DATA, False)})
    new.cluster.pools["volumes"] = {"volume-a": disk}

    def volume(id_: str, backend: str, snapshot: str = "") -> volume_contract.Volume:
        return volume_contract.Volume(
            id=id_,
            name=f"volume-{id_}",
            size=len(DATA),
            backend=backend,
            written=False,
            snapshot=snapshot,
        )

    every = [volume("a", "rbd1"), volume("a", "rbd1", "snapshot-s"), volume("n", "nfs1")]
    monkeypatch.setattr(volume_proof, "found", lambda *_: every)

    def wrong_() -> list[str]:
        found = volume_proof.wrong(context, recipe, context.source.database, new, read=True)
        return [told for _, told in found]

    assert wrong_() == []
    assert new.cluster.reads == 4 * len(DATA)
    assert wrong_() == []
    assert new.cluster.reads == 6 * len(DATA)  # the snapshot is believed, the volume is not
    every += [volume("b", "rbd1"), volume("c", "gone")]
    assert wrong_() == [
        "volume c is of gone, which old does not have",
        "new: volume b (volumes/volume-b) is not there",
    ]


def test_of_two_clusters_with_a_pool_of_the_name_it_is_the_one_of_the_location(clouds: Any) -> None:
    """Glance keeps an image in both stores under the same name."""
    context, old, new = clouds
    second = replace(cluster(), fsid="0a")
    for one in (old, new):
        one.texts = {"/etc/glance/glance-api.conf": TWO_CLUSTERS}
        one.others["/etc/ceph/two.conf"] = second
    both_ = (image(), image(path=LOCATION.replace("f5", "0a")))
    assert wrong(context, new, *both_) == []
    read = new.cluster.reads, second.reads
    assert read == (2 * len(DATA),) * 2
    assert wrong(context, new, *both_) == []
    assert (new.cluster.reads, second.reads) == read
    (told,) = wrong(context, new, image(path=LOCATION.replace("f5", "77")))
    assert "is in cluster 77, which client.glance does not reach" in told


@pytest.mark.parametrize("dead", [("old",), ("old", "old2")])
@pytest.mark.parametrize("conf", [GLANCE, ""])
def test_images_are_held_again_with_controllers_of_the_source_dead(
    clouds: Any, dead: tuple[str, ...], conf: str
) -> None:
    """The way back of `accept` needs no source; where nobody tells, nothing is let through."""
    context, old, new = clouds
    sources = (old, ClientHost("old2", old.cluster))
    for one in sources:
        one.texts, one.dead = {"/etc/glance/glance-api.conf": conf}, one.name in dead
    context = replace(context, source=replace(context.source, controllers=sources))
    policy.hold_again(context)
    (text,) = [row[1] for row in new.written if row[0].startswith("/etc/glance/")]
    assert ("delete_image" in text) is (bool(conf) or len(dead) == 2)


@pytest.mark.parametrize("attached", [True, False])
def test_of_volumes_only_what_differs_is_read_again_and_not_once_it_is_attached(
    clouds: Any, monkeypatch: pytest.MonkeyPatch, attached: bool
) -> None:
    """What is written while it is read differs between the two clients, and is no difference."""
    context, old, new = clouds
    (recipe,) = chosen(["cinder"])
    disks = {f"volume-{one}": Device(f"rbd_data.{one}", DATA) for one in "abc"}
    old.cluster.pools["volumes"] = disks
    new.cluster = replace(old.cluster, pools={"volumes": dict(disks)})
    new.cluster.pools["volumes"]["volume-b"] = Device("rbd_data.b", DATA[:-1] + b"x")
    lists: list[list[volume_contract.Volume]] = []

    def found(*_: Any) -> list[volume_contract.Volume]:
        given = {"size": len(DATA), "backend": "rbd1"}
        free = {**given, "written": False}
        more: Any = dict.fromkeys("abc", free)
        more["b"] = {**given, "written": attached and bool(lists)}
        every = [volume_contract.Volume(id=n, name=f"volume-{n}", **more[n]) for n in "abc"]
        lists.append(every)
        return every

    monkeypatch.setattr(volume_proof, "found", found)
    monkeypatch.setattr(volume_proof, "call", lambda *_: None)
    context = replace(context, target=replace(context.target, controllers=(new,)))
    if attached:
        volume_proof._prove(context, recipe, context.source.database, read=True)
        assert new.cluster.reads == 3 * len(DATA)
    else:
        with pytest.raises(StepError, match=r"volume b .* reads otherwise") as told:
            volume_proof._prove(context, recipe, context.source.database, read=True)
        assert "volume a" not in str(told.value)
        assert new.cluster.reads == 4 * len(DATA)


@pytest.mark.parametrize(
    ("user", "told"), [("admin", ["error", "store rbd1", "client.admin"]), ("glance", [])]
)
def test_a_store_is_refused_without_a_user_of_its_own_alone(user: str, told: list[str]) -> None:
    (recipe,) = chosen(["glance"])
    assert recipe.storage
    text = GLANCE.replace("_user = glance", f"_user = {user}")
    found = list(backends.judged(recipe.storage, service_options.parsed({"f": text})))
    assert len(found) == bool(told)
    assert all(word in str(one) for one in found for word in told)


def test_a_python_without_the_bindings_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rados", None)
    with pytest.raises(RuntimeError, match="has no rados: install python3-rados"):
        librbd.seen(ME, {}, [], 0)
