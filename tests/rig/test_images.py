"""Images over real ssh between two machines: first pass, delta, and a proof that finds each wrong.

The target's copy of glance's database is imported by hand here; the window's own tests copy it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.database import connection
from migrate.engine.plan import Step
from migrate.errors import StepError
from migrate.phases.plan import compose
from migrate.storage import images
from migrate.storage.images.catalog import of_source
from migrate.storage.images.image import Image

pytestmark = [pytest.mark.rig, pytest.mark.in_set("steps")]


@pytest.fixture(scope="module")
def context(rig: Any) -> Iterator[Context]:
    found: Context = rig.context
    step(found, "transfer.key").apply(found)
    copy_database(found)
    for name in ("glance.images", "glance.delta", "glance.proof"):
        assert not step(found, name).done(found)
        step(found, name).apply(found)
        assert step(found, name).done(found)
    yield found
    for name in ("glance.proof", "glance.delta", "glance.images"):
        undo(found, name)
        assert not step(found, name).done(found)
    assert not found.target.controllers[0].exists("/var/lib/migrate/images.json")
    assert found.target.controllers[0].run("ls", "/var/lib/glance/images") == ""
    undo(found, "transfer.key")
    for host in (found.source.controllers[0], found.target.controllers[0]):
        assert not host.exists("/var/lib/migrate/transfer")


@pytest.fixture
def image(context: Context) -> Image:
    """The first one; what a test does to it is mended afterwards by another delta."""
    return of_source(context)[0]


def step(context: Context, name: str) -> Step:
    return next(one for one in compose(context) if one.id == name)


def undo(context: Context, name: str) -> None:
    revert = step(context, name).revert
    assert revert is not None
    revert(context)


def copy_database(context: Context) -> None:
    dump = context.source.controllers[0].run(
        "mariadb-dump", "--single-transaction", "--databases", "glance", timeout=120
    )
    context.target.controllers[0].run("mariadb", stdin=dump, timeout=120)


def change_database(context: Context, statement: str, *values: object) -> None:
    with connection.session(context.target.controllers[0]) as link:
        connection.rows(link, statement, *values)


def again(context: Context) -> None:
    """The delta and the proof once more; both succeed."""
    step(context, "glance.delta").apply(context)
    step(context, "glance.proof").apply(context)
    assert images.wrong(context, fresh=True) == []


def test_every_image_is_there_with_owner_and_mode(context: Context) -> None:
    show = "cd /var/lib/glance/images && sha256sum * && stat -c '%a %U:%G %Y %n' *"
    assert context.target.controllers[0].shell(show) == context.source.controllers[0].shell(show)
    assert (
        len(of_source(context))
        == len(context.target.controllers[0].shell(show).splitlines()) / 2
        > 0
    )


FLIP = """
import os
about = os.stat(payload)
with open(payload, "r+b") as stream:
    stream.seek(100)
    byte = stream.read(1)[0]
    stream.seek(100)
    stream.write(bytes([byte ^ 1]))
os.utime(payload, ns=(about.st_atime_ns, about.st_mtime_ns))
"""
WRONGS = {
    "one flipped bit": (FLIP, "has another sha512"),
    "one short file": ("import os\nos.truncate(payload, 100)", r"has 100 of \d+ bytes"),
    "one missing file": ("import os\nos.unlink(payload)", "is missing"),
}


@pytest.mark.parametrize("wrong", WRONGS)
def test_the_proof_finds_and_names(context: Context, image: Image, wrong: str) -> None:
    change, words = WRONGS[wrong]
    context.target.controllers[0].python(change, image.path)
    found = images.wrong(context)
    assert len(found) == 1
    assert re.search(rf"{image.path} of image {image.id} {words}", found[0])
    proof = step(context, "glance.proof")
    assert not proof.done(context)
    with pytest.raises(StepError, match=re.escape(image.id)):
        proof.apply(context)
    again(context)
    assert proof.done(context)


def test_an_older_image_is_proven_by_its_checksum(context: Context, image: Image) -> None:
    drop = "UPDATE glance.images SET os_hash_algo = NULL, os_hash_value = NULL WHERE id = %s"
    change_database(context, drop, image.id)
    try:
        assert images.wrong(context) == []
        other = "UPDATE glance.images SET checksum = %s WHERE id = %s"
        change_database(context, other, "0" * 32, image.id)
        found = images.wrong(context)
        assert len(found) == 1
        assert "has another md5" in found[0]
    finally:
        copy_database(context)
    again(context)


def test_an_image_without_any_hash_is_compared_with_the_sources_file(
    context: Context, image: Image
) -> None:
    drop = "UPDATE glance.images SET os_hash_value = NULL, checksum = NULL WHERE id = %s"
    change_database(context, drop, image.id)
    try:
        assert images.wrong(context) == []
        context.target.controllers[0].python(FLIP, image.path)
        assert len(images.wrong(context)) == 1
    finally:
        copy_database(context)
    again(context)


def test_what_was_deleted_since_goes(context: Context, image: Image) -> None:
    change_database(context, "UPDATE glance.images SET deleted = 1 WHERE id = %s", image.id)
    try:
        again(context)
        assert not context.target.controllers[0].exists(image.path)
    finally:
        copy_database(context)
    again(context)
    assert context.target.controllers[0].exists(image.path)


def test_a_strange_file_is_never_replaced(context: Context, image: Image) -> None:
    target = context.target.controllers[0]
    undo(context, "glance.proof")
    undo(context, "glance.delta")
    undo(context, "glance.images")
    target.write(image.path, "somebody's\n", mode=0o600)
    try:
        with pytest.raises(StepError, match="not this program's to replace"):
            step(context, "glance.images").apply(context)
        assert target.read(image.path) == "somebody's\n"
    finally:
        target.run("rm", "--", image.path)
    for name in ("glance.images", "glance.delta", "glance.proof"):
        step(context, name).apply(context)


def test_a_run_that_was_cut_short_goes_on(context: Context) -> None:
    target = context.target.controllers[0]
    found = of_source(context)
    target.run("rm", "--", found[-1].path)
    times = "cd /var/lib/glance/images && stat -c '%i %n' *"
    kept = target.shell(times).splitlines()
    step(context, "glance.images").apply(context)
    assert set(kept) < set(target.shell(times).splitlines())
    again(context)
