"""The temporary key by which hosts pull bulk data: the target's controllers from the source's
and from its database's host.

The private key is made on the target and never leaves it. On the source it opens one program of
fixed words (`serve`), from the target's address only, without terminal or forwarding. Everything
added is recorded under /var/lib/migrate on the host it was added to, before it is added, and
removed by revert.

Other parts use `stream` (a command line for a script that runs on the target) and `pull_files`.
"""

import json
import shlex
import threading
from collections.abc import Iterable, Mapping
from hashlib import sha256

from migrate import onhost
from migrate.cloud import Context, hosts, side_by_side
from migrate.cloud.host import Host
from migrate.errors import CommandError, StepError

FOLDER = "/var/lib/migrate/transfer"
KEY, SERVE = f"{FOLDER}/key", f"{FOLDER}/serve"
ALLOWED = f"{FOLDER}/allowed.json"
SERVE_PROGRAM = "#!/usr/bin/env python3\n" + onhost.source("serve")
NOTE = "transfer-key"
NOTHING: dict[str, list[str]] = {
    "databases": [],
    "folders": [],
    "trees": [],
    "sockets": [],
    "backups": [],
    "volumes": [],
}
DAY = 86400.0
STREAMS = 2
PERMITTING = threading.Lock()

MAKE_KEY = """
umask 077; mkdir -p "$1"  # its parents are ours too
test -s "$1/key" && test -s "$1/key.pub" || { rm -f "$1/key" "$1/key.pub"
ssh-keygen -q -t ed25519 -N '' -C "$2" -f "$1/key"; }
chmod 0600 "$1/key"
cat "$1/key.pub"
"""

HOST_KEYS = r"""
sshd=$(command -v sshd || echo /usr/sbin/sshd)
"$sshd" -T 2>/dev/null | awk '$1 == "hostkey" { print $2 }' | while read -r key; do
  test -r "$key.pub" && cut -d' ' -f1,2 "$key.pub"
done
true
"""


def mark(context: Context, pulls: Host) -> str:
    """The comment by which our line in an authorized_keys file is known."""
    return f"sidestep-{context.stack}-{pulls.name}"


def allow(context: Context) -> None:
    """Make a key on every target controller and admit it where the source has its data."""
    let_in(context, context.target.controllers, context.source.core, NOTE)


def let_in(
    context: Context, pulls: Iterable[Host], serves: Iterable[Host], note: str, folder: str = FOLDER
) -> None:
    """Let the hosts *pulls* ask each of *serves*, where that is noted as *note* before.

    Their keys are in *folder* there.
    """
    keys = {one: one.shell(MAKE_KEY, folder, mark(context, one)).strip() for one in pulls}
    known = []
    for host in serves:
        _admit(context, host, keys, note)
        found = host.shell(HOST_KEYS).split("\n")
        port = context.settings.ssh.port
        named = host.address if port == 22 else f"[{host.address}]:{port}"
        known += [f"{named} {key}\n" for key in found if key]
    for one in keys:
        one.write(_known_hosts(folder), "".join(known), mode=0o600)


def _admit(context: Context, host: Host, keys: Mapping[Host, str], note: str) -> None:
    user = context.settings.ssh.user
    run = f"{'' if user == 'root' else 'sudo -n '}{SERVE}"
    lines = {
        mark(context, one): f'restrict,from="{one.address}",command='
        f'"{run} \\"$SSH_ORIGINAL_COMMAND\\"" {key.rsplit(" ", 1)[0]}'
        for one, key in keys.items()
    }
    host.run("install", "-d", "-m", "0700", "/var/lib/migrate", FOLDER)
    host.write(SERVE, SERVE_PROGRAM, mode=0o700)
    with PERMITTING:
        if not host.exists(ALLOWED):
            host.write(ALLOWED, json.dumps(NOTHING), mode=0o600)
    onhost.call(host, "transfer.admit", note, user, lines)


def forbid(context: Context) -> None:
    """Take the key away on both sides."""

    def dismiss(source: Host) -> None:
        onhost.call(source, "transfer.dismiss", NOTE)
        _leave(source)

    hosts.gather(context.source.core, dismiss)
    hosts.gather(context.target.controllers, _leave)


def _known_hosts(folder: str) -> str:
    return f"{folder}/known_hosts"


def _leave(host: Host, folder: str = FOLDER) -> None:
    host.run("rm", "-rf", "--", folder)
    onhost.call(host, "record.tidy")


def ready(context: Context) -> bool:
    """Whether every target controller can ask all that it must: tried, not believed."""
    pairs = [(t, s) for t in context.target.controllers for s in context.source.core]
    return all(_answers(context, target, source) for target, source in pairs)


def _answers(context: Context, target: Host, source: Host) -> bool:
    if not target.exists(KEY):
        return False
    try:
        told = target.run(*command(context, target, source, "hello"))
    except CommandError:
        return False
    return told.strip() == sha256(SERVE_PROGRAM.encode()).hexdigest()


def command(
    context: Context, target: Host, source: Host, *words: str, folder: str = FOLDER
) -> list[str]:
    """An argv for *target*, with its key in *folder*, whose stdout *source* serves for *words*.

    Its exit status is not enough where more programs follow in a pipe: check all of them, and
    look for the stream's own mark of completeness.
    """
    options = {
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _known_hosts(folder),
        "GlobalKnownHostsFile": "none",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "15",
        "BindAddress": target.address,
    }
    argv = ["ssh", "-F", "none", "-T", "-i", f"{folder}/key"]
    argv += [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    ssh = context.settings.ssh
    return [*argv, "-p", str(ssh.port), f"{ssh.user}@{source.address}", shlex.join(words)]


def shut(serves: Host) -> None:
    """Let nobody ask *serves* for anything any more."""
    _leave(serves)


def permit(source: Host, **more: Iterable[str]) -> None:
    """Add to what the key may ask *source* for; recorded there, gone with the key.

    *more* are `databases`, `folders` of which files are named, `trees`, whole folders, `sockets` of
    servers, `backups`, those that may be copied whole, and `volumes`, folders on whose disks there
    must be room while a socket is served.
    """
    with PERMITTING:  # steps that run side by side each add theirs
        allowed = json.loads(source.read(ALLOWED))
        wanted = {n: sorted({*allowed.get(n, ()), *more.get(n, ())}) for n in NOTHING}
        if wanted != allowed:
            source.write(ALLOWED, json.dumps(wanted), mode=0o600)


def pull_files(
    context: Context,
    folder: str,
    names: Iterable[str],
    *,
    target: Host | None = None,
    source: Host | None = None,
) -> None:
    """Copy *names* (files below *folder*, relative) from the source to the same *folder* here.

    By default from the source's first controller to the target's first. Owner, mode and times are
    kept (owners by name). A file appears under its name only when it is whole, in place of what
    was there. Content is not compared: hash it. Raises StepError naming what went wrong; what was
    pulled whole before stays. The bytes go from host to host.
    """
    target, source = target or context.target.tools, source or context.source.tools
    wanted = list(names)
    permit(source, folders=[folder])
    shares = [share for share in (wanted[n::STREAMS] for n in range(STREAMS)) if share]

    def pull(numbered: tuple[int, list[str]]) -> str:
        number, share = numbered
        argv = command(context, target, source, "files", folder)
        incoming = f"{folder}/.incoming-sidestep-{number}"
        return str(onhost.call(target, "transfer.pull", argv, folder, incoming, share, timeout=DAY))

    if wrong := [text for text in side_by_side.each(pull, enumerate(shares), STREAMS) if text]:
        raise StepError(f"files of {source.name}:{folder} did not reach {target.name}: {wrong[0]}")


def pull_tree(
    context: Context, folder: str, *, pulls: Host, serves: Host, keys: str = FOLDER, to: str = ""
) -> None:
    """Copy all of *folder* from *serves* to *to* of *pulls*, by default the same; whole or not.

    A key of its own is made for it, in the folder *keys* of *pulls*, and taken away again. What
    came is compared byte by byte: raises StepError where it is not the same. The bytes go from host
    to host.
    """
    note, to = f"{NOTE}-{pulls.name}", to or folder
    try:
        let_in(context, [pulls], [serves], note, keys)
        permit(serves, trees=[folder])
        argv = command(context, pulls, serves, "tree", folder, folder=keys)
        if wrong := onhost.call(pulls, "transfer.pull_tree", argv, to, timeout=DAY):
            raise StepError(f"{serves.name}:{folder} did not reach {pulls.name}: {wrong}")
        sides = ((serves, folder), (pulls, to))
        if len({onhost.call(h, "transfer.tree_digest", at, timeout=600) for h, at in sides}) > 1:
            raise StepError(f"{to} on {pulls.name} is not the same as {folder} on {serves.name}")
    finally:
        turn_away(pulls, serves, keys)


def turn_away(pulls: Host, serves: Host, keys: str = FOLDER) -> None:
    """Take the key of `pull_tree` away; nothing where there is none."""
    _leave(pulls, keys)  # first: who serves may be dead
    onhost.call(serves, "transfer.dismiss", f"{NOTE}-{pulls.name}")
