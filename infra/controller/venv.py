"""A release's virtual environment is made, exactly as its lock says."""

from __future__ import annotations

import re
from hashlib import sha256
from importlib import resources

from infra.controller import record
from infra.controller.part import Facts, Place
from migrate.cloud.host import Host
from migrate.cloud.installation import ROOT
from migrate.errors import PreconditionError, SettingsError
from migrate.onhost import call
from migrate.services import RECIPES

UV = "uv==0.13.8"
INSTALL_SECONDS = 1800

INSTALL = """
venv=@VENV@ uv=@UV@ stamp=@STAMP@
work=$(mktemp -d /var/tmp/sidestep-release.XXXXXX); trap 'rm -rf "$work"' EXIT
# a cache that the machine was given is used, and none is left; wheels in it count only when their
# hashes are those of the lock
export UV_CACHE_DIR=/var/cache/sidestep/uv UV_LINK_MODE=copy
[ -d "$UV_CACHE_DIR" ] || UV_CACHE_DIR=$work/cache
export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 UV_NO_PROGRESS=1
if ! "@ROOT@/.uv/bin/uv" --version 2>/dev/null | grep -qF "uv ${uv#*==} "; then
  rm -rf @ROOT@/.uv; install -d -m 0755 @ROOT@
  python3 -m venv @ROOT@/.uv </dev/null
  @ROOT@/.uv/bin/pip -q --disable-pip-version-check install "$uv" </dev/null >&2
fi
PATH=@ROOT@/.uv/bin:$PATH
cat >"$work/lock.txt" <<'LOCK'
@LOCK@
LOCK
cat >"$work/build.txt" <<'BUILD'
@BUILD@
BUILD
rm -f "$venv/.sidestep-lock"
[ -x "$venv/bin/python" ] || uv venv -q --python /usr/bin/python3 "$venv" </dev/null
uv pip sync -q --python "$venv/bin/python" --require-hashes -b "$work/build.txt" \\
  "$work/lock.txt" </dev/null
uv pip check -q --python "$venv/bin/python" </dev/null
"$venv/bin/python" -m compileall -q -j 0 "$venv/lib" >/dev/null </dev/null || true
printf '%s\\n' "$stamp" >"$venv/.sidestep-lock"
"""

REMOVE = """
rm -rf -- "$1" "$1.new"
[ -n "$(ls -d "$2"/20* 2>/dev/null)" ] || rm -rf -- "$2/.uv"
rmdir --ignore-fail-on-non-empty -- "$2" 2>/dev/null || true
"""


def releases() -> list[str]:
    """The releases that this program can install, oldest first."""
    return sorted(
        entry.name
        for entry in resources.files(__package__).joinpath("pins").iterdir()
        if entry.name[0].isdigit()
    )


def pins(release: str, name: str) -> str:
    """One of the release's pin files, as text."""
    if release not in releases():
        raise SettingsError(
            f"no pins for release {release}; this program installs {', '.join(releases())}"
        )
    return resources.files(__package__).joinpath("pins", release, name).read_text()


def lock(release: str) -> str:
    """What the environment holds: the release's own lock, and what services from elsewhere add."""
    added = [one.lock[release] for one in RECIPES if release in one.lock]
    return "".join((pins(release, "lock.txt"), *added))


def locked(release: str) -> dict[str, str]:
    """Every distribution of the release and its version: `{"nova": "33.0.2", ...}`."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", lock(release), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def digest(release: str) -> str:
    """What decides the environment, short: it names the lock in facts, stamps and layers."""
    return sha256(lock(release).encode()).hexdigest()[:12]


def script(place: Place) -> str:
    """Shell text that makes the environment of *place* as locked; safe to repeat."""
    values = {
        "@ROOT@": ROOT,
        "@VENV@": place.installation.folder,
        "@UV@": UV,
        "@STAMP@": digest(place.release),
        "@BUILD@": pins(place.release, "build-constraints.txt").rstrip(),
        "@LOCK@": lock(place.release).rstrip(),
    }
    text = INSTALL
    for name, value in values.items():
        text = text.replace(name, value)
    return text


class Release:
    """Facts: `{"release": "2026.1", "lock": "<digest>", "missing": [], "strange": []}`."""

    def wanted(self, place: Place) -> Facts:
        lock = digest(place.release)
        return {"release": place.release, "lock": lock, "missing": [], "strange": []}

    def read(self, host: Host, place: Place) -> Facts:
        folder = place.installation.folder
        found: Facts = call(host, "release.locked", folder, locked(place.release))
        release = place.release if found["lock"] or host.exists(folder) else "absent"
        return {"release": release, **found}

    def apply(self, host: Host, place: Place) -> None:
        wanted = self.wanted(place)
        if self.read(host, place) == wanted:
            return
        record.remember(host, f"release-{place.release}", {"venv": place.installation.folder})
        host.shell(script(place), timeout=INSTALL_SECONDS)
        found = self.read(host, place)
        if found != wanted:
            raise PreconditionError(
                f"{host.name}: {place.installation.folder} is not as locked after its making: "
                f"missing {found['missing']}, strange {found['strange']}"
            )

    def remove(self, host: Host, place: Place) -> None:
        if record.recall(host, f"release-{place.release}"):
            host.shell(REMOVE, place.installation.folder, ROOT, timeout=600)
            record.forget(host, f"release-{place.release}")
