"""Folders of keys, carried as they are: from host to host through memory, never to a disk here."""

from __future__ import annotations

from typing import Any

from migrate.cloud import Context, hosts
from migrate.cloud.addresses import counterpart
from migrate.engine import markers
from migrate.onhost import source
from migrate.services.base import Recipe

RECORDS = "/var/lib/migrate/keys"

READ = """
import base64, os
result = []
for folder in payload:
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and not os.path.islink(path):
            with open(path, "rb") as stream:
                text = base64.b64encode(stream.read()).decode()
            result.append([path, text, os.stat(path).st_mode & 0o777])
"""

STATE = """
import base64, os, pwd
user, folders, keys = payload
uid = pwd.getpwnam(user).pw_uid
def as_wanted(path, text, mode):
    about = os.stat(path)
    with open(path, "rb") as stream:
        same = base64.b64encode(stream.read()).decode() == text
    return same and about.st_mode & 0o777 == mode and about.st_uid == uid
try:
    here = sorted(os.path.join(f, n) for f in folders for n in os.listdir(f))
    result = here == sorted(key[0] for key in keys) and all(as_wanted(*key) for key in keys)
except OSError:
    result = False
"""

# A folder is made whole beside its place and then put there, so it never holds half the keys.
WRITE = (
    source("record")
    + """
import base64, os, pwd, shutil
record, user, folders, keys = payload
person = pwd.getpwnam(user)
os.umask(0o077)
os.makedirs(record, exist_ok=True)
for folder in folders:
    before = os.path.join(record, folder.strip("/").replace("/", "%"))
    ours = os.path.exists(before + ".ours")
    if os.path.isdir(folder) and not ours and not os.path.exists(before):
        shutil.copytree(folder, before + ".part", dirs_exist_ok=True)
        for root, _, names in os.walk(before + ".part"):
            for path in [*(os.path.join(root, name) for name in names), root]:
                durable(path)
        os.rename(before + ".part", before)
    write(before + ".ours", "", 0o600)
    staged = folder + ".migrate"
    shutil.rmtree(staged, ignore_errors=True)
    os.makedirs(staged, 0o700)
    for path, text, mode in keys:
        if os.path.dirname(path) == folder:
            name = os.path.join(staged, os.path.basename(path))
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(handle, "wb") as stream:
                stream.write(base64.b64decode(text))
            os.chmod(name, mode)
            os.chown(name, person.pw_uid, person.pw_gid)
    os.chown(staged, person.pw_uid, person.pw_gid)
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(staged, folder)
"""
)

REVERT = """
import os, pwd, shutil
record, user, folders = payload
for folder in folders:
    before = os.path.join(record, folder.strip("/").replace("/", "%"))
    shutil.rmtree(folder + ".migrate", ignore_errors=True)
    if os.path.exists(before + ".ours"):
        shutil.rmtree(folder, ignore_errors=True)
        if os.path.isdir(before):
            person = pwd.getpwnam(user)
            shutil.copytree(before, folder)
            for root, _, names in os.walk(folder):
                for path in [root, *(os.path.join(root, name) for name in names)]:
                    os.chown(path, person.pw_uid, person.pw_gid)
shutil.rmtree(record, ignore_errors=True)
for folder in (os.path.dirname(record), os.path.dirname(os.path.dirname(record))):
    if os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)
"""


def _source_keys(context: Context, recipe: Recipe, index: int) -> list[Any]:
    keys: list[Any] = counterpart(context, index).python(READ, list(recipe.keys))
    return keys


def carried(context: Context, recipe: Recipe) -> bool:
    """Whether every target controller has the source's keys and no others."""
    return all(
        host.python(STATE, [recipe.user, list(recipe.keys), _source_keys(context, recipe, index)])
        for index, host in enumerate(context.target.controllers)
    )


def carry(context: Context, recipe: Recipe) -> None:
    """Put the source's keys in place of whatever is there; that is kept for `give_back`."""
    markers.refuse_when_live(context)
    for index, host in enumerate(context.target.controllers):
        keys = _source_keys(context, recipe, index)
        payload = [f"{RECORDS}/{recipe.project}", recipe.user, list(recipe.keys), keys]
        host.python(f"# keys of {recipe.project}\n{WRITE}", payload)


def give_back(context: Context, recipe: Recipe) -> None:
    """Remove the keys that were carried, and put back what was there."""
    payload = [f"{RECORDS}/{recipe.project}", recipe.user, list(recipe.keys)]
    hosts.gather(context.target.controllers, lambda host: host.python(REVERT, payload))
